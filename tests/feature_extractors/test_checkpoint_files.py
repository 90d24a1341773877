"""Released files: found where they lie, opened out of what training scripts wrap around them, never run."""

import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from feature_extractors.checkpoint_files import Release, find_checkpoint, load_state, read_state
from mertools.errors import ExtractionError

RELEASE = Release(("net.pth", "net-old.pth"), "https://example.org/net.pth", "someone/net")
STATE = OrderedDict(weight=torch.arange(6.0).view(2, 3), bias=torch.ones(2))


class RecorderMeter:
    """As a training script defines it, with arrays."""

    def __init__(self):
        self.losses, self.n = np.zeros((3, 2), np.float32), 3


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def find(name, **options):
    return find_checkpoint(str(name), RELEASE, extractor="face/net", **options)


def read(path, **options):
    return read_state(path, extractor="face/net", **options)


def load(network, state, **options):
    load_state(network, state, path="net.pth", extractor="face/net", **options)


def same(found, expected=STATE):
    return list(found) == list(expected) and all(torch.equal(found[key], expected[key]) for key in expected)


# where it lies


def test_nothing_named_says_what_to_fetch_and_from_where():
    with pytest.raises(ExtractionError) as error:
        find("")
    assert error.value.code == "MER-E190"
    for part in ("net.pth", "https://example.org/net.pth", "face/net:download=true", "face/net:weights=FILE"):
        assert part in error.value.hint


def test_without_a_hub_id_no_download_is_offered():
    with pytest.raises(ExtractionError) as error:
        find_checkpoint("", Release(("a.pth",), "https://example.org"), extractor="x")
    assert "download=true" not in error.value.hint
    assert error.value.hint == "Fetch a.pth from https://example.org, then give its file or folder: x:weights=FILE."


@pytest.mark.parametrize("name", ["net.pth", "net-old.pth", "model.safetensors", "pytorch_model.bin", "other.pt"])
def test_folder_with_one_file_and_the_file_itself_are_the_same(tmp_path, name):
    (tmp_path / "notes.txt").write_text("x")
    torch.save(STATE, tmp_path / name)
    assert find(tmp_path).path == tmp_path / name
    assert find(tmp_path / name).path == tmp_path / name


def test_known_names_go_before_others(tmp_path):
    for name in ("zzz.pth", "aaa.pth", "net.pth"):
        torch.save(STATE, tmp_path / name)
    assert find(tmp_path).path.name == "net.pth"
    save_file(dict(STATE), tmp_path / "model.safetensors")
    assert find(tmp_path).path.name == "model.safetensors"


def test_several_unknown_files_are_named(tmp_path):
    for name in ("a.pth", "b.pt"):
        torch.save(STATE, tmp_path / name)
    with pytest.raises(ExtractionError, match=r"MER-E192.*a\.pth, b\.pt.*weights=FILE"):
        find(tmp_path)


def test_folder_without_a_file_says_what_was_expected(tmp_path):
    with pytest.raises(ExtractionError, match=r"MER-E191.*model\.safetensors, pytorch_model\.bin, net\.pth") as error:
        find(tmp_path)
    assert str(tmp_path) in error.value.message


def test_place_that_does_not_exist(tmp_path):
    with pytest.raises(ExtractionError, match="MER-E191") as error:
        find(tmp_path / "nowhere" / "net.pth")
    assert str(tmp_path / "nowhere" / "net.pth") in error.value.message


def test_hub_id_in_the_cache_is_found_and_another_is_not(tmp_path):
    repository = tmp_path / "cache" / "models--someone--net"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    torch.save(STATE, repository / "snapshots" / "abc" / "net-old.pth")
    assert find("someone/net").path.name == "net-old.pth"
    with pytest.raises(ExtractionError, match=r"MER-E191.*hub id nobody/net"):
        find("nobody/net")


def test_download_is_asked_for_and_fetches_the_released_file(tmp_path, monkeypatch):
    from huggingface_hub.errors import EntryNotFoundError

    asked = []

    def fetch(repository, file):
        asked.append((repository, file))
        if file == "net.pth":
            raise EntryNotFoundError("404")
        torch.save(STATE, tmp_path / file)
        return str(tmp_path / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    assert find("someone/net", download=True).path.name == "net-old.pth"
    assert asked == [("someone/net", "net.pth"), ("someone/net", "net-old.pth")]


def test_download_without_a_network_is_one_clear_error(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_, **__):
        raise LocalEntryNotFoundError("cannot reach the hub")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(ExtractionError, match=r"MER-E193.*cannot reach the hub"):
        find("someone/net", download=True)


def test_digest_is_that_of_the_content_whatever_the_name(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes((tmp_path / "a.pth").read_bytes())
    assert find(tmp_path / "a.pth").digest == find(tmp_path / "b.pth").digest
    (tmp_path / "b.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:-1] + b"x")
    assert find(tmp_path / "a.pth").digest != find(tmp_path / "b.pth").digest


def test_file_that_vanished_is_one_clear_error(tmp_path):
    torch.save(STATE, tmp_path / "a.pth")
    found = find(tmp_path / "a.pth")
    found.path.unlink()
    with pytest.raises(ExtractionError, match=r"MER-E197.*a\.pth cannot be read"):
        _ = found.digest


# what is in it


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3, "best_acc": torch.tensor(0.8)},
        lambda state: {"model": state, "optimizer": {"state": {0: {"momentum": torch.ones(1)}}}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"net": {"state_dict": {f"module.model.{key}": value for key, value in state.items()}}},
    ],
)
def test_wrappers_and_prefixes_are_taken_off(tmp_path, wrap, old):
    torch.save(wrap(STATE), tmp_path / "net.pth", _use_new_zipfile_serialization=not old)
    assert same(read(tmp_path / "net.pth"))


def test_safetensors_are_read(tmp_path):
    save_file({f"module.{key}": value for key, value in STATE.items()}, tmp_path / "net.safetensors")
    assert sorted(read(tmp_path / "net.safetensors")) == ["bias", "weight"]


def test_prefix_that_not_all_names_share_stays(tmp_path):
    state = {"module.a": torch.ones(1), "b": torch.ones(1)}
    torch.save(state, tmp_path / "net.pth")
    assert same(read(tmp_path / "net.pth"), state)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(st.from_regex(r"[a-l]{1,4}(\.[0-9a-l]{1,3}){0,2}", fullmatch=True), min_size=1, unique=True),
    wrappers=st.lists(st.sampled_from(["state_dict", "model", "net"]), max_size=2),
    prefix=st.sampled_from(["", "module.", "model.", "module.model."]),
)
def test_any_names_come_out_as_they_were(tmp_path_factory, names, wrappers, prefix):
    content = {f"{prefix}{name}": torch.full((1,), float(i)) for i, name in enumerate(names)}
    for wrapper in wrappers:
        content = {wrapper: content, "epoch": 1}
    path = tmp_path_factory.mktemp("any") / "net.pth"
    torch.save(content, path)
    assert {key: float(value) for key, value in read(path).items()} == {name: i for i, name in enumerate(names)}


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.ones(2)], torch.ones(2), {"state_dict": {}}])
def test_file_without_named_parameters(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(ExtractionError, match=r"MER-E194.*no parameters by name"):
        read(tmp_path / "net.pth")


@pytest.mark.parametrize("old", [False, True])
def test_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path, old):
    """Trap 35: checkpoints are read through weights_only; what they ask for is named."""
    touched = tmp_path / "touched"

    class Bomb:
        def __reduce__(self):
            return open, (str(touched), "w")

    torch.save({"state_dict": STATE, "x": Bomb()}, tmp_path / "net.pth", _use_new_zipfile_serialization=not old)
    for records in ((), ("__main__.RecorderMeter",)):
        with pytest.raises(ExtractionError, match=r"MER-E196.*open.*refused.*state_dict") as error:
            read(tmp_path / "net.pth", records=records)
        assert str(tmp_path / "net.pth") in error.value.message
    assert not touched.exists()


def test_network_pickled_whole_is_refused_with_the_reason(tmp_path):
    torch.save(nn.Linear(3, 2), tmp_path / "net.pth")
    with pytest.raises(ExtractionError, match=r"MER-E196.*torch\.nn\.modules\.linear\.Linear"):
        read(tmp_path / "net.pth")


@pytest.mark.parametrize("old", [False, True])
def test_declared_records_of_a_training_script_are_passed_over(tmp_path, old, monkeypatch):
    """Trap 35: the released MA-Net file holds the script's curves; no code of theirs is needed for the numbers."""
    made = []
    monkeypatch.setattr(RecorderMeter, "__setstate__", lambda self, state: made.append(state), raising=False)
    content = {"epoch": 7, "recorder": RecorderMeter(), "state_dict": STATE, "best_acc": torch.tensor(88.33)}
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=not old)
    name = f"{RecorderMeter.__module__}.RecorderMeter"
    with pytest.raises(ExtractionError, match=r"MER-E196.*RecorderMeter"):
        read(tmp_path / "net.pth")
    arrays = ("numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype")
    assert same(read(tmp_path / "net.pth", records=(name, *arrays)))
    assert made == []
    with pytest.raises(ExtractionError, match=r"MER-E196"):
        read(tmp_path / "net.pth")  # the leave was for one reading


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", ["empty", "half", "text", "pickle"])
def test_damaged_file_is_named(tmp_path, ending, kind):
    path = tmp_path / f"net{ending}"
    if ending == ".pth":
        torch.save(STATE, path)
    else:
        save_file(dict(STATE), path)
    content = path.read_bytes()
    other = {"empty": b"", "text": b"version https://git-lfs.github.com/spec/v1\n", "pickle": pickle.dumps(3)[:-1]}
    path.write_bytes(content[: len(content) // 2] if kind == "half" else other[kind])
    with pytest.raises(ExtractionError, match=r"MER-E19[47]") as error:
        read(path)
    assert str(path) in error.value.message
    assert "weights_only" not in error.value.message  # no advice to read it unsafely


# into a network


def test_parameters_are_put_where_they_belong():
    network = nn.Linear(3, 2)
    load(network, STATE)
    assert torch.equal(network.weight, STATE["weight"])


def test_counts_of_steps_may_be_lacking():
    network, state = nn.BatchNorm1d(2), nn.BatchNorm1d(2).state_dict()
    state["running_mean"] = torch.tensor([3.0, 4.0])
    del state["num_batches_tracked"]
    load(network, state)
    assert network.running_mean.tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("bias"), "lacks bias"),
        (lambda s: s.update(extra=torch.ones(1)), "has unknown extra"),
        (lambda s: s.update(bias=torch.ones(5)), r"has of another shape bias \(5,\) instead of \(2,\)"),
    ],
)
def test_what_does_not_fit_is_named(change, words):
    network, state = nn.Linear(3, 2), dict(STATE)
    before = network.weight.clone()
    change(state)
    with pytest.raises(ExtractionError, match=f"MER-E195.*net.pth is no checkpoint of Linear: it {words}"):
        load(network, state)
    assert torch.equal(network.weight, before)


def test_all_problems_are_named_at_once():
    with pytest.raises(ExtractionError, match="it lacks bias; it has unknown bios"):
        load(nn.Linear(3, 2), {"weight": STATE["weight"], "bios": STATE["bias"]})


def test_long_lists_are_cut():
    with pytest.raises(ExtractionError, match=r"lacks weight, bias; it has unknown 0, 1, 2, 3, 4 and 7 more\."):
        load(nn.Linear(3, 2), {str(i): torch.ones(1) for i in range(12)})


def test_heads_that_are_not_needed_are_left_out():
    load(nn.Linear(3, 2), {**STATE, "fc.weight": torch.ones(7, 2)}, unused=("fc.",))
