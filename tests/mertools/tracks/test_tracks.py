"""What must hold of every declared track."""

import json

import numpy as np
import pytest
from mertools.openset import PARSERS

from mertools import Predictions, get_track
from mertools.errors import SubmissionError, UnknownNameError
from mertools.metrics import METRICS
from mertools.tracks import TRACKS, Track, describe
from mertools.tracks.columns import objects
from mertools.wheels import Wheels


@pytest.fixture(params=TRACKS.names())
def track(request: pytest.FixtureRequest) -> Track:
    return get_track(request.param)


def test_a_track_is_complete_and_consistent(track: Track) -> None:
    assert track.id.startswith(track.edition + "-")
    assert track.selection == track.primary
    if track.primary:
        assert track.metrics[0].name == track.primary
    else:
        assert track.scorer is None
        assert not track.metrics
    assert len({m.name for m in track.metrics}) == len(track.metrics)
    assert all(set(metric.inputs) <= set(track.inputs) for metric in track.metrics)
    names = [column.name for column in track.upload.columns]
    assert len(set(names)) == len(names)
    assert track.upload.keys
    for target in track.targets:
        column = track.upload.holding(target.name)
        assert column.required
        assert column.range == target.range
        if target.kind == "classes":
            assert len(column.allowed) == len(target.classes)
        if target.kind == "labels":
            assert column.words in PARSERS
    for column in track.upload.columns:
        assert set((column.respellings or {}).values()) <= set(column.allowed)
        assert not set(column.respellings or {}) & set(column.allowed)


def test_every_rule_says_where_it_comes_from_and_the_data_agree(track: Track) -> None:
    source = {rule.about: rule.source for rule in track.rules}
    assert len(source) == len(track.rules)
    assert {"columns", "labels", "rows", "metric", "order", "submissions", "size", "file name"} <= set(source)
    assert all(rule.text for rule in track.rules)
    if track.submissions is None:
        assert source["submissions"] == "unknown"
    if track.upload.max_bytes is None:
        assert source["size"] == "unknown"
    if track.upload.file_name:
        assert source["file name"] == track.upload.file_name_source
    if track.upload.container == "zip":
        assert source["container"] == track.upload.container_source


def test_a_track_is_listed_as_json(track: Track) -> None:
    document = json.loads(json.dumps(TRACKS.entry(track.id).as_json(), allow_nan=False))
    assert document["name"] == track.id
    assert [rule["source"] for rule in document["rules"]] == [rule.source for rule in track.rules]


@pytest.fixture
def scored(track: Track) -> Track:
    if track.scorer is None:
        pytest.skip("has no public scorer")
    return track


WORDS = ("happy", "sad", "angry", "afraid", "surprised", "joyful", "furious")


def resources(track: Track) -> dict:
    return {"wheels": Wheels.find(None)} if "wheels" in track.needs else {}


def made(track: Track, n: int = 30) -> tuple[dict, Predictions]:
    """Random truth by target, and predictions of every form."""
    rng = np.random.default_rng(0)
    names = tuple(f"c{i}" for i in range(n))
    truth: dict = {}
    labels, probabilities, values, texts = (), np.zeros((0, 0)), {}, {}
    for target in track.targets:
        if target.kind == "classes":
            truth[target.name] = dict(zip(names, rng.choice(target.classes, n).tolist(), strict=True))
            if "flags" in track.inputs:
                values[target.name] = rng.integers(0, 2, n).astype(float)
            else:
                labels, probabilities = target.classes, rng.dirichlet(np.ones(len(target.classes)), n)
        elif target.kind == "value":
            truth[target.name] = dict(zip(names, rng.normal(size=n).tolist(), strict=True))
            values[target.name] = rng.normal(size=n)
        elif target.kind == "labels":
            drawn = [tuple(rng.choice(WORDS, 3, replace=False).tolist()) for _ in range(2 * n)]
            truth[target.name] = dict(zip(names, drawn[:n], strict=True))
            texts[target.name] = tuple(", ".join(words) for words in drawn[n:])
        else:
            truth[target.name] = dict(zip(names, rng.choice(["a1", "a2"], n).tolist(), strict=True))
            texts[target.name] = tuple(rng.choice(["a1", "a2"], n).tolist())
    return truth, Predictions(names, labels, probabilities, values, texts)


def test_predictions_are_joined_by_name(scored: Track) -> None:
    truth, predictions = made(scored)
    order = np.random.default_rng(1).permutation(30)
    moved = Predictions(
        tuple(predictions.names[i] for i in order),
        predictions.labels,
        predictions.probabilities[order] if predictions.labels else predictions.probabilities,
        {k: v[order] for k, v in predictions.values.items()},
        {k: tuple(v[i] for i in order) for k, v in predictions.texts.items()},
    )
    found = scored.evaluate(truth, predictions, **resources(scored))
    assert scored.evaluate(truth, moved, **resources(scored)) == found
    assert list(found) == [m.name for m in scored.metrics]


def test_evaluation_is_the_metrics_on_the_annotated_clips(scored: Track) -> None:
    truth, predictions = made(scored)
    truth[scored.targets[0].name]["c0"] = None
    found = scored.evaluate(truth, predictions, **resources(scored))

    def said(name: str, i: int):
        if name in predictions.values:
            return predictions.values[name][i]
        if name in predictions.texts:
            cell = predictions.texts[name][i]
            return tuple(cell.split(", ")) if "labels" in scored.inputs else cell
        return predictions.discrete[i]

    def column(kind: str, of) -> np.ndarray:
        members = scored.inputs[kind]
        if kind in ("values", "flags"):
            return np.array([[float(of(t.name, i)) for t in members] for i in range(1, 30)])
        cells = [of(members[0].name, i) for i in range(1, 30)]
        if kind == "classes":
            return np.array([members[0].classes.index(cell) for cell in cells])
        return objects(cells) if kind == "labels" else np.array(cells)

    for metric in scored.metrics:
        args = []
        for kind in metric.inputs:
            args += [column(kind, lambda name, i: truth[name][f"c{i}"]), column(kind, said)]
        bound = METRICS.get(metric.name).bind(**resources(scored))
        assert found[metric.name] == pytest.approx(bound(*args), abs=1e-12, nan_ok=True)


def test_what_cannot_be_evaluated_is_refused(scored: Track) -> None:
    truth, predictions = made(scored)
    first = scored.targets[0]
    with pytest.raises(SubmissionError, match="1 of 31 annotated clips are not predicted, first 'other'"):
        scored.evaluate({name: t | {"other": next(iter(t.values()))} for name, t in truth.items()}, predictions)
    with pytest.raises(SubmissionError, match="hold nothing for target"):
        scored.evaluate(truth, Predictions(predictions.names))
    with pytest.raises(SubmissionError, match="no clip is annotated"):
        scored.evaluate({name: dict.fromkeys(t) for name, t in truth.items()}, predictions)
    if first.kind == "classes":
        with pytest.raises(SubmissionError, match="'joy' is not one of"):
            scored.evaluate(truth | {first.name: truth[first.name] | {"c1": "joy"}}, predictions)


def test_a_track_is_described_with_every_rule_and_its_source(track: Track) -> None:
    text = describe.details(track)
    assert all(rule.text in text for rule in track.rules)
    assert sum(describe.certainty(track).values()) == len(track.rules)
    if track.primary and track.candidates.scored:
        assert 0 < describe.detectable(track) < 0.5
    else:
        assert describe.detectable(track) is None


def test_an_unknown_track_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'mer2023-multi'"):
        get_track("mer2023-mutli")
