"""Engines: who does the work. Adding one is one module that registers here and one line in `_MODULES`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from feature_extractors.engine.report import Said
from feature_extractors.engine.tasks import Task
from mertools.errors import ExtractionError, did_you_mean

if TYPE_CHECKING:
    from feature_extractors.engine.worker import WorkerSetup
    from mertools.store import Store

_MODULES = {"local": "feature_extractors.engine.local"}


class Engine(Protocol):
    """Runs tasks; a module with this function is an engine."""

    def run_tasks(self, setup: WorkerSetup, tasks: Sequence[Task], store: Store) -> Iterator[Said]:
        """Compute all tasks; yield a beat for each clip, and what has become durable of clips and tasks.

        Closing the iterator early, or a Ctrl-C, keeps what is complete.

        Args:
            setup: for each worker.
            tasks: in the order of work; each may be given to any worker.
            store: where rows go.

        Raises:
            MerToolsError: if the run cannot go on.
        """


def check_engine(name: str) -> None:
    """Refuse an engine that is not there, before anything else is done.

    Raises:
        ExtractionError: if so.
    """
    if name not in _MODULES:
        raise ExtractionError(
            "MER-E012",
            f"engine '{name}' is not part of this version.{did_you_mean(name, _MODULES)}",
            f"Engines: {', '.join(_MODULES)}. Without a cluster engine, --shard I/N splits a run over machines.",
        )


def find_engine(name: str) -> Engine:
    """The engine called `name`; see `check_engine` for the error."""
    check_engine(name)
    engine: Engine = importlib.import_module(_MODULES[name])
    return engine
