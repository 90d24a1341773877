"""wav2vec 2.0 (Baevski et al., 2020), and in many languages: XLSR (Conneau et al., 2021), XLS-R (Babu et al., 2022)."""

from __future__ import annotations

from typing import Any

from feature_extractors.audio.speech_encoder import LARGE, LAYER_NORM, SpeechEncoder
from feature_extractors.pretrained import Checkpoint, register_family

_CHINESE = ("WenetSpeech, 10,000 h",)
_LIBRISPEECH = ("LibriSpeech, 960 h, with transcripts",)
_XLSR = ("Multilingual LibriSpeech", "CommonVoice", "BABEL")
_XLS_R = (*_XLSR, "VoxPopuli", "VoxLingua107")


class Wav2Vec2(SpeechEncoder):
    """Sum of the last hidden layers of a wav2vec 2.0 encoder."""

    model_types = ("wav2vec2",)

    @classmethod
    def model_class(cls) -> Any:
        """The encoder's class."""
        from transformers import Wav2Vec2Model

        return Wav2Vec2Model


def _checkpoint(
    hub_id: str, dim: int, licence: str, trained_on: tuple[str, ...], layer_norm: bool, language: str = "English"
) -> Checkpoint:
    """The name users type is the last part of the hub id; only layer-norm front ends bear padding."""
    name = hub_id.split("/")[1]
    large = dim == 1024
    return Checkpoint(
        f"audio/{name}",
        hub_id,
        dim,
        licence,
        trained_on,
        layer_norm,
        rate_hz=50.0,
        summary=f"wav2vec 2.0, {language}",
        n_layers=24 if large else 12,
        architecture={"model_type": "wav2vec2", **(LARGE if large else {}), **(LAYER_NORM if layer_norm else {})},
    )


register_family(
    Wav2Vec2,
    "audio/wav2vec2",
    "wav2vec 2.0 speech encoder",
    [
        _checkpoint("TencentGameMate/chinese-wav2vec2-base", 768, "MIT", _CHINESE, False, "Chinese"),
        _checkpoint("TencentGameMate/chinese-wav2vec2-large", 1024, "MIT", _CHINESE, True, "Chinese"),
        _checkpoint("facebook/wav2vec2-base-960h", 768, "Apache-2.0", _LIBRISPEECH, False),
        _checkpoint("facebook/wav2vec2-large-960h", 1024, "Apache-2.0", _LIBRISPEECH, False),
        _checkpoint("facebook/wav2vec2-large-xlsr-53", 1024, "Apache-2.0", _XLSR, True, "53 languages"),
        _checkpoint("facebook/wav2vec2-xls-r-300m", 1024, "Apache-2.0", _XLS_R, True, "128 languages"),
    ],
)
