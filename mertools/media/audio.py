"""Sound of a clip: mono float32 at one rate."""

from __future__ import annotations

import math
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
        rms: root mean square of the clip's sound as stored, over all channels at the file's own rate. Averaging and
            resampling lower it, so silence is judged here.
    """

    samples: np.ndarray
    rate_hz: int = 16_000
    start_s: float = 0.0
    rms: float = 0.0

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz


def is_silent(sound: Audio | np.ndarray) -> bool:
    """Whether the root mean square lies below `SILENCE_RMS`.

    Args:
        sound: what `read_audio` returned, judged by the sound as stored; or samples in [-1, 1], any shape. No samples
            are silent.
    """
    if isinstance(sound, Audio):
        return sound.rms < SILENCE_RMS
    return not sound.size or bool(np.sqrt(np.mean(np.square(sound, dtype=np.float64))) < SILENCE_RMS)


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
    return Audio(samples, rate_hz, max(0.0, cut.first_s - begin), cut.rms())


@dataclass
class _Cut:
    """Mono blocks ``(samples, rate)`` of a part of a file; remembers when it begins to sound and how loud it is."""

    start_s: float
    end_s: float
    first_s: float | None = None
    energy: float = 0.0
    n_values: int = 0

    def rms(self) -> float:
        """Root mean square of what was kept, all channels."""
        return math.sqrt(self.energy / self.n_values) if self.n_values else 0.0

    def blocks(self, path: Path) -> Iterator[tuple[np.ndarray, int]]:
        """Decode; averaged channels of the wanted part, block by block.

        Raises:
            MediaError: see `read_audio`.
        """
        with open_media(path) as container:
            stream = audio_stream(container)
            if stream is None:
                raise MediaError(
                    "MER-M005", f"{show(path)} has no audio stream.", "Expected sound.", Status.NO_AUDIO_STREAM
                )
            if self.start_s <= LEAD_S:
                yield from self._kept(container, stream, path, whole=self.end_s == math.inf)
                return
            if _seeks_before(container, stream, self.start_s):
                yield from self._kept(container, stream, path, whole=False)
                return
        with open_media(path) as container:
            yield from self._kept(container, audio_stream(container), path, whole=self.end_s == math.inf)

    def _kept(self, container: Any, stream: Any, path: Path, *, whole: bool) -> Iterator[tuple[np.ndarray, int]]:
        log = DecodeLog()
        begin_s: float | None = None
        end_s = 0.0
        for time_s, channels, rate in _channels(container, stream, log):
            begin_s = time_s if begin_s is None else begin_s
            end_s = time_s + channels.shape[1] / rate
            # Sample i sounds at time_s + i / rate; start <= time < end is kept.
            low = max(0, round((self.start_s - time_s) * rate))
            high = channels.shape[1] if self.end_s >= end_s else max(0, round((self.end_s - time_s) * rate))
            if low < high:
                if self.first_s is None:
                    self.first_s = time_s + low / rate
                kept = channels[:, low:high]
                self.energy += float(np.square(kept, dtype=np.float64).sum())
                self.n_values += kept.size
                yield np.ascontiguousarray(kept.mean(axis=0), dtype=np.float32), rate
            if end_s >= self.end_s:
                return
        if begin_s is None:
            raise MediaError("MER-M006", f"no sound of {show(path)} can be decoded{log.why()}.", "Copy it again.")
        if whole:
            log.check(path, "sound", end_s - begin_s, stream_duration_s(stream))


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


def _channels(container: Any, stream: Any, log: DecodeLog) -> Iterator[tuple[float, np.ndarray, int]]:
    """``(time of the first sample, channels (C, N), rate)`` of each decoded frame, in order."""
    stream.codec_context.thread_count = 1
    origin = origin_s(container)
    time_s: float | None = None
    for frame in decode_packets(container, stream, log):
        if not frame.samples:
            continue
        # Only the first time stamp is used: later ones are rounded, and gaps are not filled.
        if time_s is None:
            time_s = 0.0 if frame.pts is None else float(frame.pts * frame.time_base) - origin
        yield time_s, _as_float(frame), frame.sample_rate
        time_s += frame.samples / frame.sample_rate


def _as_float(frame: Any) -> np.ndarray:
    """Samples of a decoded frame, ``(C, N)``, floats in [-1, 1]; 32-bit integers become float64, so nothing is lost."""
    data = frame.to_ndarray()
    channels: np.ndarray = data if frame.format.is_planar else data.reshape(-1, frame.layout.nb_channels).T
    if channels.dtype == np.uint8:
        return (channels.astype(np.float32) - 128.0) / 128.0
    if channels.dtype.kind == "i":
        bits = 8 * channels.dtype.itemsize
        scaled: np.ndarray = channels.astype(np.float32 if bits <= 16 else np.float64)
        scaled /= float(1 << (bits - 1))
        return scaled
    return channels


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
