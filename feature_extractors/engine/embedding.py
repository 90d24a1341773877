"""One call of an extractor, made safe: halved when memory runs out, failures isolated, values checked.

Half precision ends at 65,504: a network that goes beyond it on some input gives infinities there. Such an input is
computed again in float32, alone; rows are stored in float32 at every precision, so that nothing overflows on disk
either. Whether that happens depends on the input and its batch alone, so that a resumed run makes the same rows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from feature_extractors.base import Rows, TooShortError
from feature_extractors.engine.asked import Asked
from feature_extractors.engine.memory import out_of_memory, release
from mertools.errors import ExtractionError, MerToolsError
from mertools.status import Status

_log = logging.getLogger("feature_extractors")

HOPELESS = 16
"""So many inputs that fail one after the other, with none before that worked, are no matter of the clips."""


@dataclass(frozen=True)
class Failure:
    """Why an input has no rows."""

    status: Status
    reason: str


class Embedder:
    """Calls the extractor of one space.

    Args:
        asked: the space.
        device: that its extractor was loaded on.
    """

    def __init__(self, asked: Asked, device: str = "cpu") -> None:
        self._asked, self._device = asked, device
        self._exact: Embedder | None = None  # in float32, for what overflows in half precision
        self._limit = float("inf")  # cost of a batch that did not fit, learned
        self._worked = False
        self._failed = 0

    def embed(self, batch: Sequence[Any]) -> list[Rows | Failure]:
        """Rows or failure of each input, in order.

        Raises:
            ExtractionError: if the extractor breaks its contract, or fails on everything it is given.
        """
        with _inference_mode() if self._asked.extractor.torch_model else nullcontext():
            return self._embed(batch)

    def _embed(self, batch: Sequence[Any]) -> list[Rows | Failure]:
        if len(batch) > 1 and self._cost(batch) >= self._limit:
            return self._halves(batch)
        try:
            rows = self._asked.extractor.embed(batch, self._asked.level)
        except TooShortError as error:
            if len(batch) > 1:
                return self._halves(batch)
            return [Failure(Status(error.status), str(error) or "the input is too short.")]
        except MerToolsError:
            raise
        except Exception as error:
            failed: Exception = error
        else:
            self._worked = True
            return [self._checked(one, given) for one, given in zip(self._complete(rows, batch), batch, strict=True)]
        # Outside of the except clause: the error's traceback no longer holds the tensors of the failed batch.
        return self._recover(batch, failed.with_traceback(None))

    def _recover(self, batch: Sequence[Any], error: Exception) -> list[Rows | Failure]:
        memory = out_of_memory(error)
        if memory:
            release()
        if len(batch) > 1:
            if memory:
                self._limit = min(self._limit, self._cost(batch))
            return self._halves(batch)
        if memory:
            return [Failure(Status.OOM, "memory ran out with this clip alone.")]
        self._failed += 1
        reason = f"{type(error).__name__}: {error}"
        if not self._worked and self._failed >= HOPELESS:
            raise ExtractionError(
                "MER-E010",
                f"{self._asked.extractor.name} failed on each of its first {HOPELESS} inputs: {reason}",
                "Mend the extractor or its options; then repeat what was marked with --retry crash.",
            ) from error
        return [Failure(Status.CRASH, f"{self._asked.extractor.name} failed: {reason}")]

    def _halves(self, batch: Sequence[Any]) -> list[Rows | Failure]:
        middle = (len(batch) + 1) // 2
        return self._embed(batch[:middle]) + self._embed(batch[middle:])

    def _cost(self, batch: Sequence[Any]) -> float:
        return sum(self._asked.extractor.cost(len(one)) for one in batch)

    def _complete(self, rows: Sequence[Rows], batch: Sequence[Any]) -> Sequence[Rows]:
        dim, level = self._asked.spec.dim, self._asked.level
        if len(rows) != len(batch):
            raise self._breach(f"{len(rows)} results for {len(batch)} inputs")
        for one in rows:
            if one.values.ndim != 2 or one.values.shape[1] != dim or one.times_s.shape != one.values.shape[:1]:
                raise self._breach(
                    f"values {one.values.shape} with times {one.times_s.shape}, not (T, {dim}) with (T,)"
                )
            if self._asked.own and len(one.values) != 1:
                raise self._breach(f"{len(one.values)} rows at level {level}")
        return rows

    def _breach(self, found: str) -> ExtractionError:
        name = self._asked.extractor.name
        return ExtractionError("MER-E011", f"{name} returned {found}.", "This is a defect of the extractor.")

    def _checked(self, rows: Rows, given: Any) -> Rows | Failure:
        values = np.asarray(rows.values, np.float32)
        if len(values) == 0:
            return Failure(Status.TOO_SHORT, f"{self._asked.extractor.name} found too little for one row.")
        finite = np.isfinite(values)
        if finite.all():
            return Rows(values, np.asarray(rows.times_s, np.float64))
        if self._asked.precision == "fp16":
            return self._in_float32(given)
        row, column = np.argwhere(~finite)[0]
        mend = "" if self._asked.precision == "fp32" else " With --precision fp32 instead of bf16 it may not."
        return Failure(
            Status.CRASH,
            f"{self._asked.extractor.name} gave {int((~finite).sum())} values that are not finite (row {row}, "
            f"dimension {column}: {values[row, column]}).{mend}",
        )

    def _in_float32(self, given: Any) -> Rows | Failure:
        """One input once more, by the same model in float32, which is loaded when it is first needed."""
        if self._exact is None:
            extractor = self._asked.extractor
            again = type(extractor)(extractor.name, extractor.config, extractor.facts)
            _log.warning("%s: values beyond the range of fp16; such inputs are computed in float32.", extractor.name)
            try:
                again.load(self._device, "fp32")
            except Exception as error:
                if not out_of_memory(error):
                    raise
                release()
                return Failure(Status.OOM, "fp16 overflowed, and the model does not fit in float32 beside it.")
            self._exact = Embedder(replace(self._asked, extractor=again, precision="fp32"), self._device)
        (found,) = self._exact.embed([given])
        return found


def _inference_mode() -> AbstractContextManager[Any]:
    import torch

    mode: AbstractContextManager[Any] = torch.inference_mode()
    return mode
