"""Registries, configuration, errors and atomic files."""

from __future__ import annotations

import errno
import math
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mertools import files
from mertools.config import (
    NameSpec,
    canonical_json,
    fingerprint,
    from_mapping,
    parse_name_spec,
    parse_name_specs,
    to_mapping,
)
from mertools.errors import ConfigError, MachineError, MediaError, MissingDependencyError, StoreError, UnknownNameError
from mertools.registry import Registry


@dataclass(frozen=True)
class Options:
    rate: float = 0.5
    size: int = 3
    place: Path | None = None
    careful: bool = True
    kinds: tuple[str, ...] = ()


# -- registry -----------------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Registry[object]:
    found: Registry[object] = Registry("planet", ())
    found.add("planet-10", 10)
    found.add("planet-2", 2, licence="MIT", rings=True)
    found.add("planet-9", 9, packages=("no_such_module_of_ours",), extra="space")
    return found


def test_names_are_in_natural_order_and_match_wildcards(registry: Registry[object]) -> None:
    assert registry.names() == ["planet-2", "planet-9", "planet-10"]
    assert registry.names("*-1*") == ["planet-10"]


def test_unknown_name_suggests_the_nearest(registry: Registry[object]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'planet-10'"):
        registry.get("planet-100")


def test_a_missing_package_is_named_with_its_install_command(registry: Registry[object]) -> None:
    assert registry.get("planet-2") == 2
    with pytest.raises(MissingDependencyError, match="no_such_module_of_ours") as caught:
        registry.get("planet-9")
    assert "pip install 'mertools[space]'" in caught.value.hint
    assert registry.entry("planet-9").as_json()["available"] is False
    assert registry.entry("planet-2").as_json()["rings"] is True


def test_one_name_for_two_things_is_refused(registry: Registry[object]) -> None:
    registry.add("planet-2", 2)
    with pytest.raises(ValueError, match="registered twice"):
        registry.add("planet-2", 3)


# -- configuration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("face/hog", NameSpec("face/hog")),
        ("face/clip:weights=/a/b:c,d:crop=x", NameSpec("face/clip", {"weights": "/a/b:c,d", "crop": "x"})),
        ("face/clip@0123", NameSpec("face/clip", {}, "0123")),
        ("text/x:weights=org/name@main", NameSpec("text/x", {"weights": "org/name@main"})),
    ],
)
def test_name_specs_parse_and_print(text: str, spec: NameSpec) -> None:
    assert parse_name_spec(text) == spec
    assert str(spec) == text


def test_a_comma_list_splits_at_names_only() -> None:
    specs = parse_name_specs("face/clip:weights=a,b,audio/prosody, text/ngram:size=8")
    assert [s.name for s in specs] == ["face/clip", "audio/prosody", "text/ngram"]
    assert specs[0].options == {"weights": "a,b"}


@pytest.mark.parametrize("text", ["", " ", ":weights=x", "weights=x"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_name_specs(text)


def test_text_becomes_the_type_of_the_field() -> None:
    made = from_mapping(Options, {"rate": "1e-3", "size": "7", "place": "a/b", "careful": "false"}, "toy")
    assert made == Options(1e-3, 7, Path("a/b"), careful=False)


@pytest.mark.parametrize(("key", "value"), [("size", "many"), ("rate", "x"), ("size", 1.5), ("careful", "perhaps")])
def test_a_wrong_type_names_the_option_and_what_was_given(key: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(Options, {key: value}, "toy")
    assert caught.value.code == "MER-R004"
    assert repr(value) in str(caught.value)


def test_an_unknown_option_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'careful'"):
        from_mapping(Options, {"carefull": True}, "toy")


def test_a_configuration_survives_its_mapping() -> None:
    options = Options(place=Path("x"), kinds=("a", "b"))
    assert from_mapping(Options, to_mapping(options), "toy") == options


@given(st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans(), st.none()), max_size=6))
def test_a_fingerprint_depends_on_content_not_on_order(values: dict[str, object]) -> None:
    assert fingerprint(values) == fingerprint(dict(reversed(values.items())))
    assert fingerprint({**values, "one more": 1}) != fingerprint(values)


def test_numbers_without_a_json_form_are_refused() -> None:
    with pytest.raises(ValueError, match=r"[Oo]ut of range|not JSON compliant"):
        canonical_json({"x": math.nan})


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreError("MER-V001", "m", "h"), MediaError("MER-M001", "m", "h", "missing")])
def test_errors_cross_process_boundaries_whole(error: StoreError | MediaError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.__dict__) == (type(error), error.__dict__)


# -- files --------------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    files.write_text_atomically(path, "old")

    def write_and_fail() -> None:
        with files.replacing(path) as file:
            file.write(b"new")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["kept.txt"]


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom mertools.files import write_bytes_atomically\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_bytes_atomically(Path(sys.argv[1]), b'x' * 5000)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    path = tmp_path / "big.bin"
    root = Path(__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, cwd=root
    ).stdout
    assert out.startswith("MachineError MER-O002  the disk is full")
    assert os.listdir(tmp_path) == []


def test_new_files_have_the_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        files.write_text_atomically(tmp_path / "a", "x")
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "MER-O002"), (errno.EACCES, "MER-O003")])
def test_disk_problems_have_codes(number: int, code: str) -> None:
    problem = files.disk_problem(OSError(number, os.strerror(number)), Path("x"))
    assert isinstance(problem, MachineError)
    assert problem.code == code


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"size": "many"}, "size: 'many' is not a whole number"),
        ({"rate": "nan"}, "rate: nan is not a finite number"),
        ({"rate": float("inf")}, "rate: inf is not a finite number"),
    ],
)
def test_a_wrong_value_is_said_in_words(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(Options, values, "toy")
    assert said in caught.value.message


def test_a_value_outside_a_closed_list_names_the_list() -> None:
    @dataclass
    class Choice:
        device: Literal["cpu", "cuda"] = "cpu"

    with pytest.raises(ConfigError, match="'gpu' is not one of: cpu, cuda"):
        from_mapping(Choice, {"device": "gpu"}, "toy")


def test_writing_over_a_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="it is a folder"):
        files.write_text_atomically(tmp_path, "x")
