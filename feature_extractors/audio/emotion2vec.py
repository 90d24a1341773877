"""emotion2vec (Ma et al., 2024), without FunASR or fairseq: 50 rows per second, utterance = their mean.

The published pipeline embeds one whole clip per pass: zero mean and unit variance over the clip, rows of the last
block, utterance tokens left out. So does this one; clips of different length share a batch and change no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_extractors.audio.frontend import RATE_HZ, Frontend, Piece, cut, joined
from feature_extractors.audio.released import ReleasedNetwork, register_release
from feature_extractors.base import Level, PublishedShape, Rows, TooShortError, Waveform, WeightsConfig
from feature_extractors.batching import pad_rows, plan_batches
from feature_extractors.checkpoint_files import Release
from feature_extractors.pretrained import Checkpoint, n_parameters
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch

_CPU_BATCH_S = 20
_EPS = 1e-5  # of the layer norm that brings a waveform to zero mean and unit variance
_SHORTEST_PIECE_S = 1.0


@dataclass(frozen=True)
class Emotion2VecConfig(WeightsConfig):
    """Options of `Emotion2Vec`.

    Attributes:
        weights: the authors' file, a folder that holds it, or a hub id.
        piece_s: a clip longer than this is cut into pieces of this length, because memory grows with the square of the
            length; 0 embeds every clip in one pass, as the published pipeline does.
    """

    piece_s: float = 60.0


class Emotion2Vec(ReleasedNetwork):
    """Rows of the last block."""

    Config = Emotion2VecConfig
    batch_cost = 160.0
    wanted = ("modality_encoders.AUDIO.", "blocks.")
    unused = ("modality_encoders.AUDIO.decoder.",)
    exact = ("modality_encoders.AUDIO.local_encoder", "modality_encoders.AUDIO.project_features.2")
    config: Emotion2VecConfig

    def __init__(self, name: str, config: Emotion2VecConfig, facts: Mapping[str, Any]) -> None:
        if config.piece_s != 0 and config.piece_s < _SHORTEST_PIECE_S:
            raise ExtractionError(
                "MER-E131", f"{name}: piece_s={config.piece_s:g}.", "Expected 0, or at least one second."
            )
        super().__init__(name, config, facts)

    @classmethod
    def network(cls, state: Mapping[str, torch.Tensor] | None) -> Any:
        """The encoder; see `ReleasedNetwork.network`."""
        from feature_extractors.networks.emotion2vec import Emotion2Vec as Network
        from feature_extractors.networks.emotion2vec import Emotion2VecSizes

        return Network(None if state is None else Emotion2VecSizes.of(state))

    @classmethod
    def tiny_network(cls) -> Any:
        """Three heads, so that the slopes of a number that is no power of two are used."""
        from feature_extractors.networks.emotion2vec import Emotion2Vec as Network
        from feature_extractors.networks.emotion2vec import Emotion2VecSizes

        return Network(
            Emotion2VecSizes(
                dim=24, heads=3, hidden=48, prenet_depth=2, depth=3, extra_tokens=4, conv_dim=16, position_groups=4
            )
        )

    @classmethod
    def tidied(cls, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The fine-tuned release keeps the encoder under ``d2v_model.``; older ones lack an axis of the scale."""
        state = {key.removeprefix("d2v_model."): value for key, value in state.items()}
        scale = "modality_encoders.AUDIO.alibi_scale"
        if scale in state and state[scale].ndim == 4:
            state[scale] = state[scale][None]
        return state

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape:
        """One second of sound through the encoder; see `Extractor.published_shape`."""
        import torch

        n_rows = _frontend((10, 3, 3, 3, 3, 2, 2)).n_rows(RATE_HZ)
        with torch.device("meta"):
            network = cls.network(None).eval()
            rows, dim = network(torch.zeros(1, RATE_HZ), [n_rows]).shape[1:]
        return PublishedShape(dim, rows, n_rows, network.n_layers, n_parameters(network))

    @property
    def padding_invariant(self) -> bool:
        """Its front end has layer norm, and padding stays out of position code and attention."""
        return True

    def cost(self, length: int) -> float:
        """Seconds of sound."""
        return length / RATE_HZ

    @cached_property
    def frontend(self) -> Frontend:
        """The convolutions."""
        return _frontend(self.model.kernels)

    def embed(self, batch: Sequence[Waveform], level: Level) -> list[Rows]:
        """One row every 20 ms, at the middle of the 25 ms it sees."""
        import torch

        pieces = [piece for clip, wave in enumerate(batch) for piece in self._pieces(clip, wave)]
        budget = int(RATE_HZ * (self.batch_cost if self.on_gpu else _CPU_BATCH_S))
        values: list[np.ndarray] = [np.empty(0)] * len(pieces)
        for group in plan_batches([len(p.samples) for p in pieces], budget, equal=False):
            samples, _ = pad_rows([pieces[i].samples for i in group])
            n_rows = [self.frontend.n_rows(len(pieces[i].samples)) for i in group]
            with self.computing():
                found = self.model(torch.from_numpy(samples).to(self.device), n_rows).float().cpu().numpy()
            for row, i in enumerate(group):
                values[i] = found[row, : n_rows[row]]
        return joined(len(batch), pieces, values, self.frontend)

    def _pieces(self, clip: int, wave: Waveform) -> list[Piece]:
        import torch

        shortest = self.frontend.field
        if len(wave) < shortest:
            raise TooShortError(f"{len(wave)} samples of sound; one row sees {shortest}")
        samples = torch.from_numpy(np.asarray(wave.samples, np.float32))
        samples = torch.nn.functional.layer_norm(samples, samples.shape, eps=_EPS)
        length = int(self.config.piece_s * RATE_HZ) or len(samples)
        return cut(clip, samples.numpy(), length, shortest)


def _frontend(kernels: tuple[int, ...]) -> Frontend:
    from feature_extractors.networks.emotion2vec import STRIDES

    return Frontend(kernels, STRIDES)


_UNLABELLED = ("LibriSpeech, 960 h", "IEMOCAP", "MELD", "MEAD", "CMUMOSEI", "MSP-Podcast")


def _published(name: str, trained_on: tuple[str, ...], summary: str, release: Release) -> None:
    licence = "MIT (code); weights: model licence of FunASR"
    known = Checkpoint(name, release.hub_id, 768, licence, trained_on, rate_hz=50.0, n_layers=12, summary=summary)
    register_release(Emotion2Vec, known, release)


_published(
    "audio/emotion2vec",
    _UNLABELLED,
    "emotion2vec base, self-supervised on 262 h of emotional speech without its labels",
    Release(
        ("emotion2vec_base.pt", "model.pt"),
        "https://huggingface.co/emotion2vec/emotion2vec_base or https://modelscope.cn/models/iic/emotion2vec_base",
        "emotion2vec/emotion2vec_base",
    ),
)
_published(
    "audio/emotion2vec-finetuned",
    (*_UNLABELLED, "emotional speech with labels of nine emotions; its corpora are not named"),
    "emotion2vec base, fine-tuned on emotion labels",
    Release(("model.pt",), "https://modelscope.cn/models/iic/emotion2vec_base_finetuned"),
)
