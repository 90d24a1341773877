"""WavLM (Chen et al., 2022): trained to denoise and to separate overlapped speech."""

from __future__ import annotations

from typing import Any

from feature_extractors.audio.speech_encoder import LARGE, LAYER_NORM, SpeechEncoder
from feature_extractors.pretrained import Checkpoint, register_family

_LICENCE = "CC-BY-SA-3.0"


class WavLM(SpeechEncoder):
    """Sum of the last hidden layers of a WavLM."""

    model_types = ("wavlm",)

    @classmethod
    def model_class(cls) -> Any:
        """The encoder's class."""
        from transformers import WavLMModel

        return WavLMModel


register_family(
    WavLM,
    "audio/wavlm",
    "WavLM speech encoder",
    [
        Checkpoint(
            "audio/wavlm-base",
            "microsoft/wavlm-base",
            768,
            _LICENCE,
            ("LibriSpeech, 960 h",),
            padding_invariant=False,
            rate_hz=50.0,
            n_layers=12,
            architecture={"model_type": "wavlm"},
            summary="WavLM base, English",
        ),
        Checkpoint(
            "audio/wavlm-large",
            "microsoft/wavlm-large",
            1024,
            _LICENCE,
            ("Libri-Light, 60,000 h", "GigaSpeech, 10,000 h", "VoxPopuli, 24,000 h"),
            rate_hz=50.0,
            n_layers=24,
            architecture={"model_type": "wavlm", **LARGE, **LAYER_NORM},
            summary="WavLM large, English",
        ),
    ],
)
