"""Finding weights: what is missing is named, with where it was sought and how to get it; nothing runs foreign code."""

import json
import pickle
import shutil

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import Waveform
from feature_extractors.weights import find_weights
from mertools.errors import ExtractionError

SOUND = Waveform(np.sin(np.arange(8000) / 20).astype(np.float32))


@pytest.fixture
def hubert(tiny_model, tmp_path):
    """A copy of a tiny HuBERT that may be damaged."""
    return shutil.copytree(tiny_model("hubert"), tmp_path / "hubert")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def load(folder, name="audio/hubert", **options):
    extractor = create_extractor(name, weights=str(folder), **options)
    extractor.load("cpu", "fp32")
    return extractor


def as_torch_archive(folder, change=lambda state: state):
    import torch
    from safetensors.torch import load_file

    torch.save(change(load_file(folder / "model.safetensors")), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def test_no_weights_named():
    with pytest.raises(ExtractionError, match=r"MER-E110.*audio/hubert was given no weights.*weights=FOLDER"):
        _ = create_extractor("audio/hubert").dim


def test_hub_id_that_is_not_in_the_cache(tmp_path):
    extractor = create_extractor("audio/chinese-hubert-large")
    with pytest.raises(ExtractionError) as error:
        extractor.load("cpu", "fp32")
    assert error.value.code == "MER-E111"
    assert "TencentGameMate/chinese-hubert-large" in error.value.message
    assert str(tmp_path / "cache") in error.value.message
    assert "hf download TencentGameMate/chinese-hubert-large" in error.value.hint
    assert "weights=FOLDER" in error.value.hint


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(ExtractionError, match="MER-E111") as error:
        load(tmp_path / "nowhere" / "deep" / "model")
    assert "hf download" not in error.value.hint


def test_hub_id_in_the_cache_is_found(hubert, tmp_path):
    repository = tmp_path / "cache" / "models--someone--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    shutil.copytree(hubert, repository / "snapshots" / "abc123")
    cached, local = load("someone/model"), load(hubert)
    assert cached.settings() == local.settings()
    np.testing.assert_array_equal(cached.embed([SOUND], "frame")[0].values, local.embed([SOUND], "frame")[0].values)


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_missing_file_is_named(hubert, file):
    (hubert / file).unlink()
    with pytest.raises(ExtractionError, match=r"MER-E112") as error:
        load(hubert)
    assert file in error.value.message
    assert str(hubert) in error.value.message


def test_all_missing_files_are_named_at_once(tmp_path):
    with pytest.raises(
        ExtractionError, match=r"config\.json, preprocessor_config\.json, model\.safetensors or pytorch"
    ):
        load(tmp_path)


def test_missing_shard_is_named(hubert):
    (hubert / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (hubert / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ExtractionError, match=r"MER-E112.*model-00002-of-00002\.safetensors"):
        load(hubert)


def test_model_of_another_family(tiny_model):
    with pytest.raises(ExtractionError, match=r"MER-E115.*type 'hubert'.*Expected wavlm"):
        _ = create_extractor("audio/wavlm", weights=str(tiny_model("hubert"))).dim


@pytest.mark.parametrize("text", ["{", "[]"])
def test_configuration_that_is_not_an_object(hubert, text):
    (hubert / "config.json").write_text(text)
    with pytest.raises(ExtractionError, match=r"MER-E114.*config\.json"):
        load(hubert)


def test_torch_archive_is_read_with_the_same_numbers(hubert, tiny_model):
    as_torch_archive(hubert)
    assert find_weights(str(hubert), extractor="x").files == ("pytorch_model.bin",)
    found, expected = (load(f).embed([SOUND], "frame")[0].values for f in (hubert, tiny_model("hubert")))
    np.testing.assert_array_equal(found, expected)


def test_safetensors_are_preferred(hubert):
    (hubert / "pytorch_model.bin").write_bytes(b"not read")
    assert find_weights(str(hubert), extractor="x").files == ("model.safetensors",)


def test_archive_that_runs_code_is_refused(hubert, tmp_path):
    touched = tmp_path / "touched"

    class Bomb:
        def __reduce__(self):
            return open, (str(touched), "w")

    (hubert / "model.safetensors").unlink()
    (hubert / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Bomb()}))
    with pytest.raises(ExtractionError, match="MER-E116"):
        load(hubert)
    assert not touched.exists()


def test_code_that_comes_with_a_model_never_runs(hubert, tmp_path):
    config = json.loads((hubert / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}
    (hubert / "config.json").write_text(json.dumps(config))
    (hubert / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    load(hubert)
    assert not (tmp_path / "ran").exists()


def test_damaged_parameters(hubert):
    content = (hubert / "model.safetensors").read_bytes()
    (hubert / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ExtractionError, match=r"MER-E116.*model\.safetensors"):
        load(hubert)


def test_parameters_that_are_not_there_are_not_made_up(hubert):
    as_torch_archive(hubert, lambda state: {k: v for k, v in state.items() if "layers.3.attention.k_proj" not in k})
    with pytest.raises(ExtractionError, match=r"MER-E117.*lacks 2 parameters.*k_proj"):
        load(hubert)


def test_parameter_of_masked_spans_is_not_needed(hubert, tiny_model):
    as_torch_archive(hubert, lambda state: {k: v for k, v in state.items() if k != "masked_spec_embed"})
    found, expected = (load(f).embed([SOUND], "frame")[0].values for f in (hubert, tiny_model("hubert")))
    np.testing.assert_array_equal(found, expected)


def test_checkpoint_with_a_head_is_read(hubert, tiny_model):
    """Published encoders often carry a classifier and the prefix of the encoder inside the larger model."""
    as_torch_archive(hubert, lambda state: {f"hubert.{k}": v for k, v in state.items()})
    found, expected = (load(f).embed([SOUND], "frame")[0].values for f in (hubert, tiny_model("hubert")))
    np.testing.assert_array_equal(found, expected)


def test_changed_file_is_hashed_again(hubert):
    before = find_weights(str(hubert), extractor="x").digest
    content = bytearray((hubert / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (hubert / "model.safetensors").write_bytes(content + b"")
    assert find_weights(str(hubert), extractor="x").digest != before


def test_download_without_a_network_is_one_clear_error(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_, **__):
        raise LocalEntryNotFoundError("cannot reach the hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(ExtractionError, match=r"MER-E113.*cannot reach the hub"):
        load("someone/model", download=True)


def test_loading_leaves_the_log_level_of_transformers_alone(hubert):
    from transformers.utils import logging

    logging.set_verbosity_info()
    try:
        load(hubert)
        assert logging.get_verbosity() == logging.INFO
    finally:
        logging.set_verbosity_warning()
