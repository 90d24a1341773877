"""``mertools report`` and the tables of ``mertools train``, as users call them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mertools.cli import main
from mertools.corpus import Clip, Corpus, Split
from mertools.store import SpaceSpec, open_store
from mertools.targets import Target

FACE, AUDIO = "face/resnet50-ferplus", "audio/chinese-hubert-large"
QUICK = ["epochs=2", "hidden_dim=8", "selection=last"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up corpus of MER2023's shape with spaces that carry the names of the paper's."""
    folder, rng = tmp_path_factory.mktemp("made-up") / "corpus", np.random.default_rng(0)
    emotions = ("neutral", "angry", "happy", "sad", "worried", "surprise")
    clips = []
    for i in range(72):
        cells = {"name": f"c{i:03d}", "split": "train" if i < 60 else "test1", "discrete": emotions[i % 6]}
        clips.append(Clip(cells["name"], cells["split"], cells=cells | {"valence": f"{rng.uniform(-3, 3):.2f}"}))
    targets = (Target("discrete", "classes", emotions), Target("valence", "value", range=(-5.0, 5.0)))
    splits = (Split("train"), Split("test1", "test"))
    Corpus("made-up", folder, tuple(clips), folder, splits, targets).write()
    with open_store(folder / "store", create=True) as store:
        for name in (FACE, AUDIO):
            space = store.declare(SpaceSpec(name, "utterance", 4, 1, {}))
            with store.writer(space) as writer:
                for i, clip in enumerate(clips):
                    row = rng.normal(size=4) + np.eye(6, 4)[i % 6]
                    writer.add(clip.name, row[None].astype(np.float32), np.zeros(1))
    return folder


@pytest.fixture(scope="module")
def runs(corpus: Path) -> list[str]:
    found = []
    for name in (FACE, AUDIO):
        out = str(corpus.parent / name.replace("/", "-"))
        words = ["train", "--corpus", str(corpus), "--track", "mer2023-multi", "--features", name]
        assert main([*words, "--model", "attention", "--out", out, *QUICK, "repeats=2"]) == 0
        found.append(out)
    return found


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    capsys.readouterr()
    code = main([*words, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out), said.err


def test_runs_side_by_side_claim_nothing(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["report", *runs]) == 0
    said = capsys.readouterr().out
    assert "single" in said
    assert "of logits" in said
    assert "p (Holm)" not in said


def test_compared_runs_have_a_difference_an_interval_and_a_p_value(
    runs: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    code, document, _ = asked(capsys, "report", *runs, "--compare", "--margin", "0.5", "--out", str(page))
    assert code == 0
    (pair,) = document["comparison"]["pairs"]
    assert pair["low"] < pair["value"] < pair["high"]
    assert pair["margin"] == 0.5
    text = page.read_text(encoding="utf-8")
    assert "p (Holm)" in text
    assert "2 seeds" in text
    assert main(["report", *runs, "--compare", "--metric", "waf"]) == 0
    assert "warning: " in capsys.readouterr().out


def test_published_numbers_stand_beside_with_what_differs(
    runs: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    _, document, _ = asked(capsys, "report", runs[1], "--out", str(page))
    ((row,),) = document["published"].values()
    assert row["features"] == ["HUBERT-large"]
    assert any("protocol" in difference for difference in row["differences"])
    assert any("corpus 'made-up'" in difference for difference in row["differences"])
    assert "Not the same settings" in page.read_text(encoding="utf-8")
    assert main(["report", runs[1]]) == 0
    said = capsys.readouterr().out
    assert "NOT THE SAME SETTINGS" in said
    assert "0.6651" in said


@pytest.mark.parametrize("words", [["--margin", "0.1"], ["--metric", "waf"]])
def test_options_without_compare_are_refused(
    runs: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, document, _ = asked(capsys, "report", *runs, *words)
    assert (code, document["error"]["code"]) == (2, "MER-R130")


def test_one_run_cannot_be_compared(runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, document, _ = asked(capsys, "report", runs[0], "--compare")
    assert (code, document["error"]["code"]) == (2, "MER-T073")


def test_a_table_is_trained_kept_and_reported(corpus: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "table"
    words = ["train", "--corpus", str(corpus), "--track", "mer2023-multi", "--features", f"{FACE},{AUDIO}"]
    words += ["--model", "attention", "--out", str(out), "--combinations", "all", *QUICK]
    code, document, err = asked(capsys, *words)
    assert code == 0
    assert len(document["cells"]) == 3
    assert ": kept" not in err
    code, again, err = asked(capsys, *words)
    assert again == document
    assert err.count(": kept") == 3
    code, document, _ = asked(capsys, "report", str(out))
    assert len(document["runs"]) == 3
    assert sum(len(rows) for rows in document["published"].values()) == 3  # HL, RF and HL+RF
    code, document, _ = asked(capsys, *words[:-3], "epochs=3", "hidden_dim=8", "selection=last")
    assert (code, document["error"]["code"]) == (2, "MER-T181")


def test_corpora_without_a_map_are_refused(corpus: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["train", "--corpus", str(corpus), "--features", FACE, "--model", "attention", "--out", str(tmp_path / "o")]
    code, document, _ = asked(capsys, *words, "--test-corpus", str(corpus))
    assert (code, document["error"]["code"]) == (2, "MER-T194")
    code, document, _ = asked(capsys, *words, "--class-map", "sentiment-3")
    assert (code, document["error"]["code"]) == (2, "MER-T194")
