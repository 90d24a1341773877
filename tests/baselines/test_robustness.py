"""What a run loses under noise, blur and missing modalities: out of fold, with intervals, on the page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from baselines.robustness import out_of_fold, robustness, text, without
from baselines.runs import Run
from mertools import cli
from mertools.corpus import Corpus
from mertools.errors import TrainingError

FACE, AUDIO = "face/made-up", "audio/made-up"


def test_clean_clips_score_as_in_the_training(run: Run, corpus: Corpus) -> None:
    found = robustness(run, corpus, [])
    (clean, no_face, no_audio) = found["rows"]
    assert clean["metrics"] == pytest.approx(run.metrics["metrics"], abs=1e-9)
    assert clean["low"] == pytest.approx(run.metrics["interval"]["low"], abs=1e-9)
    assert clean["from_clean"]["value"] == 0
    assert {row["missing"] for row in (no_face, no_audio)} == {"face", "audio"}


def test_noise_and_missing_modalities_cost_what_an_independent_count_says(
    run: Run, corpus: Corpus, tmp_path: Path, corrupt_as: Any
) -> None:
    noisy = corrupt_as(corpus, tmp_path / "noisy", spaces=(AUDIO,))
    found = robustness(run, corpus, [noisy.folder])
    assert [row["condition"] for row in found["rows"]] == ["clean"] * 3 + ["5 dB"] * 3
    assert found["rows"][3]["snr_db"] == 5.0
    # Without sound, noise on the sound cannot be heard.
    cells = {(row["condition"], row["missing"]): row["metrics"] for row in found["rows"]}
    assert cells["5 dB", "audio"] == cells["clean", "audio"]
    assert cells["5 dB", ""]["waf"] < cells["clean", ""]["waf"]
    assert "5 dB" in text(found)
    # The same by hand: each clip by the one member per seed that did not see it.
    from baselines.augmentation import read_version
    from baselines.members import predict_table
    from baselines.robustness import load_training_table, read_folds

    table, clips = load_training_table(run, corpus)
    shifted = read_version(noisy.folder, run.design.features, table.names)
    truth, fold_of, scores = [c.cells["discrete"] for c in clips], read_folds(run), []
    from dataclasses import replace

    mixed = replace(table, embeddings=(table.embeddings[0], shifted.embeddings[1]))
    labels = run.design.targets[0].classes
    for seed in (0, 1):
        said = []
        for i, clip in enumerate(clips):
            (member,) = [m for m in run.members if m.fold == fold_of[clip.name] and m.seed == seed]
            own = predict_table(member, mixed.rows(np.array([i])), run.design.targets)
            said.append(labels[int(own["discrete"].argmax())])
        scores.append(f1_score(truth, said, average="weighted"))
    assert cells["5 dB", ""]["waf"] == pytest.approx(np.mean(scores), abs=1e-9)


def test_a_hidden_space_cannot_be_looked_at(run: Run, corpus: Corpus) -> None:
    from dataclasses import replace

    from baselines.robustness import load_training_table

    table, _ = load_training_table(run, corpus)
    spoiled = replace(table, embeddings=(table.embeddings[0] + 1e4, table.embeddings[1]))
    for a, b in zip(out_of_fold(run, without(table, [0])), out_of_fold(run, without(spoiled, [0])), strict=True):
        np.testing.assert_array_equal(a["discrete"], b["discrete"])


def test_the_page_shows_it_and_the_run_keeps_it(
    run: Run, corpus: Corpus, tmp_path: Path, corrupt_as: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy = corrupt_as(corpus, tmp_path / "noisy")
    page = tmp_path / "page.html"
    words = ["report", str(run.folder), "--robustness", str(noisy.folder), "--corpus", str(corpus.folder)]
    assert cli.main([*words, "--out", str(page), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    kept = json.loads((run.folder / "robustness.json").read_text())
    assert document["robustness"][str(run.folder)] == kept
    assert "under noise, blur and missing modalities" in page.read_text()
    assert "5 dB" in page.read_text()


def test_wrong_corpora_are_refused_with_the_way_out(run: Run, corpus: Corpus, tmp_path: Path, corrupt_as: Any) -> None:
    empty = corrupt_as(corpus, tmp_path / "noisy", spaces=())
    with pytest.raises(TrainingError, match="no embedding of any clip") as found:
        robustness(run, corpus, [empty.folder])
    assert found.value.code == "MER-T112"
    (run.folder / "folds.csv").unlink()
    with pytest.raises(TrainingError) as found:
        robustness(run, corpus, [])
    assert found.value.code == "MER-T111"
