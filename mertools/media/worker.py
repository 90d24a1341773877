"""What runs in a decoder process: open a clip, decode it, apply functions to its frames, send the results.

The process ignores SIGINT (the parent decides), ends when the parent is gone, limits its own memory, and is killed by
its own alarm should it hang beyond the parent's time limit. It imports nothing of torch.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import select
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mertools.errors import MediaError
from mertools.media.audio import Audio, read_audio
from mertools.media.channel import Channel
from mertools.media.frames import Frames, iter_frames
from mertools.media.source import MediaSource
from mertools.status import Status

GRACE_S = 10.0
"""The process kills itself this long after the parent should have done so."""


@dataclass
class _OpenClip:
    """The clip being worked on, with the frames kept for a second pass."""

    source: MediaSource
    hold_bytes: int
    held: list[Frames] = field(default_factory=list)
    held_fps: float | None = None
    complete: bool = False

    def frames(self, fps: float | None) -> Iterator[Frames]:
        if self.complete and self.held_fps == fps:
            yield from self.held
            return
        if self.source.video is None:
            raise MediaError("MER-M004", "the clip has no video file.", "", Status.NO_VIDEO_STREAM)
        self.drop()
        self.held_fps = fps
        n_bytes, holding = 0, True
        for part in iter_frames(self.source.video, fps=fps, start_s=self.source.start_s, end_s=self.source.end_s):
            n_bytes += part.pixels.nbytes
            if holding and n_bytes <= self.hold_bytes:
                # Functions get what a second pass will get; none may change it for the next.
                part.pixels.flags.writeable = False
                self.held.append(part)
            else:
                holding = False
                self.held.clear()
            yield part
        self.complete = holding

    def drop(self) -> None:
        self.held.clear()
        self.complete = False


def main(descriptor: int, memory_bytes: int) -> None:
    """Serve one parent until it is gone.

    Args:
        descriptor: inherited end of the socket pair.
        memory_bytes: limit of the address space; 0 = none.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    channel = Channel.from_descriptor(descriptor)
    threading.Thread(target=_watch, args=(descriptor,), daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        channel.send(("ready", None))
        _serve(channel)
    sys.stderr.flush()
    os._exit(0)  # without waiting for threads that media libraries may have left behind


def _watch(descriptor: int) -> None:
    """End the process, busy or not, as soon as the parent's end is closed."""
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP)
    while not any(event & (select.POLLRDHUP | select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
        pass
    os._exit(0)


def _serve(channel: Channel) -> None:
    clip = _OpenClip(MediaSource(), 0)
    while True:
        verb, *values = channel.receive()
        if verb == "open":
            clip = _OpenClip(*values)
        elif verb == "map":
            function, fps, limit_s = values
            _answer(channel, clip, limit_s, _mapped(clip, function, fps))
        elif verb == "audio":
            rate_hz, limit_s = values
            _answer(channel, clip, limit_s, _audio(clip.source, rate_hz))
        # "stop" that arrives after the last result needs no answer.


def _answer(channel: Channel, clip: _OpenClip, limit_s: float, results: Iterator[Any]) -> None:
    """Send every result, then ``("end", None)`` or the error that ended it."""
    try:
        with _Alarm(limit_s) as alarm:
            for result in results:
                with alarm.paused():
                    _send_result(channel, result)
                if channel.readable():
                    break
        ending: tuple[str, Any] = ("end", None)
    except (BrokenPipeError, EOFError):
        raise
    except MediaError as error:
        ending = ("media", error)
    except MemoryError:
        clip.drop()
        ending = ("media", _out_of_memory())
    except _UnfitFunctionError as error:
        ending = ("unfit", str(error))
    except Exception as error:
        ending = ("media", _out_of_memory() if _is_opencv_memory(error) else _crash(error))
    channel.send(ending)


def _send_result(channel: Channel, result: Any) -> None:
    try:
        channel.send(("item", result))
    except (pickle.PicklingError, AttributeError, TypeError) as error:  # raised before anything is sent
        raise _UnfitFunctionError(f"{type(error).__name__}: {error}") from error


def _mapped(clip: _OpenClip, pickled: bytes, fps: float | None) -> Iterator[Any]:
    try:
        function = pickle.loads(pickled)  # noqa: S301  (from our own parent, over a private socket)
    except Exception as error:
        raise _UnfitFunctionError(f"{type(error).__name__}: {error}") from error
    for part in clip.frames(fps):
        yield function(part)


def _audio(source: MediaSource, rate_hz: int) -> Iterator[Audio]:
    path = source.audio or source.video
    if path is None:
        raise MediaError("MER-M005", "the clip has neither an audio nor a video file.", "", Status.NO_AUDIO_STREAM)
    yield read_audio(path, rate_hz=rate_hz, start_s=source.start_s, end_s=source.end_s)


class _UnfitFunctionError(Exception):
    """The function cannot be loaded here, or its result cannot be sent."""


class _Alarm:
    """A timer that ends the process (default action of SIGALRM), even if C code holds the interpreter."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s + GRACE_S

    def __enter__(self) -> _Alarm:
        signal.setitimer(signal.ITIMER_REAL, self._limit_s)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent waiting for a parent that is busy does not count."""
        self.__exit__()
        yield
        self.__enter__()


def _is_opencv_memory(error: Exception) -> bool:
    return type(error).__module__.startswith("cv2") and getattr(error, "code", None) == -4


def _out_of_memory() -> MediaError:
    return MediaError("MER-M011", "decoding ran out of memory.", "", Status.OOM)


def _crash(error: Exception) -> MediaError:
    """A failure nobody foresaw costs this clip, and says where it was."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f" at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
    return MediaError("MER-M010", f"the decoder failed with {type(error).__name__}: {error}{where}.", "", Status.CRASH)
