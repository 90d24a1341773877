"""Ensembles: means, votes and support as a slow loop gives them; what does not fit is refused by name."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mertools.errors import ConfigError, SubmissionError
from mertools.labels import MER_EMOTIONS
from mertools.predictions import Predictions
from submissions import package
from submissions.ensemble import ensemble

NAMES = tuple(f"c{i}" for i in range(20))


def drawn(folder: Path, seed: int, names: tuple[str, ...] = NAMES) -> Path:
    rng = np.random.default_rng(seed)
    n = len(names)
    path = folder / f"p{seed}.csv"
    Predictions(names, MER_EMOTIONS, rng.dirichlet(np.ones(6), n), {"valence": rng.normal(size=n)}).write(path)
    return path


def listed(folder: Path) -> Path:
    path = folder / "candidates.csv"
    path.write_text("\n".join(["name", *NAMES, ""]))
    return path


def test_the_mean_is_that_of_probabilities_and_values_joined_by_name(tmp_path: Path) -> None:
    files = [drawn(tmp_path, 0), drawn(tmp_path, 1, NAMES[::-1]), drawn(tmp_path, 2)]
    made = ensemble("mer2023-multi", files, tmp_path / "e.csv", weights="2,1,1")
    read = [Predictions.read(file) for file in files]
    result = Predictions.read(tmp_path / "e.csv")
    for i, name in enumerate(result.names):
        rows = [p.names.index(name) for p in read]
        expected = sum(w * p.probabilities[row] for w, p, row in zip((0.5, 0.25, 0.25), read, rows, strict=True))
        assert result.probabilities[i] == pytest.approx(expected, abs=1e-12)
        value = sum(w * p.values["valence"][row] for w, p, row in zip((0.5, 0.25, 0.25), read, rows, strict=True))
        assert result.values["valence"][i] == pytest.approx(value, abs=1e-12)
        assert result.discrete[i] == MER_EMOTIONS[int(np.argmax(expected))]
    assert (made.rows, made.how) == (20, {"discrete": "mean of probabilities", "valence": "mean"})
    receipt = package("mer2023-multi", tmp_path / "e.csv", tmp_path / "up.csv", candidates=listed(tmp_path))
    assert receipt.rows == 20


def test_a_vote_takes_the_label_with_most_weight_and_the_first_file_s_among_equals(tmp_path: Path) -> None:
    files = [drawn(tmp_path, seed) for seed in range(4)]
    made = ensemble("mer2023-semi", files, tmp_path / "e.csv", how="vote")
    read = [Predictions.read(file).discrete for file in files]
    result = Predictions.read(tmp_path / "e.csv").texts["discrete"]
    ties = 0
    for i in range(20):
        votes = [labels[i] for labels in read]
        most = max(Counter(votes).values())
        tied = [label for label in votes if votes.count(label) == most]
        ties += len(set(tied)) > 1
        assert result[i] == tied[0]
    assert made.ties == ties > 0
    one = ensemble("mer2023-semi", files, tmp_path / "e.csv", how="vote", weights=[0, 0, 1, 0])
    assert Predictions.read(tmp_path / "e.csv").texts["discrete"] == read[2]
    assert one.ties == 0


def test_a_word_is_kept_where_enough_files_support_it(tmp_path: Path) -> None:
    cells = ["happy, calm", "Happy, sad", "happy, calm, sad", "proud"]
    files = []
    for i, cell in enumerate(cells):
        files.append(tmp_path / f"{i}.csv")
        files[-1].write_text(f'name,openset\nc,"{cell}"\n')
    ensemble("mer2026-fg", files, tmp_path / "e.csv")
    assert (tmp_path / "e.csv").read_text() == 'name,openset\nc,"happy, calm, sad"\n'
    ensemble("mer2026-fg", files, tmp_path / "e.csv", threshold=0.75)
    assert (tmp_path / "e.csv").read_text() == "name,openset\nc,happy\n"
    ensemble("mer2026-fg", files, tmp_path / "e.csv", threshold=1.0)
    assert (tmp_path / "e.csv").read_text() == "name,openset\nc,[]\n"


def test_every_track_but_that_of_texts_has_ensembles_that_package_takes(made, tmp_path: Path) -> None:
    first, second = made.write(), tmp_path / f"other{made.suffix}"
    second.write_bytes(made.text())
    out = tmp_path / "e.csv"
    if made.column("text"):
        with pytest.raises(ConfigError) as raised:
            ensemble(made.track, [first, second], out)
        assert raised.value.code == "MER-S172"
        return
    ensemble(made.track, [first, second], out)
    container = ".zip" if made.track.upload.container == "zip" else made.track.upload.suffix
    package(made.track, out, tmp_path / f"a{container}", candidates=made.candidates)
    package(made.track, first, tmp_path / f"b{container}", candidates=made.candidates)
    if not made.column("labels"):
        assert (tmp_path / f"a{container}").read_bytes() == (tmp_path / f"b{container}").read_bytes()


def run_with(folder: Path, name: str, score: float) -> Path:
    run = folder / name
    (run / "predictions").mkdir(parents=True)
    (run / "recipe.yaml").write_text("model: attention\n")
    (run / "metrics.json").write_text(json.dumps({"primary": "waf", "metrics": {"waf": score, "mse": 2 * score}}))
    made = drawn(folder, 7)
    return made.rename(run / "predictions" / "test.csv")


def test_weights_may_come_from_the_runs_or_a_file(tmp_path: Path) -> None:
    files = [run_with(tmp_path, "a", 0.6), run_with(tmp_path, "b", 0.2)]
    made = ensemble("mer2023-semi", files, tmp_path / "e.csv", weights="oof")
    assert list(made.weights.values()) == pytest.approx([0.75, 0.25])
    named = tmp_path / "w.csv"
    named.write_text(f"file,score\n{files[0]},0.1\n{files[1]},0.4\n")
    made = ensemble("mer2023-semi", files, tmp_path / "e.csv", weights=str(named))
    assert list(made.weights.values()) == pytest.approx([0.2, 0.8])
    with pytest.raises(SubmissionError, match="lies in no run"):
        ensemble("mer2023-semi", [drawn(tmp_path, 0), drawn(tmp_path, 1)], tmp_path / "e.csv", weights="oof")


def test_what_does_not_fit_together_is_refused_by_name(tmp_path: Path) -> None:
    good, out = drawn(tmp_path, 0), tmp_path / "e.csv"
    text = good.read_text().splitlines()

    def variant(name: str, lines: list[str]) -> Path:
        (tmp_path / name).write_text("\n".join([*lines, ""]))
        return tmp_path / name

    cases = [
        (variant("other.csv", [line.replace("c3,", "zz,") for line in text]), "MER-S179", "c3.*zz"),
        (variant("twice.csv", [*text, text[3]]), "MER-S178", "c2"),
        (variant("joy.csv", [text[0].replace("prob_sad", "prob_joy"), *text[1:]]), "MER-S176", "joy, sad"),
        (variant("nolabel.csv", [text[0].replace("discrete", "emotion"), *text[1:]]), "MER-S177", "discrete"),
        (variant("short.csv", [*text[:-1], "c19"]), "MER-S177", "row 21"),
        (variant("nan.csv", [*text[:-1], text[-1].rsplit(",", 1)[0] + ",nan"]), "MER-S187", "c19"),
    ]
    for file, code, pattern in cases:
        with pytest.raises(SubmissionError, match=pattern) as raised:
            ensemble("mer2023-multi", [good, file], out)
        assert raised.value.code == code
        assert not out.exists()
    plain = variant("plain.csv", [",".join(line.split(",")[:3]) for line in text])
    with pytest.raises(SubmissionError, match=r"plain\.csv has no prob_"):
        ensemble("mer2023-multi", [good, plain], out, how="mean")
    bad = variant(
        "bad.csv",
        [line.replace(",sad,", ",joy,").replace(",angry,", ",joy,") for line in plain.read_text().splitlines()],
    )
    with pytest.raises(SubmissionError) as raised:
        ensemble("mer2023-multi", [plain, bad], out)
    assert raised.value.code == "MER-S175"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"weights": "1"}, "MER-S182"),
        ({"weights": "1,-1"}, "MER-S182"),
        ({"weights": "0,0"}, "MER-S182"),
        ({"weights": "heavy,light"}, "MER-S181"),
        ({"threshold": 0.0}, "MER-S171"),
        ({"how": "support"}, "MER-S173"),
    ],
)
def test_wrong_options_are_refused(options: dict, code: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, SubmissionError)) as raised:
        ensemble("mer2023-semi", [drawn(tmp_path, 0), drawn(tmp_path, 1)], tmp_path / "e.csv", **options)
    assert raised.value.code == code


def test_one_file_or_its_own_output_is_no_ensemble(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ensemble("mer2023-semi", [drawn(tmp_path, 0)], tmp_path / "e.csv")
    with pytest.raises(SubmissionError):
        ensemble("mer2023-semi", [drawn(tmp_path, 0), drawn(tmp_path, 1)], tmp_path / "p1.csv")
