"""One file with parameters in place of a folder, read without running what came with it, checked by name."""

import argparse
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from feature_extractors.checkpoint_files import load_state, one_file, read_states, without_prefixes
from mertools.errors import ExtractionError

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def read(path):
    return read_states(one_file(str(path), "x"), "x")


@pytest.mark.parametrize("wrapper", ["", "model", "module", "state_dict"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
def test_parameters_are_found_beside_other_things(tmp_path, wrapper, suffix):
    whole = {wrapper: STATE, "epoch": 3, "args": argparse.Namespace(lr=0.1)} if wrapper else {**STATE, "epoch": 3}
    torch.save(whole, tmp_path / f"file{suffix}")
    found = read(tmp_path / f"file{suffix}")
    assert set(found) == set(STATE)
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "file.safetensors")
    assert set(read(tmp_path / "file.safetensors")) == set(STATE)


def test_files_in_torchs_old_format_are_read(tmp_path):
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert set(read(tmp_path / "old.pth")) == set(STATE)


def test_code_in_a_file_is_refused_and_never_run(tmp_path):
    touched = tmp_path / "touched"

    class Bomb:
        def __reduce__(self):
            return open, (str(touched), "w")

    (tmp_path / "bomb.pth").write_bytes(pickle.dumps({"model": Bomb()}, protocol=2))
    torch.save({"model": STATE, "args": Bomb()}, tmp_path / "wrapped.pth")
    for name in ("bomb.pth", "wrapped.pth"):
        with pytest.raises(ExtractionError, match=rf"MER-E196.*{name}.*open"):
            read(tmp_path / name)
    assert not touched.exists()


def test_a_class_of_a_training_script_is_named_in_the_refusal(tmp_path):
    torch.save({"model": STATE, "path": Path("x")}, tmp_path / "paths.pth")
    with pytest.raises(ExtractionError, match=r"MER-E196.*pathlib"):
        read(tmp_path / "paths.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half an archive", b"<html>too many requests</html>"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_files_are_one_clear_error(tmp_path, content, suffix):
    (tmp_path / f"file{suffix}").write_bytes(content)
    with pytest.raises(ExtractionError, match="MER-E197"):
        read(tmp_path / f"file{suffix}")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.ones(2)], torch.ones(2)])
def test_a_file_without_parameters_by_name(tmp_path, content):
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(ExtractionError, match=r"MER-E194.*file\.pth"):
        read(tmp_path / "file.pth")


def test_only_files_with_parameters_are_taken(tmp_path):
    assert one_file(str(tmp_path), "x") is None
    assert one_file("someone/model", "x") is None
    assert one_file("", "x") is None
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(ExtractionError, match=r"MER-E171.*model\.onnx"):
        one_file(str(tmp_path / "model.onnx"), "x")


def test_the_digest_is_that_of_the_content_wherever_and_however_it_is_called(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.pth").write_bytes((tmp_path / "a.pth").read_bytes())
    one, two = (one_file(str(tmp_path / name), "x").digest for name in ("a.pth", "deep/b.pth"))
    assert one == two
    torch.save({**STATE, "a.bias": torch.zeros(2)}, tmp_path / "a.pth")
    assert one_file(str(tmp_path / "a.pth"), "x").digest != one


def test_prefixes_come_off_however_often():
    named = {"module.encoder.a.weight": 1, "encoder_to_b": 2, "a.module.c": 3}
    assert without_prefixes(named, ("module.", "encoder.")) == {"a.weight": 1, "encoder_to_b": 2, "a.module.c": 3}


def test_all_that_does_not_fit_is_named_at_once(tmp_path):
    model = torch.nn.Sequential()
    model.a = torch.nn.Linear(3, 2)
    model.b = torch.nn.Linear(2, 2)
    state = {
        "a.weight": torch.zeros(2, 4),
        "a.bias": torch.zeros(2),
        "c.weight": torch.zeros(1),
        "head.x": torch.ones(1),
    }
    with pytest.raises(ExtractionError, match="MER-E195") as error:
        load_state(model, state, path=tmp_path / "f.pth", extractor="x", unused=("head.",))
    assert "lacks b.weight, b.bias" in error.value.message
    assert "has unknown c.weight" in error.value.message
    assert "has of another shape a.weight" in error.value.message
    assert "head" not in error.value.message
