"""HuBERT (Hsu et al., 2021): the field's strongest speech embedding for Chinese, by the TencentGameMate checkpoints."""

from __future__ import annotations

from typing import Any

from feature_extractors.audio.speech_encoder import LARGE, LAYER_NORM, SpeechEncoder
from feature_extractors.pretrained import Checkpoint, register_family

_CHINESE = ("WenetSpeech, 10,000 h",)


class Hubert(SpeechEncoder):
    """Sum of the last hidden layers of a HuBERT."""

    model_types = ("hubert",)

    @classmethod
    def model_class(cls) -> Any:
        """The encoder's class."""
        from transformers import HubertModel

        return HubertModel


register_family(
    Hubert,
    "audio/hubert",
    "HuBERT speech encoder",
    [
        Checkpoint(
            "audio/chinese-hubert-base",
            "TencentGameMate/chinese-hubert-base",
            768,
            "MIT",
            _CHINESE,
            padding_invariant=False,
            rate_hz=50.0,
            n_layers=12,
            architecture={"model_type": "hubert"},
            summary="HuBERT base, Chinese",
        ),
        Checkpoint(
            "audio/chinese-hubert-large",
            "TencentGameMate/chinese-hubert-large",
            1024,
            "MIT",
            _CHINESE,
            rate_hz=50.0,
            n_layers=24,
            architecture={"model_type": "hubert", **LARGE, **LAYER_NORM},
            summary="HuBERT large, Chinese; the strongest audio embedding of the MER challenges",
        ),
    ],
)
