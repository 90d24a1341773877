"""Every metric against an independent implementation, by one tester over the registry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, recall_score

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


REFERENCES = {
    "accuracy": accuracy_score,
    "uar": lambda t, p: recall_score(t, p, average="macro", labels=np.unique(t), zero_division=0),
    "waf": lambda t, p: f1_score(t, p, average="weighted", zero_division=0),
    "macro_f1": lambda t, p: f1_score(t, p, average="macro", zero_division=0),
    "mse": mean_squared_error,
    "rmse": lambda t, p: mean_squared_error(t, p) ** 0.5,
    "ccc": slow_ccc,
    "pcc": lambda t, p: pearsonr(t, p)[0],
    "mer2023_combined": combined,
}


def columns(metric: Metric, rng: np.random.Generator, n: int, n_classes: int = 6) -> list[np.ndarray]:
    """Random truth and prediction of each input, correlated."""
    found = []
    for kind in metric.inputs:
        if kind == "classes":
            truth = rng.integers(0, n_classes, n)
            found += [truth, np.where(rng.random(n) < 0.5, truth, rng.integers(0, n_classes, n))]
        else:
            truth = rng.normal(0, 2, n)
            found += [truth, truth + rng.normal(0.3, 1, n)]
    return found


@pytest.fixture(params=METRICS.names())
def metric(request: pytest.FixtureRequest) -> Metric:
    return METRICS.get(request.param)


def test_every_metric_has_a_reference() -> None:
    assert set(METRICS.names()) == set(REFERENCES)


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
        best = metric(*[args[i - i % 2] for i in range(len(args))])
        assert best == pytest.approx(high if metric.higher_is_better else low, abs=1e-12)


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
    if "value" not in metric.inputs:
        pytest.skip("takes no values")
    args = columns(metric, np.random.default_rng(0), 10)
    for bad in (np.nan, np.inf):
        args[-1][3] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            metric(*args)


def test_constant_series_have_no_correlation() -> None:
    same = np.ones(5)
    assert np.isnan(metrics.ccc(same, same))
    assert np.isnan(metrics.pcc(same, np.arange(5.0)))
    assert metrics.ccc(same, same + 1) == 0.0


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
