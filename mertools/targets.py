"""What a model may be trained to predict: `Target`, with the one parser of annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mertools.errors import did_you_mean

Kind = Literal["classes", "value", "labels", "preference"]


@dataclass(frozen=True)
class Target:
    """What a model may be trained to predict.

    Attributes:
        name: the column of ``clips.csv`` that holds it ("discrete", "valence", "openset", ...).
        kind: ``classes`` (one of `classes`), ``value`` (a number in `range`), ``labels`` (a comma list of words),
            ``preference`` (``a1`` or ``a2``).
        classes: the classes in index order; for ``classes`` only.
        range: lowest and highest value; for ``value`` only.
        per: what carries one annotation.
        missing: cells that mean "not annotated", besides the empty cell.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    per: Literal["clip", "second", "frame"] = "clip"
    missing: tuple[str, ...] = ()

    def parse(self, cell: str) -> str | float | tuple[str, ...] | None:
        """The annotation in a CSV cell; None if it is missing.

        Raises:
            ValueError: if the cell is not a value of this target; the message says what was expected.
        """
        cell = cell.strip()
        if not cell or cell in self.missing:
            return None
        if self.kind == "classes":
            if cell not in self.classes:
                raise ValueError(
                    f"'{cell}' is not one of the {len(self.classes)} classes {', '.join(self.classes)}."
                    + did_you_mean(cell, self.classes)
                )
            return cell
        if self.kind == "value":
            number = finite(cell)
            if self.range and not self.range[0] <= number <= self.range[1]:
                raise ValueError(f"{cell} lies outside [{self.range[0]:g}, {self.range[1]:g}].")
            return number
        if self.kind == "preference":
            if cell not in ("a1", "a2", "same"):
                raise ValueError(f"'{cell}' is not a1, a2 or same.")
            return cell
        return tuple(word.strip() for word in cell.strip("[]").replace("'", "").split(",") if word.strip())


def finite(cell: str) -> float:
    """The finite number in a CSV cell.

    Raises:
        ValueError: if it is none; the message says so.
    """
    try:
        number = float(cell)
    except ValueError:
        raise ValueError(f"'{cell}' is not a number.") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"'{cell}' is not a finite number.")
    return number
