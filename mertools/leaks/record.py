"""Writing what a search found into the manifest of corpus A."""

from __future__ import annotations

from dataclasses import replace

from mertools.corpus import Corpus, with_cells
from mertools.errors import CorpusError
from mertools.leaks.found import SharedClips

COLUMN = "seen_in"
SEPARATOR = ";"


def write_seen_in(corpus: Corpus, found: SharedClips) -> Corpus:
    """Note in corpus A which of its clips corpus B holds, too: ``seen_in`` of ``corpus.yaml`` and of each clip.

    The column ``seen_in`` of ``clips.csv`` lists names of corpora, separated by semicolons. What stands there is kept.
    Nothing is written if nothing is shared.

    Args:
        corpus: corpus A of the search.
        found: what the search found.

    Returns:
        The corpus as written.

    Raises:
        CorpusError: if both corpora bear the same name, so that the note would say nothing; or the name of B cannot
            stand in the column.
        MachineError: if the files cannot be written.
    """
    check_names(found.corpus_a, found.corpus_b)
    if not found.pairs:
        return corpus
    shared = {pair.a for pair in found.pairs}
    clips = tuple(
        with_cells(clip, **{COLUMN: _with(clip.cells.get(COLUMN, ""), found.corpus_b)}) if clip.name in shared else clip
        for clip in corpus.clips
    )
    seen_in = tuple(dict.fromkeys([*corpus.seen_in, found.corpus_b]))
    written = replace(corpus, clips=clips, seen_in=seen_in)
    written.write()
    return written


def check_names(a: str, b: str) -> None:
    """Refuse names of corpora of which `write_seen_in` could not make a note.

    Raises:
        CorpusError: see `write_seen_in`.
    """
    if a == b:
        raise CorpusError(
            "MER-C381",
            f"both corpora are called '{a}', so seen_in cannot say which one a clip was seen in.",
            "Compare two corpora with different names in corpus.yaml.",
        )
    if SEPARATOR in b:
        raise CorpusError(
            "MER-C382",
            f"the corpus name '{b}' holds a semicolon, which separates names in the column seen_in.",
            "Rename it in its corpus.yaml.",
        )


def _with(cell: str, name: str) -> str:
    names = [part.strip() for part in cell.split(SEPARATOR) if part.strip()]
    return SEPARATOR.join(dict.fromkeys([*names, name]))
