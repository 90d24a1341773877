"""Published checkpoints carry the heads they were trained with; the encoders load from them all the same."""

import numpy as np
import pytest
import transformers
from safetensors import safe_open

from feature_extractors import create_extractor
from feature_extractors.base import Waveform

SOUND = Waveform((0.3 * np.sin(np.arange(9000) / 15) + 0.01 * np.cos(np.arange(9000) * 1.7)).astype(np.float32))
HEADS = [
    ("audio/data2vec-audio", "data2vec-audio", "Data2VecAudioForCTC", "data2vec_audio"),
    ("audio/wav2vec2", "wav2vec2", "Wav2Vec2ForPreTraining", "wav2vec2"),
    ("audio/whisper", "whisper", "WhisperForConditionalGeneration", "model"),
    ("audio/ast", "audio-spectrogram-transformer", "ASTForAudioClassification", "audio_spectrogram_transformer"),
]


def rows(name, folder):
    extractor = create_extractor(name, weights=str(folder))
    extractor.load("cpu", "fp32")
    return extractor.embed([SOUND], "frame")[0].values


@pytest.mark.parametrize(("name", "kind", "cls", "inner"), HEADS)
def test_a_checkpoint_with_a_head_gives_the_rows_of_its_encoder(tiny_model, tmp_path, name, kind, cls, inner):
    folder = tiny_model(kind)
    bare = transformers.AutoModel.from_pretrained(folder)
    whole = getattr(transformers, cls)(bare.config)
    getattr(whole, inner).load_state_dict(bare.state_dict())
    whole.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_bytes((folder / "preprocessor_config.json").read_bytes())
    np.testing.assert_array_equal(rows(name, tmp_path), rows(name, folder))


def test_the_ast_of_these_tests_has_the_names_of_the_published_file(tiny_model):
    """transformers 5 renamed the attention inside the model and writes the old names, which the published file has."""
    with safe_open(tiny_model("audio-spectrogram-transformer") / "model.safetensors", "pt") as file:
        assert "encoder.layer.0.attention.attention.query.weight" in file.keys()  # noqa: SIM118
