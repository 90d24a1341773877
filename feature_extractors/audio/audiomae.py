"""AudioMAE (Huang et al., 2022): a masked autoencoder of sound, here its encoder without masking.

The model takes 10.24 s: a shorter clip is padded as in its training (zeros before the normalisation), and the rows on
the padding are left out; a longer one is embedded in consecutive windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extractors.audio.frontend import RATE_HZ, over_windows
from feature_extractors.audio.kaldi import HOP, MEAN, STD, WINDOW, Patches, fbank
from feature_extractors.audio.released import ReleasedNetwork, register_release
from feature_extractors.base import Level, PublishedShape, Rows, TooShortError, Waveform
from feature_extractors.checkpoint_files import Release
from feature_extractors.pretrained import Checkpoint, n_parameters

if TYPE_CHECKING:
    import torch

PATCHES = Patches(frames=1024, width=16, step=16)
_GPU_BATCH, _CPU_BATCH = 32, 2  # windows


class AudioMaeExtractor(ReleasedNetwork):
    """A row every 160 ms: the mean over the eight frequency patches, normalised as the checkpoint does.

    A pre-trained checkpoint normalises every patch (``norm``), a fine-tuned one their mean (``fc_norm``).
    """

    batch_cost = 32.0
    wanted = ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.", "fc_norm.")

    @classmethod
    def network(cls, state: Mapping[str, torch.Tensor] | None) -> Any:
        """The encoder; see `ReleasedNetwork.network`."""
        from feature_extractors.networks.audiomae import AudioMae, AudioMaeSizes

        return AudioMae(None if state is None else AudioMaeSizes.of(state))

    @classmethod
    def tiny_network(cls) -> Any:
        """Two blocks of two heads."""
        from feature_extractors.networks.audiomae import AudioMae, AudioMaeSizes

        return AudioMae(AudioMaeSizes(dim=128, depth=2, hidden=64))

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape:
        """One window through the encoder; see `Extractor.published_shape`."""
        import torch

        with torch.device("meta"):
            network = cls.network(None).eval()
            rows, dim = network(torch.zeros(1, PATCHES.frames, 128)).shape[1:]
        return PublishedShape(dim, rows, PATCHES.rows, network.n_layers, n_parameters(network))

    @property
    def padding_invariant(self) -> bool:
        """Every clip is padded to whole windows, alone or in a batch."""
        return True

    def cost(self, length: int) -> float:
        """Windows."""
        return float(len(PATCHES.windows(max(length, WINDOW))))

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """One row every 160 ms, at the middle of the 175 ms it sees."""
        for wave in batch:
            if len(wave) < WINDOW:
                raise TooShortError(f"{len(wave)} samples of sound; one frame has {WINDOW}")
        windows = [PATCHES.cut(wave.samples - np.float32(wave.samples.mean())) for wave in batch]
        values = over_windows(windows, _GPU_BATCH if self.on_gpu else _CPU_BATCH, self._rows)
        return [Rows(v, PATCHES.times_s(len(wave))) for v, wave in zip(values, batch, strict=True)]

    def _rows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Rows of windows of sound, ``(B, 64, D)``."""
        import torch

        spectrograms = torch.zeros(len(windows), PATCHES.frames, 128)
        for spectrogram, samples in zip(spectrograms, windows, strict=True):
            frames = fbank(samples)
            spectrogram[: len(frames)] = frames
        with self.computing():
            rows = self.model(((spectrograms - MEAN) / (2 * STD)).to(self.device))
        return np.asarray(rows.float().cpu().numpy())


register_release(
    AudioMaeExtractor,
    Checkpoint(
        "audio/audiomae",
        "gaunernst/vit_base_patch16_1024_128.audiomae_as2m",
        768,
        "CC-BY-NC-4.0 (licence file of its authors; their page says CC-BY-4.0)",
        ("AudioSet, 2 million clips",),
        rate_hz=RATE_HZ / (PATCHES.step * HOP),
        n_layers=12,
        summary="AudioMAE base encoder, self-supervised on AudioSet",
    ),
    Release(
        ("pretrained.pth",),
        "https://github.com/facebookresearch/AudioMAE",
        "gaunernst/vit_base_patch16_1024_128.audiomae_as2m",
    ),
)
