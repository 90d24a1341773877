"""What the engine reads for a clip, how long it is, and by which digest its rows know it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mertools.errors import CorpusError, MediaError, did_you_mean
from mertools.media import media_digest, probe
from mertools.store import MediaFacts

if TYPE_CHECKING:
    from mertools.corpus import Clip, Corpus
    from mertools.store import Store


@dataclass(frozen=True)
class ClipSource:
    """Where the inputs of one clip come from.

    Attributes:
        name: of the clip.
        split: of the clip.
        video: file with the picture; None if the clip has none.
        sound: file with the sound; None if the clip has none.
        start_s: where the clip starts in its media, seconds; None = at the beginning.
        end_s: where it ends; None = at the end.
        text: the transcript; empty if there is none.
        faces: folder of the clip's frames, where the corpus ships them; None if it does not.
    """

    name: str
    split: str
    video: Path | None
    sound: Path | None
    start_s: float | None
    end_s: float | None
    text: str
    faces: Path | None = None


def clip_sources(corpus: Corpus, audio_column: str, text_column: str) -> list[ClipSource]:
    """The sources of all clips of a corpus, in file order.

    Raises:
        CorpusError: if a column other than the defaults is not in the manifest, or a path leaves the media root.
    """
    _check_columns(corpus, [c for c, default in ((audio_column, "audio"), (text_column, "text")) if c != default])
    return [
        ClipSource(
            name=clip.name,
            split=clip.split,
            video=clip.video,
            sound=clip.sound if audio_column == "audio" else _within(corpus, clip, audio_column),
            start_s=clip.start_s,
            end_s=clip.end_s,
            text=clip.text(text_column),
            faces=_within(corpus, clip, "faces"),
        )
        for clip in corpus.clips
    ]


def _check_columns(corpus: Corpus, columns: Iterable[str]) -> None:
    known = dict.fromkeys(column for clip in corpus.clips for column in clip.cells)
    for column in columns:
        if column not in known:
            raise CorpusError(
                "MER-E006",
                f"corpus '{corpus.name}' has no column '{column}'.{did_you_mean(column, known)}",
                f"Columns: {', '.join(known)}.",
            )


def _within(corpus: Corpus, clip: Clip, column: str) -> Path | None:
    cell = clip.cells.get(column, "").strip()
    if not cell:
        return None
    path = Path(os.path.normpath(corpus.media_root / PurePosixPath(cell)))
    if not path.is_relative_to(corpus.media_root):
        raise CorpusError(
            "MER-C009",
            f"clip '{clip.name}': {column} '{path}' leaves the media root {corpus.media_root}.",
            "Mend the manifest.",
        )
    return path


class MediaCatalog:
    """Durations and digests of media files, remembered in the store; safe to use from several threads.

    A digest of "" stands for "not computed yet" in the store and for "no such file" in `digest`'s answer.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._facts: dict[Path, MediaFacts | None] = {}

    def durations(self, paths: Iterable[Path]) -> dict[Path, float]:
        """Seconds of each file by its header; 0 where it is missing, damaged or does not say."""
        wanted = list(dict.fromkeys(paths))
        # Facts without a length are those of a worker that needed the digest alone.
        unknown = [path for path in wanted if (known := self._known(path)) is None or known.duration_s is None]
        with ThreadPoolExecutor(max_workers=4) as threads:
            for path, facts in zip(unknown, threads.map(_probe, unknown), strict=True):
                known = self._known(path)
                if facts is not None:
                    self._remember(path, replace(facts, digest=known.digest if known is not None else ""))
        return {path: (facts.duration_s or 0.0) if (facts := self._facts.get(path)) else 0.0 for path in wanted}

    def digest(self, path: Path | None) -> str:
        """Content digest of a file; "" if there is none or it cannot be read."""
        if path is None or not path.is_file():
            return ""
        facts = self._known(path)
        if facts is not None and facts.digest:
            return facts.digest
        try:
            digest = media_digest(path)
        except (MediaError, OSError):
            return ""
        self._remember(path, replace(facts, digest=digest) if facts else MediaFacts(digest))
        return digest

    def video_digest(self, source: ClipSource) -> str:
        """What rows made from the clip's picture are keyed with."""
        return _segment(self.digest(source.video), source)

    def sound_digest(self, source: ClipSource) -> str:
        """What rows made from the clip's sound are keyed with."""
        return _segment(self.digest(source.sound), source)

    def _known(self, path: Path) -> MediaFacts | None:
        with self._lock:
            if path not in self._facts:
                self._facts[path] = self._store.media_facts(path) if path.is_file() else None
            return self._facts[path]

    def _remember(self, path: Path, facts: MediaFacts) -> None:
        with self._lock:
            self._facts[path] = facts
            self._store.remember_media(path, facts)


def text_digest(text: str) -> str:
    """What rows made from a transcript are keyed with; never empty."""
    return "text-" + blake2b(text.encode(), digest_size=16).hexdigest()


def media_length(source: ClipSource, durations: dict[Path, float]) -> float:
    """Seconds of a clip, to the millisecond; 0 if unknown. The sound says it, else the picture."""
    path = source.sound or source.video
    whole = durations.get(path, 0.0) if path else 0.0
    end = whole if source.end_s is None else source.end_s
    return round(max(end - (source.start_s or 0.0), 0.0), 3)


def _segment(digest: str, source: ClipSource) -> str:
    if not digest or (source.start_s is None and source.end_s is None):
        return digest
    return f"{digest}[{source.start_s or 0:g}:{'' if source.end_s is None else format(source.end_s, 'g')}]"


def _probe(path: Path) -> MediaFacts | None:
    try:
        info = probe(path)
    except MediaError:
        return None  # the clip gets its status when its decoder meets the file
    return MediaFacts("", info.duration_s, info.video.n_frames if info.video else None)
