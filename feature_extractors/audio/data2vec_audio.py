"""data2vec for sound (Baevski et al., 2022).

Padding leaks through its five position convolutions, attention mask or not (transformers zeroes it before the first
alone), so only clips of one length share a batch.
"""

from __future__ import annotations

from typing import Any

from feature_extractors.audio.speech_encoder import LARGE, SpeechEncoder
from feature_extractors.pretrained import Checkpoint, register_family


class Data2VecAudio(SpeechEncoder):
    """Sum of the last hidden layers of a data2vec encoder."""

    model_types = ("data2vec-audio",)

    @classmethod
    def model_class(cls) -> Any:
        """The encoder's class."""
        from transformers import Data2VecAudioModel

        return Data2VecAudioModel

    @property
    def padding_invariant(self) -> bool:
        """False; see the module."""
        return False


register_family(
    Data2VecAudio,
    "audio/data2vec-audio",
    "data2vec speech encoder",
    [
        Checkpoint(
            "audio/data2vec-audio-base",
            "facebook/data2vec-audio-base-960h",
            768,
            "Apache-2.0",
            ("LibriSpeech, 960 h, with transcripts",),
            padding_invariant=False,
            rate_hz=50.0,
            n_layers=12,
            architecture={"model_type": "data2vec-audio"},
            summary="data2vec base, English",
        ),
        Checkpoint(
            "audio/data2vec-audio-large",
            "facebook/data2vec-audio-large",
            1024,
            "Apache-2.0",
            ("LibriSpeech, 960 h",),
            padding_invariant=False,
            rate_hz=50.0,
            n_layers=24,
            architecture={"model_type": "data2vec-audio", **LARGE},
            summary="data2vec large, English",
        ),
    ],
)
