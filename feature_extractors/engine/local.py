"""The local engine: one worker in this process, or one process per device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from feature_extractors.engine.options import resolve_devices
from feature_extractors.engine.report import Said
from feature_extractors.engine.tasks import Task
from mertools.machine import available_cores

if TYPE_CHECKING:
    from feature_extractors.engine.options import ExtractionOptions
    from feature_extractors.engine.worker import WorkerSetup
    from mertools.store import Store


def find_devices(asked: str, options: ExtractionOptions) -> tuple[str, ...]:
    """See `feature_extractors.engine.engines.Engine.find_devices`."""
    return resolve_devices(asked)


def count_cores(options: ExtractionOptions) -> int:
    """See `feature_extractors.engine.engines.Engine.count_cores`."""
    return available_cores()


def run_tasks(setup: WorkerSetup, tasks: Sequence[Task], store: Store) -> Iterator[Said]:
    """See `feature_extractors.engine.engines.Engine.run_tasks`."""
    if len(setup.devices) > 1:
        from feature_extractors.engine.several import run_tasks as run_on_several

        return run_on_several(setup, tasks, store)
    from feature_extractors.engine.worker import Worker

    return Worker(setup, store).work(tasks)
