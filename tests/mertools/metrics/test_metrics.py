"""Every metric against an independent implementation, by one tester over the registry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, mean_squared_error, recall_score

from mertools import metrics
from mertools.metrics import METRICS, Metric, ShapeError
from mertools.metrics.intervals import group_sums


def slow_ccc(x: np.ndarray, y: np.ndarray) -> float:
    """Concordance by loops over the definition."""
    n = len(x)
    mean_x, mean_y = sum(x) / n, sum(y) / n
    var_x, var_y = sum((a - mean_x) ** 2 for a in x) / n, sum((b - mean_y) ** 2 for b in y) / n
    cov = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / n
    below = var_x + var_y + (mean_x - mean_y) ** 2
    return 2 * cov / below if below else float("nan")


def combined(t, p, tv, pv):
    return f1_score(t, p, average="weighted", zero_division=0) - 0.25 * mean_squared_error(tv, pv)


def weighted_f1(t, p):
    return f1_score(t, p, average="weighted", zero_division=0)


def over_targets(one):
    return lambda t, p: np.mean([one(a, b) for a, b in zip(t.T, p.T, strict=True)])


def without_zeros(one):
    return lambda t, p: one(t[t != 0] > 0, p[t != 0] > 0)


def rounded(limit):
    """Half to even, by Python's own rounding."""
    return lambda values: [round(min(max(v, -limit), limit)) for v in values.tolist()]


def cut_at(*upper_ends):
    """The first class whose upper end is not exceeded, by a slow loop over classes."""

    def cut(values):
        ends = [*upper_ends, 1.01]
        return [next(i for i, end in enumerate(ends) if min(max(v, -1.0), 1.0) <= end) for v in values.tolist()]

    return cut


def after(cut, one=accuracy_score):
    return lambda t, p: one(cut(t), cut(p))


def without_ties(one):
    def reference(t, p):
        pairs = [(a, "a1" if b == "same" else b) for a, b in zip(t, p, strict=True) if a != "same"]
        return one([a for a, _ in pairs], [b for _, b in pairs])

    return reference


REFERENCES = {
    "accuracy": accuracy_score,
    "uar": lambda t, p: recall_score(t, p, average="macro", labels=np.unique(t), zero_division=0),
    "waf": weighted_f1,
    "macro_f1": lambda t, p: f1_score(t, p, average="macro", zero_division=0),
    "mse": mean_squared_error,
    "mae": mean_absolute_error,
    "rmse": lambda t, p: mean_squared_error(t, p) ** 0.5,
    "ccc": slow_ccc,
    "pcc": lambda t, p: pearsonr(t, p)[0],
    "mer2023_combined": combined,
    "mean_ccc": over_targets(slow_ccc),
    "mean_pcc": over_targets(lambda t, p: pearsonr(t, p)[0]),
    "mean_mse": mean_squared_error,
    "mean_rmse": lambda t, p: np.mean(mean_squared_error(t, p, multioutput="raw_values") ** 0.5),
    "au_f1": over_targets(lambda t, p: f1_score(t, p, zero_division=0)),
    "au_accuracy": over_targets(accuracy_score),
    "acc2_has0": lambda t, p: accuracy_score(t >= 0, p >= 0),
    "f1_has0": lambda t, p: weighted_f1(t >= 0, p >= 0),
    "acc2_non0": without_zeros(accuracy_score),
    "f1_non0": without_zeros(weighted_f1),
    "acc7": after(rounded(3)),
    "acc5": after(rounded(2)),
    "sims_acc2": after(cut_at(0.0)),
    "sims_f1": after(cut_at(0.0), weighted_f1),
    "sims_acc3": after(cut_at(-0.1, 0.1)),
    "sims_acc5": after(cut_at(-0.7, -0.1, 0.1, 0.7)),
    "prefer_waf2": without_ties(weighted_f1),
    "prefer_accuracy2": without_ties(accuracy_score),
    "prefer_waf3": weighted_f1,
    "prefer_accuracy3": accuracy_score,
}
"""Independent implementations. Metrics of open sets of words have theirs in their own test modules."""

HERE = [name for name in METRICS.names() if "labels" not in METRICS.get(name).inputs]


def some(kind: str, rng: np.random.Generator, n: int, n_classes: int) -> list[np.ndarray]:
    """Random truth and prediction of one kind, correlated; some values are round, so that ends of classes occur."""
    if kind == "classes":
        truth = rng.integers(0, n_classes, n)
        return [truth, np.where(rng.random(n) < 0.5, truth, rng.integers(0, n_classes, n))]
    if kind == "preference":
        truth = rng.choice(["a1", "a2", "same"], n)
        truth[0] = "a1"
        return [truth, np.where(rng.random(n) < 0.5, truth, rng.choice(["a1", "a2", "same"], n))]
    if kind == "flags":
        truth = rng.integers(0, 2, (n, n_classes))
        return [truth, np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 2, truth.shape))]
    truth = rng.normal(0, 1.5, (n, n_classes) if kind == "values" else n)
    said = truth + rng.normal(0.1, 0.7, truth.shape)
    truth[1::4] = np.round(2 * truth[1::4]) / 2
    said[1::4] = np.round(10 * said[1::4]) / 10
    return [truth, said]


def columns(metric: Metric, rng: np.random.Generator, n: int, n_classes: int = 6) -> list[np.ndarray]:
    """Random truth and prediction of each input."""
    return [column for kind in metric.inputs for column in some(kind, rng, n, n_classes)]


@pytest.fixture(params=HERE)
def metric(request: pytest.FixtureRequest) -> Metric:
    return METRICS.get(request.param)


def test_every_metric_has_a_reference() -> None:
    assert set(HERE) == set(REFERENCES)


def test_a_metric_agrees_with_its_reference(metric: Metric) -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        args = columns(metric, rng, int(rng.integers(3, 200)), int(rng.integers(1, 8)))
        assert metric(*args) == pytest.approx(REFERENCES[metric.name](*args), rel=1e-12, abs=1e-12)


def test_labels_may_be_words(metric: Metric) -> None:
    if "classes" not in metric.inputs:
        pytest.skip("takes no labels")
    args = columns(metric, np.random.default_rng(0), 50)
    words = [np.array([f"class{i}" for i in a]) if a.dtype.kind == "i" else a for a in args]
    assert metric(*words) == pytest.approx(metric(*args), abs=1e-12)


def test_the_additive_form_is_the_metric(metric: Metric) -> None:
    for seed in range(50):
        args = columns(metric, np.random.default_rng(seed), 40)
        sums = metric.statistics(*args).sum(axis=0)
        assert float(metric.from_sums(sums)) == pytest.approx(metric(*args), rel=1e-10, abs=1e-10)


def test_the_additive_form_of_many_resamples_equals_one_at_a_time(metric: Metric) -> None:
    rng = np.random.default_rng(3)
    args = columns(metric, rng, 60)
    groups = rng.integers(0, 9, 60)
    sums = group_sums(metric, args, groups)
    weights = rng.multinomial(9, np.full(9, 1 / 9), size=20)
    for weight, value in zip(weights, metric.from_sums(weights @ sums), strict=True):
        rows = np.concatenate([np.repeat(np.flatnonzero(groups == g), w) for g, w in enumerate(weight)])
        assert value == pytest.approx(metric(*[a[rows] for a in args]), rel=1e-10, abs=1e-10)


def test_values_stay_within_the_declared_range_and_the_best_is_reached(metric: Metric) -> None:
    low, high = metric.range
    for seed in range(50):
        args = columns(metric, np.random.default_rng(seed), 30)
        assert low <= metric(*args) <= high
        if "flags" in metric.inputs:
            args[0][0] = 1  # a target without a single flag has F1 0 however good the prediction
        best = metric(*[args[i - i % 2] for i in range(len(args))])
        assert best == pytest.approx(high if metric.higher_is_better else low, abs=1e-12)


def test_sums_by_group_are_those_of_the_rows(metric: Metric) -> None:
    rng = np.random.default_rng(4)
    args = columns(metric, rng, 60)
    groups = rng.choice(["z", "b", "k"], 60)
    rows = metric.statistics(*args)
    assert rows.dtype == np.float64
    loop = [rows[groups == name].sum(axis=0) for name in "bkz"]
    assert group_sums(metric, args, groups) == pytest.approx(np.array(loop), abs=1e-9)


def test_parts_are_what_the_metric_is_the_mean_of(metric: Metric) -> None:
    if metric.parts is None:
        assert not {"values", "flags"} & set(metric.inputs)
        pytest.skip("has no parts")
    args = columns(metric, np.random.default_rng(2), 50, 3)
    parts = metric.parts(metric.statistics(*args).sum(axis=0), ["valence", "arousal", "power"])
    assert list(parts) == ["valence", "arousal", "power"]
    for d, value in enumerate(parts.values()):
        assert value == pytest.approx(REFERENCES[metric.name](args[0][:, [d]], args[1][:, [d]]), abs=1e-10)
    assert np.mean(list(parts.values())) == pytest.approx(metric(*args), abs=1e-10)


def test_no_rows_at_all_are_undefined(metric: Metric) -> None:
    sums = np.zeros_like(metric.statistics(*columns(metric, np.random.default_rng(2), 9)).sum(axis=0))
    with np.errstate(all="raise"):
        assert np.isnan(metric.from_sums(sums))


def test_the_order_of_rows_does_not_matter(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    args = columns(metric, rng, 100)
    order = rng.permutation(100)
    assert metric(*[a[order] for a in args]) == pytest.approx(metric(*args), abs=1e-12)


def test_wrong_shapes_are_refused(metric: Metric) -> None:
    args = columns(metric, np.random.default_rng(0), 10)
    with pytest.raises(ShapeError):
        metric(args[0][:-1], *args[1:])
    with pytest.raises(ShapeError):
        metric(*[a[:0] for a in args])
    with pytest.raises(ShapeError):
        metric(*[a[:, None] for a in args])


def test_values_that_are_not_finite_are_refused(metric: Metric) -> None:
    if not {"value", "values", "flags"} & set(metric.inputs):
        pytest.skip("takes no numbers")
    for side in (-1, -2):
        for bad in (np.nan, np.inf):
            args = [a.astype(float) for a in columns(metric, np.random.default_rng(0), 10)]
            args[side][3] = bad
            with pytest.raises(ValueError, match=r"NaN or infinite|neither 0 nor 1"):
                metric(*args)


def test_constant_series_have_no_correlation() -> None:
    same = np.ones(5)
    assert np.isnan(metrics.ccc(same, same))
    assert np.isnan(metrics.pcc(same, np.arange(5.0)))
    assert metrics.ccc(same, same + 1) == 0.0


def test_flags_are_zero_or_one() -> None:
    with pytest.raises(metrics.InputError, match=r"MER-S113.*predicted value 2 of row 2, target 1"):
        metrics.au_f1([[0, 1], [1, 1]], [[0, 1], [2, 1]])
    assert metrics.au_f1([[True, False]], [[1.0, 0.0]]) == 0.5


def test_a_million_frames_of_a_few_videos_need_little_memory() -> None:
    import tracemalloc

    rng = np.random.default_rng(0)
    n = 1_000_000
    truth = rng.integers(0, 8, n)
    said = np.where(rng.random(n) < 0.5, truth, rng.integers(0, 8, n))
    video = rng.integers(0, 100, n)
    tracemalloc.start()
    sums = group_sums(METRICS.get("macro_f1"), [truth, said], video)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sums.shape == (100, 64)
    assert float(METRICS.get("macro_f1").from_sums(sums.sum(axis=0))) == pytest.approx(metrics.macro_f1(truth, said))
    assert peak < 100e6


def test_macro_f1_may_average_over_declared_classes() -> None:
    truth, said = [0, 1, 2, 2], [0, 2, 2, 2]
    expected = f1_score(truth, said, average="macro", labels=range(8), zero_division=0)
    assert metrics.macro_f1(truth, said, classes=range(8)) == pytest.approx(expected, abs=1e-12)


def test_sentiment_without_a_sign_has_no_accuracy_of_signs() -> None:
    assert np.isnan(metrics.acc2_non0([0.0, 0.0], [1.0, -1.0]))
    assert np.isnan(metrics.f1_non0([0.0, 0.0], [1.0, -1.0]))
    assert metrics.acc2_has0([0.0, 0.0], [1.0, -1.0]) == 0.5


def test_large_offsets_do_not_spoil_correlations() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    for name in ("ccc", "pcc"):
        found = METRICS.get(name)
        assert found(x + 1e6, y + 1e6) == pytest.approx(found(x, y), abs=1e-8)
        sums = found.statistics(x + 1e6, y + 1e6).sum(axis=0)
        assert float(found.from_sums(sums)) == pytest.approx(found(x, y), abs=1e-6)


def test_a_label_outside_the_classes_is_named() -> None:
    with pytest.raises(ValueError, match="'joy'"):
        metrics.confusion(["sad"], ["joy"], classes=["sad", "happy"])


def test_the_per_class_table_is_that_of_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    names = ["a", "b", "c", "unused"]
    truth, said = rng.choice(names[:3], 50), rng.choice(names[:3], 50)
    for row in metrics.class_table(truth, said, classes=names):
        hits = sum(t == row.label == s for t, s in zip(truth, said, strict=True))
        n, k = list(truth).count(row.label), list(said).count(row.label)
        assert (row.support, row.predicted) == (n, k)
        assert row.precision == (hits / k if k else 0)
        assert row.recall == (hits / n if n else 0)
        assert row.f1 == pytest.approx(2 * hits / (n + k) if n + k else 0)
    assert metrics.f1_per_class(truth, said, classes=names)["unused"] == 0.0


LABELS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(LABELS)
def test_waf_equals_scikit_learn_on_any_labels(pairs: list[tuple[str, str]]) -> None:
    truth, said = [a for a, _ in pairs], [b for _, b in pairs]
    expected = f1_score(truth, said, average="weighted", zero_division=0)
    assert metrics.waf(truth, said) == pytest.approx(expected, abs=1e-12)
    assert metrics.confusion(truth, said).sum() == len(pairs)


NUMBERS = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=40)


@settings(max_examples=100, deadline=None)
@given(NUMBERS)
def test_correlations_stay_in_range_on_any_numbers(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    for name in ("ccc", "pcc"):
        value = METRICS.get(name)(x, y)
        assert np.isnan(value) or -1 <= value <= 1
        assert METRICS.get(name)(y, x) == pytest.approx(value, nan_ok=True, abs=1e-9)


SENTIMENT = [name for name in HERE if name.startswith(("acc2", "acc5", "acc7", "f1_", "sims"))]
STEPS = st.integers(-40, 40).map(lambda tenths: tenths / 10) | st.floats(-5, 5)


@pytest.mark.parametrize("name", SENTIMENT)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(STEPS, STEPS), min_size=1, max_size=20))
def test_cuts_of_sentiment_are_the_reference_s_on_any_numbers(name: str, pairs: list[tuple[float, float]]) -> None:
    truth, said = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    value = METRICS.get(name)(truth, said)
    if "non0" in name and not truth.any():
        assert np.isnan(value)
    else:
        assert value == pytest.approx(REFERENCES[name](truth, said), abs=1e-12)


def test_every_metric_tells_its_source_and_range_to_the_list() -> None:
    for entry in METRICS.entries():
        assert entry.summary
        assert entry.facts["source"]
        assert len(entry.facts["range"]) == 2
