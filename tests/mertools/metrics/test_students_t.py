"""Student's t without scipy equals scipy's."""

import math

import pytest
from scipy.stats import norm, t

from mertools.metrics.students_t import t_quantile


@pytest.mark.parametrize("degrees", [0.5, 1, 1.5, 2, 3, 9, 19, 59, 400, 20_000, 999_999])
@pytest.mark.parametrize("probability", [1e-6, 0.025, 0.2, 0.5, 0.6, 0.8, 0.975, 0.9995])
def test_quantiles_are_those_of_scipy(probability: float, degrees: float) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(t.ppf(probability, degrees), rel=1e-7, abs=1e-9)


def test_many_degrees_are_the_normal_distribution() -> None:
    assert t_quantile(0.975, math.inf) == pytest.approx(norm.ppf(0.975), abs=1e-12)
    assert t_quantile(0.975, 1e7) == pytest.approx(t.ppf(0.975, 1e7), abs=1e-6)


@pytest.mark.parametrize(("probability", "degrees"), [(0.0, 5), (1.0, 5), (0.5, 0), (math.nan, 5), (0.5, math.nan)])
def test_impossible_arguments_are_refused(probability: float, degrees: float) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        t_quantile(probability, degrees)
