"""Engines: who does the work. Adding one is one module that registers here and one line in `_MODULES`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from feature_extractors.engine.report import Said
from feature_extractors.engine.tasks import Task
from mertools.errors import ExtractionError, MissingDependencyError, did_you_mean

if TYPE_CHECKING:
    from feature_extractors.engine.options import ExtractionOptions, LazyDevices
    from feature_extractors.engine.worker import WorkerSetup
    from mertools.store import Store

_MODULES = {"local": "feature_extractors.engine.local", "ray": "feature_extractors.engine.cluster"}
_NEEDED = {"ray": "ray"}


class Engine(Protocol):
    """Runs tasks; a module with these functions is an engine."""

    def find_devices(self, asked: str, options: ExtractionOptions) -> tuple[str, ...]:
        """The devices that `asked` means, one per worker if the number of workers is not given.

        Raises:
            MerToolsError: if one is not there.
        """

    def count_cores(self, options: ExtractionOptions) -> int:
        """Cores that all workers together may use."""

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
        MissingDependencyError: if a package that it needs is not installed.
    """
    if name not in _MODULES:
        raise ExtractionError(
            "MER-E012",
            f"engine '{name}' is not part of this version.{did_you_mean(name, _MODULES)}",
            f"Engines: {', '.join(_MODULES)}. Without a cluster, --shard I/N splits a run over machines.",
        )
    needed = _NEEDED.get(name)
    if needed is not None and find_spec(needed) is None:
        raise MissingDependencyError(
            "MER-E072",
            f"engine '{name}' needs the package {needed}, which is not installed.",
            f"Install it with: pip install 'mertools[{name}]'. Without it, --workers N uses several processes here, "
            "and --shard I/N several machines.",
        )


def find_engine(name: str) -> Engine:
    """The engine called `name`; see `check_engine` for the error."""
    check_engine(name)
    engine: Engine = importlib.import_module(_MODULES[name])
    return engine


def devices_of(options: ExtractionOptions) -> LazyDevices:
    """The devices that a run with these options computes on.

    Raises:
        MerToolsError: if a device that was named is not there.
    """
    from feature_extractors.engine.options import LazyDevices

    engine = find_engine(options.engine)
    return LazyDevices(options.device, options.workers, lambda asked: engine.find_devices(asked, options))
