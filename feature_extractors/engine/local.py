"""The local engine: one worker in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from feature_extractors.engine.report import Said
from feature_extractors.engine.tasks import Task

if TYPE_CHECKING:
    from feature_extractors.engine.worker import WorkerSetup
    from mertools.store import Store


def run_tasks(setup: WorkerSetup, tasks: Sequence[Task], store: Store) -> Iterator[Said]:
    """See `feature_extractors.engine.engines.Engine.run_tasks`."""
    from feature_extractors.engine.worker import Worker

    return Worker(setup, store).work(tasks)
