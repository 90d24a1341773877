"""What a sweep searches over: a grid of options, or ranges, and the order in which points are drawn from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from baselines.models.base import FusionModel, config_fields
from baselines.options import SEARCHABLE, TrainOptions, split_options
from mertools.config import load_yaml
from mertools.errors import ConfigError, did_you_mean

Point = dict[str, Any]
"""One value per option."""

_LISTS = frozenset(
    f.name for f in fields(TrainOptions) if isinstance(f.default, tuple) or f.default_factory in (dict, list, tuple)
)
"""Options of training that are several values by nature."""

_STREAM = 5
"""Beside the streams of a training (`baselines.streams`), so that draws are independent of its random numbers."""


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included.

    Attributes:
        low: smallest.
        high: largest.
        log: whether orders of magnitude are equally likely, instead of differences.
        whole: whether only whole numbers count.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def size(self) -> int | None:
        """How many numbers lie in it; None if there is no end of them."""
        return int(self.high - self.low) + 1 if self.whole else None

    def at(self, share: float) -> float:
        """The number below which `share` of the draws lie."""
        if self.whole and not self.log:
            return int(min(self.low + math.floor(share * (self.high - self.low + 1)), self.high))
        number = self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)
        return round(number) if self.whole else number


@dataclass(frozen=True)
class Space:
    """A search space.

    Attributes:
        dimensions: per option the values, or a range of them.
    """

    dimensions: Mapping[str, tuple[Any, ...] | Range]

    @property
    def size(self) -> int | None:
        """Number of points; None if there is no end of them."""
        lengths = [values.size if isinstance(values, Range) else len(values) for values in self.dimensions.values()]
        return None if None in lengths else math.prod(length for length in lengths if length)

    def draws(self, seed: int) -> Iterator[Point]:
        """Points in random order, none twice; the n-th depends on `seed` and n alone. Ends with the grid."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
        drawn: set[tuple[Any, ...]] = set()
        while self.size is None or len(drawn) < self.size:
            shares = rng.random(len(self.dimensions))
            point = {key: self._value(key, share) for key, share in zip(self.dimensions, shares, strict=True)}
            if tuple(point.values()) not in drawn:
                drawn.add(tuple(point.values()))
                yield point

    def as_json(self) -> dict[str, Any]:
        """Plain data: a list of values, or ``low``, ``high``, ``log``, per option."""
        return {
            key: list(values)
            if not isinstance(values, Range)
            else {"low": values.low, "high": values.high, **({"log": True} if values.log else {})}
            for key, values in self.dimensions.items()
        }

    def _value(self, key: str, share: float) -> Any:
        values = self.dimensions[key]
        return values.at(share) if isinstance(values, Range) else values[int(share * len(values))]


def choose_space(
    model: str,
    model_class: type[FusionModel],
    given: Mapping[str, Any] | Path | None,
    options: Mapping[str, Any],
) -> tuple[Space, dict[str, Any]]:
    """Tell what is searched over from what is fixed.

    Args:
        model: name of the model.
        model_class: its class; its published space is taken where none is given.
        given: a space, or a YAML file that holds one.
        options: of training and model. A list, or text ``[a,b]``, replaces a dimension or adds one; any other value
            fixes the option, which is then not searched over.

    Returns:
        The space, and the options that are fixed.

    Raises:
        ConfigError: for an option that is unknown or decides what is trained on, a value that the option does not
            take, or if nothing is left to search over.
    """
    raw = read_space(given) if given is not None else dict(model_class.search_space)
    fixed = {}
    for key, value in options.items():
        values = _listed(key, value)
        if values is None:
            fixed[key] = value
            raw.pop(key, None)
        else:
            raw[key] = values
    if not raw:
        raise ConfigError(
            "MER-T122",
            f"there is nothing to search over: model {model} has no published space, or every option of it is fixed.",
            "Name values: KEY=[A,B,...], or --space FILE.yaml.",
        )
    return Space({key: _dimension(key, values, fixed, model, model_class) for key, values in raw.items()}), fixed


def read_space(given: Mapping[str, Any] | Path) -> dict[str, Any]:
    """A space as plain data.

    Raises:
        ConfigError: if the file is missing or holds no mapping.
    """
    found = given if isinstance(given, Mapping) else load_yaml(Path(given))
    if not isinstance(found, Mapping) or not all(isinstance(key, str) for key in found):
        raise ConfigError("MER-T123", f"{given} holds no search space.", "Expected lines such as lr: [1e-3, 1e-4].")
    return dict(found)


def _listed(key: str, value: Any) -> Any:
    """The values that are meant to be searched over; None if it is a single one."""
    if key in _LISTS:
        return None
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        return [part.strip() for part in value[1:-1].split(",") if part.strip()]
    return value if isinstance(value, Sequence | Mapping | Range) and not isinstance(value, str) else None


def _dimension(
    key: str, values: Any, fixed: Mapping[str, Any], model: str, model_class: type[FusionModel]
) -> tuple[Any, ...] | Range:
    """Values of an option, each checked and of the option's type, without repetitions."""
    _refuse_key(key, model, model_class)
    if isinstance(values, Mapping | Range):
        return _range(key, values, fixed, model, model_class)
    if not isinstance(values, Sequence) or isinstance(values, str) or not values:
        raise ConfigError(
            "MER-T123", f"search space: {key}: {values!r} is no list of values.", "Expected KEY: [A, B, ...]."
        )
    return tuple(dict.fromkeys(typed(key, value, fixed, model, model_class) for value in values))


def _range(
    key: str, values: Mapping[str, Any] | Range, fixed: Mapping[str, Any], model: str, model_class: type[FusionModel]
) -> Range:
    given = {"low": values.low, "high": values.high, "log": values.log} if isinstance(values, Range) else dict(values)
    low, high = (typed(key, given.pop(end, None), fixed, model, model_class) for end in ("low", "high"))
    log = given.pop("log", False)
    numbers = not any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high))
    if given or not isinstance(log, bool) or not numbers or low >= high or (log and low <= 0):
        raise ConfigError(
            "MER-T123",
            f"search space: {key}: {values!r} is no range.",
            "Expected {low: A, high: B} with A < B, and log: true for numbers above 0.",
        )
    return Range(low, high, log, whole=isinstance(low, int) and isinstance(high, int))


def typed(key: str, value: Any, fixed: Mapping[str, Any], model: str, model_class: type[FusionModel]) -> Any:
    """One value of an option as training takes it: ``"1e-3"`` is the number.

    Raises:
        ConfigError: if the option does not take it.
    """
    settings, config = split_options({**fixed, key: value}, model, model_class)
    return config[key] if key in config else getattr(settings, key)


def _refuse_key(key: str, model: str, model_class: type[FusionModel]) -> None:
    of_model, of_training = config_fields(model_class), [f.name for f in fields(TrainOptions)]
    known = [*of_model, *(name for name in SEARCHABLE if name in of_training)]
    if key not in known:
        problem = "says what is trained on, so it cannot be searched over"
        if key not in of_training:
            problem = f"is no option of training or model {model}.{did_you_mean(key, known)}"
        raise ConfigError(
            "MER-T121", f"search space: '{key}' {problem}.".replace("..", "."), f"Expected: {', '.join(known)}."
        )
