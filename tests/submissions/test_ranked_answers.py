"""Language models' ranked answers: each protocol against a slow loop, the published digits, and bad files."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from mertools import cli
from mertools.errors import SubmissionError
from submissions import published_answers, result_tables
from submissions.answer_benchmarks import BENCHMARKS, get_benchmark
from submissions.published_answers import RECORDED, Recorded
from submissions.ranked_answers import PROTOCOLS, columns_of, first_label, get_protocol, read_answers
from submissions.result_tables import Result, report, result_table

POSITIVE = ["amusement", "awe", "content", "contentment", "excitement"]


def write(path: Path, rows: Sequence[tuple[str, str]], model: str = "gpt4v") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "gt", model])
        writer.writerows([f"clip_{i}", truth, answer] for i, (truth, answer) in enumerate(rows))
    return path


def only(results: list[Result]) -> Result:
    (result,) = results
    return result


def slow_scores(protocol: str, rows: Sequence[tuple[str, str]], labels: Sequence[str]) -> dict[str, float] | None:
    """The protocols as a plain loop over rows, as their authors describe them."""
    truths, predictions = [], []
    for truth, answer in rows:
        first = ""
        for letter in answer:
            if letter == ",":
                break
            first += letter
        if protocol in ("A+alias", "W"):
            truth = "surprise" if truth == "surprised" else truth
            first = "surprise" if first == "surprised" else first
        if protocol == "B" and first not in labels:
            continue
        if protocol == "P":
            first = "positive" if first.lower() in POSITIVE else "negative"
        if protocol == "S":
            if float(truth) == 0:
                continue
            truth = "1" if float(truth) > 0 else "0"
            first = "1" if first.find("positive") != -1 and first.find("negative") == -1 else "0"
        truths.append(truth)
        predictions.append(first)
    if not truths:
        return None
    classes = sorted(set(truths))
    return {
        "accuracy": sum(t == p for t, p in zip(truths, predictions, strict=True)) / len(truths),
        "uar": recall_score(truths, predictions, labels=classes, average="macro", zero_division=0),
        "waf": f1_score(truths, predictions, labels=classes, average="weighted", zero_division=0),
    }


def truths_of(protocol: str, dataset: str) -> list[str]:
    if protocol == "S":
        return ["-3", "-0.5", "0", "0.0", "1e-3", "2.25"]
    if protocol == "P":
        return ["positive", "negative"]
    return list(get_benchmark(dataset).truths or get_benchmark(dataset).labels)


CASES = [
    *(("A", "ckplus"), ("A", "mer2023"), ("A+alias", "mer2023"), ("W", "mer2023"), ("B", "enterface")),
    *(("B", "ravdess"), ("P", "abstract"), ("P", "artphoto"), ("S", "cmumosi")),
]


@pytest.mark.parametrize(("protocol", "dataset"), CASES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_each_protocol_scores_as_a_slow_loop_does(
    protocol: str, dataset: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    labels = list(get_benchmark(dataset).labels)
    said = st.one_of(
        st.sampled_from(labels),
        st.sampled_from(["", "pain", " happy", "HAPPY", "surprise", "surprised", "very positive", "not positive"]),
    )
    answers = st.lists(said, min_size=0, max_size=5).map(",".join)
    rows = data.draw(st.lists(st.tuples(st.sampled_from(truths_of(protocol, dataset)), answers), min_size=1))
    folder = tmp_path_factory.mktemp("results") / dataset
    write(folder / "label-x.csv", rows, "x")
    expected = slow_scores(protocol, rows, labels)
    if expected is None:
        with pytest.raises(SubmissionError) as raised:
            result_table(folder, protocol=protocol)
        assert raised.value.code == "MER-S207"
        return
    result = only(result_table(folder, protocol=protocol))
    assert result.metrics == pytest.approx(expected, abs=1e-12)
    assert result.n_scored + result.n_dropped + result.n_without_class == result.n_rows == len(rows)


def rows_with(n: int, n_right: int, labels: Sequence[str], wrong: str) -> list[tuple[str, str]]:
    rows = [(labels[i % len(labels)], labels[i % len(labels)] + ",rest") for i in range(n_right)]
    return rows + [(labels[i % len(labels)], wrong) for i in range(n - n_right)]


@pytest.mark.parametrize(
    ("file", "n", "n_right", "printed"),
    [
        ("ckplus/label-gpt4v.csv", 981, 684, "69.72"),
        ("sfew2/label-gpt4v.csv", 435, 249, "57.24"),
        ("rafdb/label-gpt4v-rgb.csv", 3067, 2325, "75.81"),
        ("affectnet/label-gpt4v.csv", 4000, 1711, "42.77"),
        ("casme1/label-gpt4v.csv", 176, 65, "36.93"),
        ("samm/label-gpt4v.csv", 135, 23, "17.04"),
    ],
)
def test_counts_behind_a_published_accuracy_give_its_digits(
    tmp_path: Path, file: str, n: int, n_right: int, printed: str
) -> None:
    labels = get_benchmark(file.split("/")[0]).labels
    write(tmp_path / file, rows_with(n, n_right, labels, "pain,happy"))
    result = only(result_table(tmp_path))
    assert result.metrics["accuracy"] == n_right / n
    assert f"{100 * result.published['accuracy']:.2f}" == printed
    assert result.agrees is True
    assert result.recognised is False
    assert result.reproduced is None
    assert "content unknown" in report([result])
    write(tmp_path / file, rows_with(n, n_right - 1, labels, "pain,happy"))
    assert only(result_table(tmp_path)).agrees is False


def test_answers_outside_the_labels_are_left_out_by_b_and_the_strict_value_is_told(tmp_path: Path) -> None:
    labels = BENCHMARKS["enterface"].labels
    rows = rows_with(1253, 417, labels, "")
    rows = [(t, a or labels[(labels.index(t) + 1) % 6]) for t, a in rows] + [(labels[0], "neutral")] * 34
    write(tmp_path / "enterface" / "label-gpt4v-3.csv", rows)
    result = only(result_table(tmp_path))
    assert (result.n_scored, result.n_dropped, result.n_unlisted) == (1253, 34, 34)
    assert f"{100 * result.metrics['accuracy']:.2f}" == "33.28"
    flattering = next(note for note in result.notes if "flatters" in note)
    assert f"accuracy is {100 * 417 / 1287:.2f}" in flattering


def test_mer2023_shows_both_the_published_accuracy_and_that_with_the_alias(tmp_path: Path) -> None:
    rows = [("happy", "happy")] * 261 + [("surprise", "surprised,happy")] * 6 + [("sad", "angry")] * 144
    write(tmp_path / "mer2023" / "label-gpt4v-multi.csv", rows)
    results = {result.protocol: result for result in result_table(tmp_path)}
    assert list(results) == ["A", "A+alias", "W"]
    assert f"{100 * results['A'].metrics['accuracy']:.2f}" == "63.50"
    assert results["A"].agrees is True
    assert f"{100 * results['A+alias'].metrics['accuracy']:.2f}" == "64.96"
    assert results["W"].headline == ("waf",)
    assert any("A counts these answers as wrong" in note for note in results["A"].notes)
    right_by_chance = [("surprise", "surprise"), ("sad", "sad")]
    write(tmp_path / "mer2023" / "label-gpt4v-multi.csv", right_by_chance)
    assert result_table(tmp_path)[0].metrics["accuracy"] == 1.0, "an answer in the truth's spelling is right"


def test_refused_rows_are_counted_and_told(tmp_path: Path) -> None:
    write(tmp_path / "twitter2" / "label-gpt4v.csv", [("positive", "positive,negative"), ("negative", "")])
    result = only(result_table(tmp_path))
    assert (result.n_clips, result.n_rows, result.n_empty, result.metrics["accuracy"]) == (603, 2, 1, 0.5)
    assert result.coverage == 2 / 603
    assert any("601 of 603 clips have no row" in note for note in result.notes)
    assert any("1 empty answers count as wrong" in note for note in result.notes)


def test_exact_spelling_counts_and_near_misses_are_told(tmp_path: Path) -> None:
    said = ["anger", " anger", "Anger", "'anger'", "[anger", "angry"]
    write(tmp_path / "ckplus" / "label-x.csv", [("anger", f"{word},fear") for word in said], "x")
    result = only(result_table(tmp_path))
    assert result.metrics["accuracy"] == 1 / 6
    assert any("4 answers differ from a label in case, blanks, quotes or brackets alone" in n for n in result.notes)
    assert result.published == {}, "published numbers are those of GPT-4V"


def test_a_first_label_ends_at_the_first_comma() -> None:
    assert [first_label(a) for a in ("", ",sad", "sad", "weakly positive, positive", '"a,b"')] == [
        *("", "", "sad", "weakly positive", '"a'),
    ]


def test_a_cell_in_quotes_and_a_bare_one_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ckplus" / "label-m.csv"
    path.parent.mkdir()
    path.write_text('name,gt,m\na,anger,"anger,fear"\nb,fear,fear\n"c, d",happy,"""happy"""\n')
    answers = read_answers(path)
    assert answers.models == {"m": ["anger,fear", "fear", '"happy"']}
    columns = columns_of(PROTOCOLS["A"], answers, "m", BENCHMARKS["ckplus"].labels, BENCHMARKS["ckplus"].labels)
    assert [t == p for t, p in zip(columns.truth, columns.prediction, strict=True)] == [True, True, False]


def test_every_model_column_is_a_result_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "sims" / "label-both.csv"
    path.parent.mkdir()
    path.write_text("name,gt,one,two\na,1,positive,negative\nb,-1,negative,neutral\nc,0.5,weakly positive,neutral\n")
    scores = {result.model: result.metrics["accuracy"] for result in result_table(tmp_path)}
    assert scores == {"one": 1.0, "two": 1 / 3}


@pytest.mark.parametrize("record", RECORDED, ids=lambda r: f"{r.file}-{r.protocol}")
def test_recorded_numbers_fit_each_other_and_the_data_sets(record: Recorded) -> None:
    benchmark = get_benchmark(record.file.split("/")[0])
    assert record.protocol in benchmark.protocols
    assert record.n_scored <= (benchmark.size(record.file) or 0)
    hits = record.recomputed["accuracy"] / 100 * record.n_scored
    assert hits == pytest.approx(round(hits), abs=1e-8), "a share of whole clips"
    assert all(abs(record.recomputed[name] - value) <= 0.005 + 1e-9 for name, value in record.published.items())


@pytest.fixture
def recorded_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made file that is recorded as published, under a name of its own."""
    random.seed(4)
    labels = BENCHMARKS["ravdess"].labels
    rows = [(random.choice(labels), ",".join(random.sample([*labels, "pain"], 5))) for _ in range(300)]
    path = write(tmp_path / "anything" / "label-mine.csv", rows)
    expected = slow_scores("B", rows, labels)
    assert expected is not None
    n_scored = sum(first_label(answer) in labels for _, answer in rows)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    percent = {name: 100 * value for name, value in expected.items()}
    printed = {name: round(percent[name], 2) for name in ("accuracy", "uar")}
    record = Recorded("ravdess/label-gpt4v-9.csv", digest, "B", n_scored, percent, printed)
    monkeypatch.setattr(published_answers, "RECORDED", (record,))
    monkeypatch.setitem(result_tables.FILES, digest, record.file)
    return path


def test_a_published_file_is_known_by_its_content_and_gives_its_numbers(recorded_file: Path) -> None:
    result = only(result_table(recorded_file.parents[1]))
    assert (result.file, result.recognised, result.reproduced, result.agrees) == (
        *("ravdess/label-gpt4v-9.csv", True, True, True),
    )
    assert "unknown" not in report([result])


def test_a_published_file_whose_numbers_do_not_come_out_is_not_fine(
    recorded_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = published_answers.RECORDED
    wrong = Recorded(record.file, record.sha256, "B", record.n_scored, {"accuracy": 12.0}, {})
    monkeypatch.setattr(published_answers, "RECORDED", (wrong,))
    assert cli.main(["results", str(recorded_file.parents[1])]) == 1
    assert "do not come out" in capsys.readouterr().out


def test_the_verb_prints_a_table_and_an_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "ckplus" / "label-gpt4v.csv", rows_with(981, 684, BENCHMARKS["ckplus"].labels, "pain"))
    write(tmp_path / "twitter1" / "label-five-gpt4v.csv", [("positive", "positive")] * 3)
    write(tmp_path / "ckplus" / "label.csv", [("anger", "")])
    assert cli.main(["results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "data set"
    cells = lines[1].split()
    assert cells[:11] == [
        *("CK+", "ckplus/label-gpt4v.csv", "unknown", "gpt4v", "A", "981", "981", "0", "0", "accuracy", "69.72")
    ]
    reach = 196 * (0.697248 * 0.302752 / 981) ** 0.5
    assert [float(cells[11]), float(cells[13])] == pytest.approx([69.7248 - reach, 69.7248 + reach], abs=0.5)
    assert lines[1].endswith("69.72  agrees")
    assert " 882 " in lines[2]
    assert cli.main(["results", str(tmp_path), "--dataset", "ck+", "--protocol", "b", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["dataset"], row["protocol"], row["n_scored"], row["n_dropped"]) == ("CK+", "B", 684, 297)
    assert row["primary"] == "accuracy"
    assert row["intervals"]["uar"] == [1.0, 1.0]
    assert cli.main(["results", str(tmp_path / "twitter1"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["dataset"] == "Twitter I"


def test_an_interval_that_cannot_be_given_is_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "ckplus" / "label-x.csv", [("anger", "anger")])
    assert cli.main(["results", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["intervals"] == {"accuracy": [None, None]}
    assert " - " in report(result_table(tmp_path))


def test_another_data_set_is_scored_by_the_labels_of_its_truth_if_a_protocol_is_named(tmp_path: Path) -> None:
    write(tmp_path / "my-clips" / "label-x.csv", [("bored", "bored,sad"), ("sad", "happy")], "x")
    with pytest.raises(SubmissionError) as raised:
        result_table(tmp_path)
    assert raised.value.code == "MER-S203"
    assert only(result_table(tmp_path, protocol="A")).metrics["accuracy"] == 0.5
    assert only(result_table(tmp_path, protocol="B")).n_dropped == 1
    assert only(result_table(tmp_path / "my-clips", dataset="fresh", protocol="A")).file == "fresh/label-x.csv"


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        ("name,gt\na,anger\n", {}, "MER-S201", "no column with answers"),
        ("name,gpt4v\na,anger\n", {}, "MER-S210", "no column gt"),
        ("", {}, "MER-S209", "holds nothing"),
        ("name,gt,gpt4v\n", {}, "MER-S209", "no rows"),
        ("name,gt,gpt4v\na,anger,fear,sad\n", {}, "MER-S211", "line 2: 4 cells"),
        ('name,gt,gpt4v\na,anger,"fear\n', {}, "MER-S208", "not CSV"),
        ("name;gt;gpt4v\na;anger;fear\n", {}, "MER-S210", "separated by commas"),
        ("name,gt,gpt4v\na,angre,fear\n", {}, "MER-S204", "Did you mean 'anger'"),
        ("name,gt,gpt4v\na,anger,fear\n", {"protocol": "S"}, "MER-S206", "not a number"),
        ("name,gt,gpt4v\na,nan,fear\n", {"protocol": "S"}, "MER-S206", "not a finite number"),
        ("name,gt,gpt4v\na,anger,fear\n", {"protocol": "P"}, "MER-S204", "anger"),
        ("name,gt,gpt4v\na,anger,pain\n", {"protocol": "B"}, "MER-S207", "none of its 1 rows"),
        ("name,gt,gpt4v\na,anger,fear\n", {"protocol": "C"}, "MER-S205", "no protocol 'C'"),
        ("name,gt,gpt4v\na,anger,fear\n", {"dataset": "ckpluss"}, "MER-S203", "Did you mean 'ckplus'"),
        ("name,gt,gpt4v\na,anger,fear\n", {"dataset": "samm"}, "MER-S202", "no results of 'samm'"),
    ],
)
def test_bad_input_has_its_code(
    tmp_path: Path, content: str, options: dict[str, str], code: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ckplus").mkdir()
    (tmp_path / "ckplus" / "label-gpt4v.csv").write_text(content)
    words = [part for key, value in options.items() for part in (f"--{key}", value)]
    assert cli.main(["results", str(tmp_path), *words]) == 2
    error = capsys.readouterr().err
    assert code in error
    assert says in error


def test_a_folder_without_answers_and_no_folder_at_all(tmp_path: Path) -> None:
    for folder, code in ((tmp_path, "MER-S202"), (tmp_path / "nowhere", "MER-S200")):
        with pytest.raises(SubmissionError) as raised:
            result_table(folder)
        assert raised.value.code == code


def test_protocols_are_found_in_any_case() -> None:
    assert get_protocol("a+ALIAS") is PROTOCOLS["A+alias"]


def test_files_beside_the_folders_of_data_sets_are_not_passed_over(tmp_path: Path) -> None:
    for folder in (tmp_path / "samm", tmp_path / "samm" / "ckplus"):
        write(folder / "label-x.csv", [(get_benchmark(folder.name).labels[0], "")], "x")
    assert [result.dataset for result in result_table(tmp_path / "samm")] == ["CK+", "SAMM"]
    assert [result.dataset for result in result_table(tmp_path / "samm", dataset="CK+", protocol="A")] == ["CK+"]


@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=80), st.text("namegt,\"'\n\r\t;49 \0é", max_size=80).map(str.encode)))
def test_any_bytes_are_scored_or_refused_with_a_code(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("results") / "mine"
    folder.mkdir()
    for start in (b"", b"name,gt,model\n"):
        (folder / "label-x.csv").write_bytes(start + content)
        with contextlib.suppress(SubmissionError):
            assert report(result_table(folder, protocol="A"))
