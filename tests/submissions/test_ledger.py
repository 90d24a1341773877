"""The ledger counts what was packaged and every look at a truth, through crashes and for everybody who shares it."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from mertools.errors import SubmissionError
from mertools.looks import append_event
from submissions import package
from submissions.ledger import read, record_look, record_package, summary


def test_identical_bytes_count_once_and_the_limit_counts_down(multi, tmp_path: Path) -> None:
    track = replace(multi.track, submissions=2)
    folder = tmp_path / "ledger"

    def send(content: bytes, name: str):
        return package(track, multi.write(content), tmp_path / name, candidates=multi.candidates, ledger=folder)

    first = send(multi.text(), "a.csv")
    assert (first.packaged, first.left) == (1, 1)
    again = send(multi.text(), "b.csv")
    assert (again.packaged, again.left) == (1, 1)
    other = send(multi.edited(1, "valence", "0.125"), "c.csv")
    assert (other.packaged, other.left) == (2, 0)
    third = send(multi.edited(1, "valence", "0.25"), "d.csv")
    assert (third.packaged, third.left) == (3, -1)
    events, damaged = read(folder / "mer2023-multi.jsonl")
    assert ([e["file"] for e in events], damaged) == (["a.csv", "c.csv", "d.csv"], 0)
    assert [e["left"] for e in events] == [1, 0, -1]
    assert {"date", "sha256", "rows", "score", "limit"} <= set(events[0])


def test_the_ledger_stands_beside_the_upload_unless_another_place_is_named(
    multi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(multi.track, multi.write(), tmp_path / "up" / "a.csv", candidates=multi.candidates)
    assert (tmp_path / "up" / "mer2023-multi.jsonl").is_file()
    monkeypatch.setenv("MERTOOLS_LEDGER", str(tmp_path / "shared"))
    package(multi.track, multi.write(), tmp_path / "up" / "b.csv", candidates=multi.candidates)
    assert summary(read(tmp_path / "shared" / "mer2023-multi.jsonl")[0]) == (1, 0)


def test_a_track_without_a_published_limit_has_no_number_left(maker, tmp_path: Path) -> None:
    m = maker("mer2025-semi")
    receipt = package(m.track, m.write(), tmp_path / "a.csv", candidates=m.candidates)
    assert (receipt.packaged, receipt.left) == (1, None)


def test_a_score_that_is_known_later_is_noted_and_does_not_count(multi, tmp_path: Path) -> None:
    for score in (None, 0.5, 0.5):
        entry = record_package(multi.track, tmp_path / "a.csv", "f" * 64, 12, score=score)
    assert entry.packaged == 1
    assert [e["score"] for e in read(tmp_path / "mer2023-multi.jsonl")[0]] == [None, 0.5]


def test_a_line_cut_off_by_a_crash_costs_itself_alone(multi, tmp_path: Path) -> None:
    path = tmp_path / "mer2023-multi.jsonl"
    record_package(multi.track, tmp_path / "a.csv", "a" * 64, 12)
    with path.open("a") as file:
        file.write('{"event": "package", "sha2')
    entry = record_package(multi.track, tmp_path / "b.csv", "b" * 64, 12)
    assert entry.packaged == 2
    events, damaged = read(path)
    assert ([e["sha256"][0] for e in events], damaged) == (["a", "b"], 1)


def _many(path: Path, who: int) -> None:
    for i in range(50):
        append_event(path, {"event": "look", "sha256": f"{who}-{i}"})


def test_several_people_may_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    context = multiprocessing.get_context("fork")
    people = [context.Process(target=_many, args=(path, who)) for who in range(4)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    events, damaged = read(path)
    assert damaged == 0
    assert {e["sha256"] for e in events} == {f"{who}-{i}" for who in range(4) for i in range(50)}


def test_looks_are_counted_where_there_is_a_ledger(multi, tmp_path: Path) -> None:
    file = multi.write()
    nothing = record_look(multi.track, file, multi.truth, 0.5)
    assert (nothing.n, nothing.where) == (None, ())
    assert not (tmp_path / "mer2023-multi.jsonl").exists()
    named = tmp_path / "ledger"
    assert record_look(multi.track, file, multi.truth, 0.5, folder=named).n == 1
    file.write_bytes(multi.edited(1, "valence", "0.125"))
    looks = record_look(multi.track, file, multi.truth, float("nan"), folder=named)
    assert (looks.n, looks.files) == (2, 2)
    multi.truth.write_bytes(multi.truth.read_bytes() + b"\n")
    assert record_look(multi.track, file, multi.truth, 0.5, folder=named).n == 1  # another truth
    values = [e["value"] for e in read(named / "mer2023-multi.jsonl")[0]]
    assert values == [0.5, None, 0.5]


def test_a_look_at_predictions_of_a_run_is_counted_in_the_run(multi, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "predictions").mkdir(parents=True)
    for name in ("recipe.yaml", "metrics.json"):
        (run / name).write_text("{}")
    file = run / "predictions" / "test1.csv"
    file.write_bytes(multi.text())
    assert record_look(multi.track, file, multi.truth, 0.5).n == 1
    assert record_look(multi.track, file, multi.truth, 0.5).n == 2
    assert len((run / "looks.jsonl").read_text().splitlines()) == 2
    assert json.loads((run / "looks.jsonl").read_text().splitlines()[0])["metric"] == "mer2023_combined"


def test_a_ledger_that_is_no_text_is_refused_before_anything_is_written(multi, tmp_path: Path) -> None:
    (tmp_path / "mer2023-multi.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(SubmissionError) as raised:
        record_package(multi.track, tmp_path / "a.csv", "a" * 64, 12)
    assert raised.value.code == "MER-S180"
