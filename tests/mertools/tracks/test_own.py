"""Tracks that users write down in YAML."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mertools import get_track
from mertools.errors import ConfigError
from submissions import score, validate

PAGE = Path(__file__).parents[3] / "docs" / "tracks.md"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "stress.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def edited(path: Path, old: str, new: str) -> str:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def test_the_track_of_the_documents_is_read_validated_and_scored(own: Path, tmp_path: Path) -> None:
    track = get_track(str(own))
    assert (track.id, track.primary, track.candidates.count) == ("lab-stress", "uar", 120)
    rows = "".join(f"c{i},{'low' if i % 3 else 'high'},{i / 120}\n" for i in range(120))
    said, truth = tmp_path / "stress.csv", tmp_path / "truth.csv"
    said.write_text("name,stress,arousal\n" + rows)
    truth.write_text("name,stress,arousal\n" + rows)
    assert validate(str(own), said) == []
    assert score(str(own), said, truth).metrics == pytest.approx({"uar": 1.0, "ccc": 1.0})
    assert score(str(own), said, truth).value == 1.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("primary: uar", "primary: uaar", "there is no metric 'uaar'. Did you mean 'uar'"),
        ("primary: uar", "primary: mean_ccc", "compares values, its targets are classes, value"),
        ("edition: lab", "editon: lab", "has no option 'editon'. Did you mean 'edition'"),
        ("kind: key", "kind: text", "none of its columns is of kind key"),
        ("{name: stress, kind: label", "{name: strain, kind: label", "target 'stress' has no column"),
        ("allowed: [low, high]", "allowed: [low, high, none]", "allows 3 values for 2 classes"),
        ("kind: number", "kind: numeral", "kind"),
    ],
)
def test_a_mistake_in_it_is_named(own: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        get_track(edited(own, old, new))
    assert said in raised.value.message
    assert str(own) in raised.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        get_track(str(tmp_path / "none.yaml"))


def listed(folder: Path) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "mertools.cli", "list", "tracks", "lab-*"],
        env={**os.environ, "MERTOOLS_TRACKS": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_of_them_stands_in_the_list(own: Path) -> None:
    found = listed(own.parent)
    assert found.returncode == 0, found.stderr
    assert "lab-stress" in found.stdout
    assert "the 120 interviews of spring  [official]" in found.stdout


def test_an_id_that_is_taken_is_refused(own: Path) -> None:
    edited(own, "id: lab-stress", "id: mer2023-multi")
    found = listed(own.parent)
    assert found.returncode == 2
    assert "MER-R022" in found.stderr
    assert "Traceback" not in found.stderr
