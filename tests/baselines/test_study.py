"""The study of a sweep on disk."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.draws import Space
from baselines.study import JOURNAL, Result, Study, locked_study, open_studies
from mertools.errors import TrainingError


def test_two_processes_do_not_share_a_study(tmp_path: Path) -> None:
    with (
        locked_study(tmp_path / "run", {"a": 1}),
        pytest.raises(TrainingError, match="MER-T125"),
        locked_study(tmp_path / "run", {"a": 1}),
    ):
        pass
    with locked_study(tmp_path / "run", {"a": 1}):
        pass


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 400), st.binary(max_size=40).filter(lambda b: b"\n" not in b))
def test_a_torn_record_is_dropped_and_whole_ones_stay(cut: int, junk: bytes) -> None:

    space = Space({"lr": (0.1, 0.2), "hidden_dim": (4, 8)})
    points = list(space.draws(0))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        with locked_study(out, {}):
            study = Study(out, space, "nested", 1)
            for n in range(3):
                study.add(Result(n, 0, points[n], 0.5 + n / 10, n + 1))
        journal = out / JOURNAL
        whole = journal.read_bytes()
        start = whole.rstrip(b"\n").rfind(b"\n") + 1
        journal.write_bytes(whole[: start + min(cut, len(whole) - start - 1)] if cut else whole + b'{"op' + junk)
        with locked_study(out, {}):
            again = Study(out, space, "nested", 1)
            kept = 2 if cut else 3
            assert again.results == {k: r for k, r in study.results.items() if k[0] < kept}
            for n in range(kept, 4):
                again.add(Result(n, 0, points[n], 0.5 + n / 10, n + 1))
        with locked_study(out, {}):
            assert len(Study(out, space, "nested", 1).results) == 4


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    for text in ("hello\nworld\n", "5\n", '{"op_code": 0}\n'):
        (tmp_path / JOURNAL).write_text(text)
        with pytest.raises(TrainingError, match="MER-T127"):
            open_studies(tmp_path / JOURNAL, ["nested-fold0"])


def test_a_study_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (study,) = open_studies(tmp_path / JOURNAL, ["nested-fold0"])
    study.optimize(lambda trial: trial.suggest_float("lr", 0, 1), n_trials=1)
    with pytest.raises(TrainingError, match=r"MER-T127.*trial 0 of nested-fold0"):
        Study(tmp_path, Space({"lr": (0.1,)}), "nested", 1)
