"""A whole corpus: clips side by side, resumable, and a manifest at the end."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mertools.corpora.scanning import some
from mertools.corpus import Clip, Corpus
from mertools.corruption.clip import MEDIA_FOLDER, Workshop, corrupt_clip
from mertools.corruption.journal import Journal
from mertools.corruption.manifest import check_place, check_terms, set_aside, write_manifest
from mertools.corruption.noise import NoisePool
from mertools.corruption.settings import Settings
from mertools.errors import ConfigError, MediaError
from mertools.machine import available_cores
from mertools.media import DecoderPool

MUSAN_PARTS = ("music", "noise", "speech")
TIME_LIMIT_S = 600.0
"""Seconds of decoding, blur and encoding that one clip may take."""


@dataclass
class Summary:
    """What came of a run.

    Attributes:
        out: the corpus folder that was written.
        n_clips: clips that were asked for.
        n_done: clips corrupted now.
        n_skipped: clips that were done already.
        failed: clips that could not be corrupted, and why.
        seconds: how long it took.
        warnings: one sentence each.
    """

    out: Path
    n_clips: int
    n_done: int = 0
    n_skipped: int = 0
    failed: dict[str, MediaError] = field(default_factory=dict)
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def count(self, clip: Clip, result: bool | MediaError) -> None:
        """Take in what came of one clip: whether there was anything to do, or why it failed."""
        if isinstance(result, MediaError):
            self.failed[clip.name] = result
        else:
            self.n_done += result
            self.n_skipped += not result

    def as_json(self) -> dict[str, Any]:
        """The document of ``--json``."""
        return {
            "clips": self.n_clips,
            "done": self.n_done,
            "skipped": self.n_skipped,
            "failed": [{"name": n, "status": str(e.status), "reason": str(e)} for n, e in sorted(self.failed.items())],
            "seconds": round(self.seconds, 3),
            "out": str(self.out),
            "warnings": self.warnings,
        }


Progress = Callable[[Summary], None]


def corrupt(
    corpus: Corpus,
    out: Path | str,
    settings: Settings | None = None,
    *,
    noise: Path | str | None = None,
    splits: Sequence[str] = (),
    workers: int = 0,
    timeout_s: float = TIME_LIMIT_S,
    progress: Progress = lambda summary: None,
) -> Summary:
    """Write MER-NOISE versions of clips as a corpus folder.

    Clips that are done with the same settings, noise and source media are not done again. What is drawn for a clip
    hangs on the seed and its name alone.

    Args:
        corpus: whose clips.
        out: folder to write.
        settings: how; the defaults of the MER-NOISE tracks unless given.
        noise: folder of noise; needed unless the settings say that none is added.
        splits: only clips of these splits; none = all.
        workers: processes that decode, blur and encode; 0 = one per core.
        timeout_s: see `TIME_LIMIT_S`.
        progress: called whenever a clip has been dealt with.

    Raises:
        CorpusError: if the corpus may not be edited, there is no usable noise, or the folder is not free.
        ConfigError: MER-C361 if noise is to be added but no folder was named, MER-C362 for numbers out of range.
        MachineError: if the folder cannot be written; finished clips are kept.
    """
    began = time.monotonic()
    settings = settings or Settings()
    out = Path(out).resolve()
    noise_folder = None if noise is None or not settings.noise else Path(noise)
    if settings.noise and noise_folder is None:
        raise ConfigError(
            "MER-C361",
            "no folder of noise was named.",
            "Expected --noise DIR (for MER-NOISE: the speech part of MUSAN), or --blur-only.",
        )
    if workers < 0 or not timeout_s > 0:
        raise ConfigError("MER-C362", f"{workers} workers with {timeout_s:g} s each cannot work.", "Give more.")
    check_terms(corpus)
    clips = corpus.select(splits)
    check_place(corpus, clips, out, noise_folder)
    workers = workers or available_cores()
    summary = Summary(out, len(clips))
    with DecoderPool(workers, timeout_s, hold_bytes=0) as decoders:
        pool = None if noise_folder is None else NoisePool(noise_folder, decoders)
        if pool is not None:
            pool.check()
            summary.warnings += _doubtful(pool)
        with Journal(out) as journal:
            _sweep(journal)
            set_aside(out)
            shop = Workshop(corpus.name, settings, decoders, pool, "" if pool is None else pool.fingerprint(), journal)
            with closing(_side_by_side(clips, shop, workers + 1)) as results:
                for clip, result in results:
                    summary.count(clip, result)
                    summary.seconds = time.monotonic() - began
                    progress(summary)
            _, warnings = write_manifest(corpus, clips, out, journal.finished, summary.failed)
    if pool is not None and pool.passed_over:
        names = [f"{name} ({why})" for name, why in sorted(pool.passed_over.items())]
        summary.warnings.append(f"{len(names)} noise files are not used: {some(names)}.")
    summary.warnings += warnings
    summary.seconds = time.monotonic() - began
    return summary


def _doubtful(pool: NoisePool) -> list[str]:
    """All of MUSAN instead of its speech: music and noises carry emotion, so the challenge left them out."""
    parts = {name.split("/")[0] for name in pool.names}
    if parts.issuperset(MUSAN_PARTS):
        return [f"{pool.folder} holds all of MUSAN; MER-NOISE was made with its speech alone: --noise .../speech."]
    return []


def _sweep(journal: Journal) -> None:
    """Remove what a killed run left half-written."""
    kept = {path for clip in journal.finished.values() for path in clip.files}
    media = journal.folder / MEDIA_FOLDER
    for path in media.glob(".*") if media.is_dir() else ():
        if f"{MEDIA_FOLDER}/{path.name}" not in kept and path.is_file():
            path.unlink(missing_ok=True)


def _side_by_side(
    clips: Iterable[Clip], shop: Workshop, n_threads: int
) -> Generator[tuple[Clip, bool | MediaError], None, None]:
    """Corrupt clips in threads, as they come.

    The threads wait for decoder processes and mix sound. What stops one of them (a full disk), or leaving the iterator
    (Ctrl-C), stops them all: the processes are ended, and half-written files vanish with the threads that wrote them.
    """
    tasks: queue.SimpleQueue[Clip] = queue.SimpleQueue()
    for clip in clips:
        tasks.put(clip)
    results: queue.SimpleQueue[tuple[Clip, bool | MediaError] | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                clip = tasks.get_nowait()
                try:
                    results.put((clip, corrupt_clip(clip, shop)))
                except MediaError as error:
                    # Its traceback would keep the clip's sound in memory until the end of the run.
                    error.__context__ = error.__cause__ = None
                    results.put((clip, error.with_traceback(None)))
        except queue.Empty:
            results.put(None)
        except BaseException as error:
            results.put(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    try:
        n_working = n_threads
        while n_working:
            result = results.get()
            if result is None:
                n_working -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        stop.set()
        shop.decoders.close()
        for thread in threads:
            thread.join()
