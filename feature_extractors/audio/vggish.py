"""VGGish (Hershey et al., 2017): 128 numbers from every 0.96 s, before PCA and quantisation.

The reference slides the 0.96 s by 50 ms for frame rows and by 500 ms for the utterance, whose row is the mean of the
latter: the utterance embedding is not the mean of the frame rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extractors.audio.frontend import RATE_HZ
from feature_extractors.audio.released import ReleasedNetwork, register_release
from feature_extractors.base import Level, PublishedShape, Rows, TooShortError, Waveform
from feature_extractors.checkpoint_files import Release
from feature_extractors.pretrained import Checkpoint, n_parameters

if TYPE_CHECKING:
    import torch

WINDOW, HOP, FFT = 400, 160, 512  # samples: 25 ms, 10 ms
FRAMES, BANDS = 96, 64  # of one patch
LOW_HZ, HIGH_HZ = 125.0, 7500.0
_STEP = {"frame": 5, "utterance": 50}  # mel frames from one patch to the next
_OFFSET = 0.01  # added before the logarithm
_SLAB = 6000  # mel frames per pass: 60 s, so that memory stays flat on long clips
_GPU_BATCH, _CPU_BATCH = 1024, 32  # patches


def log_mel(samples: np.ndarray) -> np.ndarray:
    """The published log-mel spectrogram.

    Magnitudes (not powers) of frames of 25 ms every 10 ms under a periodic Hann window, an FFT of 512, 64 triangles
    that are linear on the HTK mel scale between 125 and 7500 Hz, ``log(x + 0.01)``; nothing is padded.

    Args:
        samples: ``(N,)`` in [-1, 1] at 16 kHz, N >= 400.

    Returns:
        ``(1 + (N - 400) // 160, 64)`` float32.
    """
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, np.float64), WINDOW)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    slabs = []
    for start in range(0, len(frames), _SLAB):
        magnitude = np.abs(np.fft.rfft(frames[start : start + _SLAB] * window, FFT))
        slabs.append(np.log(magnitude @ _mel_bands() + _OFFSET).astype(np.float32))
    return np.concatenate(slabs)


@lru_cache(maxsize=1)
def _mel_bands() -> np.ndarray:
    """Weights of the bins in the bands, ``(257, 64)``; the bin of 0 Hz has none."""
    bins = _mel(np.linspace(0, RATE_HZ / 2, FFT // 2 + 1))
    edges = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), BANDS + 2)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins[:, None] - low) / (centre - low)
    falling = (high - bins[:, None]) / (high - centre)
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0
    return np.asarray(weights)


def _mel(hz: Any) -> Any:
    return 1127 * np.log1p(np.asarray(hz) / 700)


class VggishExtractor(ReleasedNetwork):
    """Embeddings of the last linear layer, none negative."""

    utterance = "own"
    batch_cost = 120.0
    wanted = ("features.", "embeddings.")

    @classmethod
    def network(cls, state: Mapping[str, torch.Tensor] | None) -> Any:
        """The network; see `ReleasedNetwork.network`."""
        from feature_extractors.networks.vggish import Vggish, VggishSizes

        return Vggish(None if state is None else VggishSizes.of(state))

    @classmethod
    def tiny_network(cls) -> Any:
        """Narrow; its last biases keep most dimensions above the ReLU."""
        import torch

        from feature_extractors.networks.vggish import Vggish, VggishSizes

        network = Vggish(VggishSizes((4, 6, 8, 8, 10, 10), (24, 24, 16)))
        with torch.no_grad():
            network.embeddings[-2].bias += 1.0
        return network

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape:
        """Two patches through the network; see `Extractor.published_shape`."""
        import torch

        with torch.device("meta"):
            network = cls.network(None).eval()
            rows, dim = network(torch.zeros(2, FRAMES, BANDS)).shape
        return PublishedShape(dim, rows, 2, None, n_parameters(network))

    @property
    def padding_invariant(self) -> bool:
        """Patches are computed one by one; no clip is padded."""
        return True

    def cost(self, length: int) -> float:
        """Seconds of sound."""
        return length / RATE_HZ

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """Frame rows stand at the middle of the 0.975 s they see; those of a clip below 1 s at the clip's middle.

        The utterance row is the mean over patches every 500 ms.
        """
        patches = [self._patches(wave, level) for wave in batch]
        values = np.split(self._embedded(patches), np.cumsum([len(p) for p in patches])[:-1])
        if level == "utterance":
            return [Rows(v.mean(axis=0, keepdims=True, dtype=np.float32), np.zeros(1)) for v in values]
        return [Rows(v, _times_s(wave, len(v))) for v, wave in zip(values, batch, strict=True)]

    def _patches(self, wave: Waveform, level: Level) -> np.ndarray:
        """``(T, 96, 64)``, a view."""
        if len(wave) < WINDOW:
            raise TooShortError(f"{len(wave)} samples of sound; one window has {WINDOW}")
        samples = wave.samples
        if len(samples) < RATE_HZ:
            samples = np.tile(samples, -(-RATE_HZ // len(samples)))
        spectrogram = log_mel(samples)
        patches = np.lib.stride_tricks.sliding_window_view(spectrogram, FRAMES, axis=0)[:: _STEP[level]]
        return patches.transpose(0, 2, 1)

    def _embedded(self, patches: Sequence[np.ndarray]) -> np.ndarray:
        """Rows of all patches, ``(sum of T, D)``; few at a time are copied and on the device."""
        import torch

        step = _GPU_BATCH if self.on_gpu else _CPU_BATCH
        rows = []
        for part in _runs(patches, step):
            with self.computing():
                rows.append(self.model(torch.from_numpy(part).to(self.device)).float().cpu().numpy())
        return np.concatenate(rows)


def _runs(patches: Sequence[np.ndarray], step: int) -> Iterator[np.ndarray]:
    """Patches of all clips in order, up to `step` at a time."""
    waiting: list[np.ndarray] = []
    for clip in patches:
        for start in range(0, len(clip), step):
            part = clip[start : start + step]
            if waiting and sum(map(len, waiting)) + len(part) > step:
                yield np.concatenate(waiting)
                waiting = []
            waiting.append(part)
    yield np.concatenate(waiting)


def _times_s(wave: Waveform, n_rows: int) -> np.ndarray:
    if len(wave) < RATE_HZ:
        return np.full(n_rows, wave.duration_s / 2)  # every row sees the whole clip
    middle = ((FRAMES - 1) * HOP + WINDOW) / 2
    return np.asarray((middle + _STEP["frame"] * HOP * np.arange(n_rows)) / RATE_HZ)


register_release(
    VggishExtractor,
    Checkpoint(
        "audio/vggish",
        "",
        128,
        "Apache-2.0",
        ("YouTube-8M, with labels of its videos",),
        rate_hz=RATE_HZ / (_STEP["frame"] * HOP),
        summary="VGGish, log-mel patches of 0.96 s; no PCA",
    ),
    Release(("vggish-10086976.pth",), "https://github.com/harritaylor/torchvggish/releases/tag/v0.1"),
    checksums={"vggish-10086976.pth": "10086976"},
)
