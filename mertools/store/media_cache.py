"""A cache of facts about media files, keyed by absolute path, size and modification time."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from mertools.store.index import Index
from mertools.store.records import MediaFacts

_BATCH = 256
_ADD = """
INSERT INTO media (path, size, mtime_ns, digest, duration_s, n_frames) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET
    digest = CASE WHEN excluded.digest = '' AND (media.size, media.mtime_ns) = (excluded.size, excluded.mtime_ns)
        THEN media.digest ELSE excluded.digest END,
    duration_s = CASE WHEN (media.size, media.mtime_ns) = (excluded.size, excluded.mtime_ns)
        THEN coalesce(excluded.duration_s, media.duration_s) ELSE excluded.duration_s END,
    n_frames = CASE WHEN (media.size, media.mtime_ns) = (excluded.size, excluded.mtime_ns)
        THEN coalesce(excluded.n_frames, media.n_frames) ELSE excluded.n_frames END,
    size = excluded.size, mtime_ns = excluded.mtime_ns
"""
"""One process finds a file's length, another its digest: what each knows of the same file is kept."""


class MediaCache:
    """The table ``media`` of the index; entries are buffered and written in batches.

    Args:
        index: the store's index.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._buffer: dict[str, tuple[int, int, MediaFacts]] = {}
        self._lock = threading.Lock()

    def get(self, path: Path) -> MediaFacts | None:
        """Facts about the file as it now is; None if they are not known or the file is gone."""
        key = os.path.abspath(path)
        try:
            now = os.stat(key)
        except OSError:
            return None
        with self._lock:
            waiting = self._buffer.get(key)
        if waiting is not None:
            size, mtime_ns, facts = waiting
        else:
            found = self._index.select(
                "SELECT size, mtime_ns, digest, duration_s, n_frames FROM media WHERE path = ?", (_text(key),)
            )
            if not found:
                return None
            size, mtime_ns, facts = found[0][0], found[0][1], MediaFacts(*found[0][2:])
        return facts if (size, mtime_ns) == (now.st_size, now.st_mtime_ns) else None

    def put(self, path: Path, facts: MediaFacts, stat: os.stat_result | None = None) -> None:
        """Remember facts about a file in the state `stat`, its present state if None."""
        key = os.path.abspath(path)
        stat = stat or os.stat(key)
        with self._lock:
            self._buffer[key] = (stat.st_size, stat.st_mtime_ns, facts)
            full = len(self._buffer) >= _BATCH
        if full:
            self.flush()

    def flush(self) -> None:
        """Write the buffer."""
        with self._lock:
            waiting, self._buffer = self._buffer, {}
        if not waiting:
            return
        rows = [
            (_text(path), size, mtime_ns, facts.digest, facts.duration_s, facts.n_frames)
            for path, (size, mtime_ns, facts) in waiting.items()
        ]
        with self._index.transaction() as connection:
            connection.executemany(_ADD, rows)


def _text(path: str) -> str:
    """A path as text that SQLite accepts, also where the file name is not UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
