"""`run`: from a corpus and names of extractors to rows in the store and a summary."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from feature_extractors.engine.batching import utterance_of
from feature_extractors.engine.engines import check_engine, devices_of, find_engine
from feature_extractors.engine.ledger import Ledger, ask_for, make_ledger
from feature_extractors.engine.options import ExtractionOptions
from feature_extractors.engine.progress import Progress
from feature_extractors.engine.report import TaskReport
from feature_extractors.engine.sources import clip_sources
from feature_extractors.engine.summary import ExtractionSummary, summarise_space
from mertools.errors import MachineError
from mertools.machine import available_cores
from mertools.status import Status

if TYPE_CHECKING:
    from feature_extractors.engine.worker import WorkerSetup
    from mertools.corpus import Corpus
    from mertools.store import Store

LONG_CLIP_SHARE = 0.5
"""A clip may take this share of its own length to decode, if that is more than the time limit."""


def run(corpus: Corpus, names: Sequence[str], store: Store, options: ExtractionOptions) -> ExtractionSummary:
    """Embed the clips of a corpus; what is in the store already is not computed again.

    Args:
        corpus: the clips; all of them, since batches are planned over the whole corpus.
        names: extractors, ``NAME[:key=value...]`` each.
        store: where embeddings and statuses go.
        options: of the run.

    Returns:
        The summary; it counts what was done before as well.

    Raises:
        MerToolsError: before any clip is touched, if a name, an option, a device or weights are wrong; later if the
            disk is full or an extractor fails on everything. Clips never raise.
        KeyboardInterrupt: on Ctrl-C, after what was complete has been made durable.
    """
    began = time.perf_counter()
    check_engine(options.engine)
    ledger = make_ledger(corpus, names, store, options)
    _check_room(ledger, store)
    for one in ledger.asked:
        store.declare(one.spec)
    derived = derive(ledger, store)
    reports: list[TaskReport] = []
    if ledger.tasks:
        if ledger.needs_torch:
            _few_threads()
        reports = _compute(ledger, store, options)
    return ExtractionSummary(
        clips=len(ledger.clips),
        seconds=time.perf_counter() - began,
        spaces=tuple(
            summarise_space(store, one, clips) for one, clips in zip(ledger.asked, ledger.selected, strict=True)
        ),
        extracted=len(ledger.wanted),
        rows=derived + sum(report.n_rows for report in reports),
        derived=derived,
        waiting=max((r.waited_s / max(r.worked_s, 1e-9) for r in reports[-1:]), default=0.0),
    )


def check(corpus: Corpus, names: Sequence[str], options: ExtractionOptions) -> None:
    """Find wrong names, options, columns, devices and missing weights without a store.

    Raises:
        MerToolsError: as `run` does before it touches a clip.
    """
    check_engine(options.engine)
    corpus.select(options.split)
    clip_sources(corpus, options.audio_column, options.text_column)
    ask_for(corpus, names, options, devices_of(options), lambda: "")


def _compute(ledger: Ledger, store: Store, options: ExtractionOptions) -> list[TaskReport]:
    reports = []
    running = find_engine(options.engine).run_tasks(worker_setup(ledger, options), ledger.tasks, store)
    with Progress(ledger.tasks, quiet=options.quiet) as progress, closing(running):  # type: ignore[type-var]
        for said in running:
            progress.add(said)
            if isinstance(said, TaskReport):
                reports.append(said)
    return reports


def worker_setup(ledger: Ledger, options: ExtractionOptions) -> WorkerSetup:
    """What each worker is told."""
    from feature_extractors.engine.worker import WorkerSetup

    longest = max((ledger.length.get(name, 0.0) for name in ledger.wanted), default=0.0)
    # Without torch there are no devices to find out here; workers that were asked for are there all the same.
    found = ledger.needs_torch or options.engine != "local"
    devices = ledger.devices.names if found else ("cpu",) * max(options.workers, 1)
    return WorkerSetup(
        asked=ledger.asked,
        geometry=ledger.geometry,
        devices=devices,
        decoders=options.decoders or _decoders(find_engine(options.engine).count_cores(options), len(devices)),
        timeout_s=max(options.timeout_s, LONG_CLIP_SHARE * longest),
        flush_s=options.flush_s,
        address=options.address,
        spool=options.spool,
    )


def derive(ledger: Ledger, store: Store) -> int:
    """Write the utterance rows that frame rows of the store give: their mean, or the same failure.

    Returns:
        The number of rows written.
    """
    written = 0
    for place, derivation in ledger.derivations.items():
        rows = store.rows(derivation.frames)
        with store.writer(ledger.asked[place].spec.fingerprint) as writer:
            for clip in derivation.clips:
                row = rows[clip]
                if row.status == Status.OK:
                    mean = utterance_of(store.read(derivation.frames, clip).values)
                    writer.add(clip, mean.values, mean.times_s, media=row.media)
                else:
                    writer.fail(clip, row.status, row.reason, media=row.media)
                written += 1
    return written


def _check_room(ledger: Ledger, store: Store) -> None:
    """Refuse at once what cannot fit: every wanted clip has at least one row."""
    needed = sum(
        4 * ledger.asked[place].spec.dim * len(part.wanted)
        for task in ledger.tasks
        for place, part in task.parts.items()
    )
    free = shutil.disk_usage(store.path).free
    if free < needed:
        raise MachineError(
            "MER-O021",
            f"the disk is too full: the store {store.path} will grow by at least {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free.",
            "Free space, choose another --store, or extract fewer clips.",
        )


def _decoders(n_cores: int, n_workers: int) -> int:
    """Decoder processes of a worker by default: half of its share of the cores, at least 2 for all, at most 8 each."""
    return min(max(2 if n_workers == 1 else 1, n_cores // (2 * n_workers)), 8)


def _few_threads() -> None:
    """Keep torch from using more threads than this process may have cores."""
    import torch

    if torch.get_num_threads() > available_cores():
        torch.set_num_threads(available_cores())
