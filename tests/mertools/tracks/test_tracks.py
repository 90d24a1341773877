"""What must hold of every declared track."""

import json

import numpy as np
import pytest

from mertools import Predictions, get_track
from mertools.errors import SubmissionError, UnknownNameError
from mertools.metrics import METRICS
from mertools.tracks import TRACKS, Track


@pytest.fixture(params=TRACKS.names())
def track(request: pytest.FixtureRequest) -> Track:
    return get_track(request.param)


def test_a_track_is_complete_and_consistent(track: Track) -> None:
    assert track.id.startswith(track.edition + "-")
    assert track.metrics[0].name == track.selection == track.primary
    assert len({m.name for m in track.metrics}) == len(track.metrics)
    kinds = {target.kind for target in track.targets}
    assert all(set(metric.inputs) <= kinds for metric in track.metrics)
    names = [column.name for column in track.upload.columns]
    assert len(set(names)) == len(names)
    assert track.upload.keys
    for target in track.targets:
        column = track.upload.column(target.name)
        assert column.required
        assert column.allowed == target.classes
        assert column.range == target.range
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


def made(track: Track, n: int = 30) -> tuple[dict, Predictions]:
    rng = np.random.default_rng(0)
    names = tuple(f"c{i}" for i in range(n))
    truth: dict = {}
    labels, probabilities, values = (), np.zeros((0, 0)), {}
    for target in track.targets:
        if target.kind == "classes":
            labels = target.classes
            truth[target.name] = dict(zip(names, rng.choice(labels, n).tolist(), strict=True))
            probabilities = rng.dirichlet(np.ones(len(labels)), n)
        else:
            truth[target.name] = dict(zip(names, rng.normal(size=n).tolist(), strict=True))
            values[target.name] = rng.normal(size=n)
    return truth, Predictions(names, labels, probabilities, values)


def test_predictions_are_joined_by_name(track: Track) -> None:
    truth, predictions = made(track)
    order = np.random.default_rng(1).permutation(30)
    moved = Predictions(
        tuple(predictions.names[i] for i in order),
        predictions.labels,
        predictions.probabilities[order],
        {k: v[order] for k, v in predictions.values.items()},
    )
    assert track.evaluate(truth, moved) == track.evaluate(truth, predictions)
    assert list(track.evaluate(truth, predictions)) == [m.name for m in track.metrics]


def test_evaluation_is_the_metrics_on_the_annotated_clips(track: Track) -> None:
    truth, predictions = made(track)
    first = track.targets[0].name
    truth[first]["c0"] = None
    found = track.evaluate(truth, predictions)
    said = {"discrete": predictions.discrete[1:], "valence": predictions.values.get("valence", np.zeros(0))[1:]}
    for metric in track.metrics:
        arguments = []
        for kind in metric.inputs:
            name = track.target(kind).name
            arguments += [np.array([truth[name][f"c{i}"] for i in range(1, 30)]), np.array(said[name])]
        assert found[metric.name] == pytest.approx(METRICS.get(metric.name)(*arguments), abs=1e-12)


def test_what_cannot_be_evaluated_is_refused(track: Track) -> None:
    truth, predictions = made(track)
    first = track.targets[0].name
    with pytest.raises(SubmissionError, match="1 of 31 annotated clips are not predicted, first 'other'"):
        track.evaluate({name: t | {"other": next(iter(t.values()))} for name, t in truth.items()}, predictions)
    with pytest.raises(SubmissionError, match="hold nothing for target"):
        track.evaluate(truth, Predictions(predictions.names))
    with pytest.raises(SubmissionError, match="no clip is annotated"):
        track.evaluate({name: dict.fromkeys(t) for name, t in truth.items()}, predictions)
    with pytest.raises(SubmissionError, match="'joy' is not one of"):
        track.evaluate(truth | {first: truth[first] | {"c1": "joy"}}, predictions)


def test_an_unknown_track_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'mer2023-multi'"):
        get_track("mer2023-mutli")
