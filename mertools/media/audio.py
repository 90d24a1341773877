"""Sound of a clip: mono float32 at one rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mertools.errors import MediaError
from mertools.media.damage import DecodeLog, decode_packets
from mertools.media.opening import audio_stream, open_media, origin_s, show
from mertools.media.probe import stream_duration_s
from mertools.status import SILENCE_RMS, Status

LEAD_S = 1.0
"""After a seek, decoding starts this much early: lossy codecs need some packets before their output is right."""


@dataclass(frozen=True)
class Audio:
    """Sound of one clip.

    Attributes:
        samples: ``(N,)`` float32, mono: the mean of all channels, full scale is 1 (lossy codecs may overshoot).
        rate_hz: samples per second.
        start_s: time of the first sample, seconds from the beginning of the clip; above 0 where a file's sound starts
            later than its picture.
    """

    samples: np.ndarray
    rate_hz: int = 16_000
    start_s: float = 0.0

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


def is_silent(samples: np.ndarray) -> bool:
    """Whether the root mean square of a signal in [-1, 1] lies below `SILENCE_RMS` (an empty signal is silent)."""
    if not len(samples):
        return True
    return bool(np.sqrt(np.mean(np.square(samples, dtype=np.float64))) < SILENCE_RMS)


def read_audio(path: Path, *, rate_hz: int = 16_000, start_s: float | None = None, end_s: float | None = None) -> Audio:
    """Decode the sound of a clip, in this process.

    Channels are averaged with equal weight, then the mean is resampled (FFmpeg's polyphase filter). At the file's own
    rate a PCM file comes out bit-exact.

    Args:
        path: audio or video file.
        rate_hz: wanted samples per second.
        start_s: beginning of the clip in the file, seconds.
        end_s: end of the clip in the file, seconds.

    Raises:
        MediaError: status missing, no_audio_stream, or decode_error.
    """
    begin = start_s or 0.0
    cut = _Cut(begin, float("inf") if end_s is None else end_s)
    blocks = list(_resampled(cut.blocks(Path(path)), rate_hz))
    if cut.first_s is None:
        stop = "its end" if end_s is None else f"{end_s:g} s"
        raise MediaError(
            "MER-M008",
            f"{show(Path(path))} has no sound between {begin:g} s and {stop}.",
            "Check start and end of the clip.",
        )
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return Audio(samples, rate_hz, max(0.0, cut.first_s - begin))


@dataclass
class _Cut:
    """Mono blocks ``(samples, rate)`` of a part of a file; remembers when the first kept sample sounds."""

    start_s: float
    end_s: float
    first_s: float | None = None

    def blocks(self, path: Path) -> Iterator[tuple[np.ndarray, int]]:
        with open_media(path) as container:
            stream = audio_stream(container)
            if stream is None:
                raise MediaError(
                    "MER-M005", f"{show(path)} has no audio stream.", "Expected sound.", Status.NO_AUDIO_STREAM
                )
            if self.start_s > LEAD_S and _seeks_before(container, stream, self.start_s):
                yield from self._kept(container, stream, path, whole=False)
                return
        with open_media(path) as container:
            yield from self._kept(container, audio_stream(container), path, whole=self.end_s == float("inf"))

    def _kept(self, container: Any, stream: Any, path: Path, *, whole: bool) -> Iterator[tuple[np.ndarray, int]]:
        log = DecodeLog()
        n, time_s = 0, 0.0
        for time_s, samples, rate in _mono(container, stream, log):
            n += len(samples)
            # Sample i sounds at time_s + i / rate; keep start <= time < end.
            low = max(0, round((self.start_s - time_s) * rate))
            high = len(samples) if self.end_s == float("inf") else max(0, round((self.end_s - time_s) * rate))
            if low < min(high, len(samples)):
                if self.first_s is None:
                    self.first_s = time_s + low / rate
                yield samples[low:high], rate
            time_s += len(samples) / rate
            if time_s >= self.end_s:
                return
        if not n:
            raise MediaError("MER-M006", f"no sound of {show(path)} can be decoded{log.why()}.", "Copy it again.")
        if whole:
            declared = stream_duration_s(stream)
            begins = (stream.start_time or 0) * float(stream.time_base) - origin_s(container)
            log.check(path, "sound", time_s - max(0.0, begins), declared)


def _seeks_before(container: Any, stream: Any, start_s: float) -> bool:
    """Seek to `LEAD_S` before `start_s`; whether what comes next is indeed before it."""
    import av

    target = int((start_s - LEAD_S + origin_s(container)) / stream.time_base)
    try:
        container.seek(target, backward=True, stream=stream)
        packet = next(container.demux(stream), None)
        if packet is None or packet.pts is None:
            return False
        found_s = float(packet.pts * stream.time_base) - origin_s(container)
        container.seek(target, backward=True, stream=stream)
    except av.error.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return False
    return found_s <= start_s - LEAD_S / 2


def _mono(container: Any, stream: Any, log: DecodeLog) -> Iterator[tuple[float, np.ndarray, int]]:
    """``(time of first sample, samples, rate)`` of each decoded frame; times from the beginning of the file."""
    stream.codec_context.thread_count = 1
    origin = origin_s(container)
    time_s: float | None = None
    for frame in decode_packets(container, stream, log):
        if not frame.samples:
            continue
        # Only the first time stamp is used: later ones are rounded, and gaps are not filled.
        if time_s is None:
            time_s = 0.0 if frame.pts is None else float(frame.pts * frame.time_base) - origin
        samples = _average(frame)
        yield time_s, samples, frame.sample_rate
        time_s += len(samples) / frame.sample_rate


def _average(frame: Any) -> np.ndarray:
    """The mean of the channels of a decoded frame, ``(N,)`` float32 in [-1, 1]."""
    data = frame.to_ndarray()
    n_channels = frame.layout.nb_channels
    channels = data if frame.format.is_planar else data.reshape(-1, n_channels).T  # (C, N)
    if channels.dtype == np.uint8:
        channels = (channels.astype(np.float32) - 128.0) / 128.0
    elif channels.dtype.kind == "i":
        scale = float(1 << (8 * channels.dtype.itemsize - 1))
        channels = (channels / scale) if channels.dtype.itemsize > 2 else channels.astype(np.float32) / scale
    mean = channels[0] if n_channels == 1 else channels.mean(axis=0)
    return np.ascontiguousarray(mean, dtype=np.float32)


def _resampled(blocks: Iterator[tuple[np.ndarray, int]], rate_hz: int) -> Iterator[np.ndarray]:
    """Blocks at `rate_hz`; a file whose rate changes midway gets one resampler per stretch."""
    import av

    resampler: Any = None
    current, position = 0, 0
    for samples, rate in blocks:
        if rate != current:
            yield from _drained(resampler)
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate_hz) if rate != rate_hz else None
            current, position = rate, 0
        if resampler is None:
            yield samples
            continue
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, position
        position += len(samples)
        yield from (out.to_ndarray()[0] for out in resampler.resample(frame))
    yield from _drained(resampler)


def _drained(resampler: Any) -> Iterator[np.ndarray]:
    if resampler is not None:
        yield from (out.to_ndarray()[0] for out in resampler.resample(None))
