"""``--dry-run``: how much there is to do, and the bytes and the time it will take, measured on a few clips."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_extractors.engine.engines import check_engine
from feature_extractors.engine.ledger import Ledger, make_ledger
from feature_extractors.engine.options import ExtractionOptions, resolve_device
from feature_extractors.engine.progress import duration
from feature_extractors.engine.running import worker_setup
from mertools.store import open_store

if TYPE_CHECKING:
    from mertools.corpus import Corpus
    from mertools.store import Store

TRIAL_CLIPS = 4
"""Clips that are extracted for trial into a store that is thrown away."""


@dataclass(frozen=True)
class Estimate:
    """What a run would do.

    Attributes:
        clips: that would be read.
        rows: that would be written, over all spaces.
        hours: of media in these clips, by the files' headers; 0 for text.
        gigabytes: the store would grow by; estimated.
        seconds: it would take, without loading of weights; estimated, for all workers together.
        measured_on: clips that the estimate was measured on.
        spaces: names and fingerprints of the spaces.
    """

    clips: int
    rows: int
    hours: float
    gigabytes: float
    seconds: float
    measured_on: int
    spaces: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        """The document of ``mertools extract --dry-run --json``."""
        return {
            "dry_run": True,
            "clips": self.clips,
            "rows": self.rows,
            "hours": round(self.hours, 4),
            "gigabytes": round(self.gigabytes, 6),
            "seconds": round(self.seconds, 1),
            "estimated_from_clips": self.measured_on,
            "spaces": [{"name": name, "fingerprint": fingerprint} for name, fingerprint in self.spaces],
            "status": {},
        }

    def text(self) -> str:
        """One paragraph."""
        if not self.clips:
            return "nothing is left to extract."
        size = f"{self.gigabytes:.2f} GB" if self.gigabytes >= 0.1 else f"{1000 * self.gigabytes:.2f} MB"
        return (
            f"{self.clips} clips ({self.hours:.2f} h of media), {self.rows} rows in {len(self.spaces)} spaces. "
            f"Estimate, measured on {self.measured_on} clips here and now: {size}, {duration(self.seconds)} "
            "without loading weights. Nothing was written."
        )


def estimate(corpus: Corpus, names: Sequence[str], store: Store, options: ExtractionOptions) -> Estimate:
    """Say what `run` would do. A few clips are extracted into a temporary store; `store` gets no row.

    Raises:
        MerToolsError: as `run`.
    """
    check_engine(options.engine)
    ledger = make_ledger(corpus, names, store, options)
    seconds = n_bytes = 0.0
    tried: set[str] = set()
    if ledger.tasks:
        with tempfile.TemporaryDirectory(prefix="mertools-dry-run-") as folder:
            trial = _Trial(corpus, names, ledger, options, Path(folder))
            for lane in dict.fromkeys(task.lane for task in ledger.tasks):
                spent, grown = trial.whole(lane)
                seconds, n_bytes = seconds + spent, n_bytes + grown
            tried = trial.clips
    return Estimate(
        clips=len(ledger.wanted),
        rows=sum(len(part.wanted) for task in ledger.tasks for part in task.parts.values()),
        hours=sum(ledger.length.get(name, 0.0) for name in ledger.wanted) / 3600,
        gigabytes=n_bytes / 1e9,
        seconds=seconds,
        measured_on=len(tried),
        spaces=tuple((one.extractor.name, one.spec.fingerprint) for one in ledger.asked),
    )


class _Trial:
    """Extracts a few clips into a store of its own and scales what it took up to all of them."""

    def __init__(
        self, corpus: Corpus, names: Sequence[str], ledger: Ledger, options: ExtractionOptions, folder: Path
    ) -> None:
        from feature_extractors.engine.worker import Worker

        self._corpus, self._names, self._ledger = corpus, names, ledger
        self._options = replace(options, split=(), limit=None, shard="1/1", retry=())
        self._store = open_store(folder / "store", create=True)
        setup = worker_setup(ledger, options)
        # Workers here share the cores of a CPU, and nothing else; the devices of a cluster are not here.
        apart = setup.device != "cpu" or options.engine != "local"
        self._n_workers = min(len(setup.devices), len(ledger.tasks)) if apart else 1
        here = setup.device if options.engine == "local" else resolve_device("auto")
        self._worker = Worker(setup.on(here), self._store)
        self.clips: set[str] = set()

    def whole(self, lane: str) -> tuple[float, float]:
        """Seconds and bytes that all wanted clips of a lane will take."""
        tasks = [task for task in self._ledger.tasks if task.lane == lane]
        wanted = [source.name for task in tasks for source in task.clips if source.name in task.wanted]
        chosen = [wanted[i] for i in _spread(len(wanted), TRIAL_CLIPS + 1)]
        middle = len(chosen) // 2
        first, rest = [chosen[middle]], chosen[:middle] + chosen[middle + 1 :]
        length, seconds, n_bytes = self._measure(lane, first)
        if rest:
            # Both runs start decoders and face tracker; the difference is what clips cost.
            more, longer, bigger = self._measure(lane, rest)
            if more > length and longer > seconds:
                length, seconds, n_bytes = more - length, longer - seconds, bigger - n_bytes
            else:
                length, seconds, n_bytes = more, longer, bigger
        scale = sum(task.length for task in tasks) / length if length else 0.0
        return seconds * scale / self._n_workers, n_bytes * scale

    def _measure(self, lane: str, names: Sequence[str]) -> tuple[float, float, float]:
        """Length, seconds and bytes of some clips."""
        self.clips.update(names)
        part = replace(self._corpus, clips=tuple(self._corpus.clip(name) for name in names))
        ledger = make_ledger(part, self._names, self._store, self._options)
        tasks = [task for task in ledger.tasks if task.lane == lane]
        before, began = _size(self._store.path), time.perf_counter()
        for _ in self._worker.work(tasks):
            pass
        spent = time.perf_counter() - began
        return sum(task.length for task in tasks), spent, float(_size(self._store.path) - before)


def _spread(n: int, n_chosen: int) -> list[int]:
    """At most `n_chosen` places out of `n`, evenly spread."""
    if n <= n_chosen:
        return list(range(n))
    return [round((i + 0.5) * n / n_chosen - 0.5) for i in range(n_chosen)]


def _size(folder: Path) -> int:
    """Bytes of the shards of a store."""
    return sum(path.stat().st_size for path in (folder / "shards").rglob("*.safetensors"))
