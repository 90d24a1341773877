"""Standardising within speakers: no labels, no other split, an error where the speaker is unknown, and said aloud."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from baselines import predict, train
from baselines.data import Table, standardised_by
from baselines.prediction import predict_clips
from mertools import cli
from mertools.corpus import Clip, Corpus
from mertools.errors import TrainingError

FACE, AUDIO = "face/made-up", "audio/made-up"


def make_table(n: int = 30) -> tuple[Table, list[Clip]]:
    rng = np.random.default_rng(0)
    present = np.ones((n, 2), bool)
    present[::7, 1] = False
    embeddings = (rng.normal(5, 3, (n, 4)).astype(np.float32), rng.normal(0, 9, (n, 2)).astype(np.float32))
    embeddings[1][~present[:, 1]] = 0
    clips = [Clip(f"c{i}", "train", cells={"speaker": "abc"[i % 3]}) for i in range(n)]
    return Table(tuple(c.name for c in clips), embeddings, present, {"d": rng.integers(0, 2, n)}), clips


def test_each_speaker_is_scaled_by_the_standard_scaler_of_the_clips_that_are_there() -> None:
    table, clips = make_table()
    found = standardised_by(table, clips, "speaker")
    speakers = np.array([c.cells["speaker"] for c in clips])
    for m, before in enumerate(table.embeddings):
        for speaker in "abc":
            rows = (speakers == speaker) & table.present[:, m]
            expected = StandardScaler().fit_transform(before[rows].astype(np.float64))
            np.testing.assert_allclose(found.embeddings[m][rows], expected, rtol=1e-4, atol=1e-5)
        assert not found.embeddings[m][~table.present[:, m]].any()


def test_annotations_have_no_say_and_the_table_itself_stays() -> None:
    table, clips = make_table()
    kept = [e.copy() for e in table.embeddings]
    first = standardised_by(table, clips, "speaker")
    other = standardised_by(replace(table, annotations={"d": 1 - table.annotations["d"]}), clips, "speaker")
    assert all(np.array_equal(a, b) for a, b in zip(first.embeddings, other.embeddings, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(kept, table.embeddings, strict=True))
    assert standardised_by(table, clips, "") is table


def test_a_constant_dimension_and_a_lone_clip_become_zero() -> None:
    table, clips = make_table()
    table.embeddings[0][:, 0] = 1000.1
    clips[4] = replace(clips[4], cells={"speaker": "alone"})
    found = standardised_by(table, clips, "speaker").embeddings[0]
    assert not found[:, 0].any()
    assert not found[4].any()


@pytest.mark.parametrize(
    ("column", "cells", "code", "words"),
    [
        ("spaeker", {}, "MER-T090", "Did you mean 'speaker'"),
        ("speaker", {"speaker": " "}, "MER-T091", "empty for 1 of 30 clips, first 'c2'"),
    ],
)
def test_unknown_speakers_are_reported(column: str, cells: dict[str, str], code: str, words: str) -> None:
    table, clips = make_table()
    clips[2] = replace(clips[2], cells={**clips[2].cells, **cells})
    with pytest.raises(TrainingError, match=words) as caught:
        standardised_by(table, clips, column)
    assert caught.value.code == code


def test_a_split_is_predicted_from_its_own_clips_and_the_run_says_what_it_is(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(
        corpus, [FACE, AUDIO], "wide_deep", tmp_path / "r", target="discrete", standardise_by="speaker", **quick
    )
    assert run.metrics["transductive"] is True
    assert run.metrics["protocol"]["standardise_by"] == "speaker"
    assert run.recipe.options is not None
    assert run.recipe.options["standardise_by"] == "speaker"
    again = predict(run, corpus, "test1")
    np.testing.assert_allclose(again.probabilities, run.predictions("test1").probabilities, atol=1e-6)
    recipe = str(run.folder / "recipe.yaml")
    assert cli.main(["train", "--recipe", recipe, "--out", str(tmp_path / "again")]) == 0
    assert "TRANSDUCTIVE" in capsys.readouterr().out


def test_runs_that_take_one_clip_at_a_time_are_not_called_transductive(trained: Any) -> None:
    assert trained.metrics["transductive"] is False
    assert trained.metrics["protocol"]["standardise_by"] is None


def test_files_without_a_speaker_are_refused_with_the_reason(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any]
) -> None:
    run = train(corpus, [FACE], "wide_deep", tmp_path / "r", target="discrete", standardise_by="speaker", **quick)
    (tmp_path / "new.wav").write_bytes(b"")
    with pytest.raises(TrainingError, match="a file does not say its speaker") as caught:
        predict_clips(run, [tmp_path / "new.wav"])
    assert caught.value.code == "MER-T092"


def test_a_split_with_an_empty_cell_is_refused_in_training(
    corpus: Corpus, tmp_path: Path, quick: dict[str, Any]
) -> None:
    path = corpus.folder / "clips.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[-7]["speaker"] = ""  # of test1
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(TrainingError) as caught:
        train(
            Corpus.read(corpus.folder),
            [FACE],
            "wide_deep",
            tmp_path / "r",
            target="discrete",
            standardise_by="speaker",
            **quick,
        )
    assert caught.value.code == "MER-T091"
    assert not (tmp_path / "r").exists()
