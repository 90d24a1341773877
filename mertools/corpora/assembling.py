"""Rows of label files and what lies in the raw folder, put together to clips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mertools.corpora.scanning import some, with_durations
from mertools.corpora.tree import Found, Tree
from mertools.corpus import Clip, Split, Terms
from mertools.errors import CorpusError


@dataclass(frozen=True)
class Row:
    """What label files say of one clip.

    Attributes:
        name: of the clip.
        split: its split.
        cells: further columns of the manifest.
    """

    name: str
    split: str = "train"
    cells: Mapping[str, str] = field(default_factory=dict)


def assemble(
    rows: Iterable[Row], found: Mapping[str, Found], tree: Tree, *, spare: str = "have no label"
) -> tuple[tuple[Clip, ...], list[str]]:
    """Clips of `rows` in their order, with durations.

    A folder of frames becomes the cell ``faces`` (relative to the media root) with their number in ``n_frames``. A row
    without media is kept if it has a text, else left out; media without a row are left out. Each is told once.

    Args:
        rows: what is known of the clips.
        found: media by clip.
        tree: where they lie.
        spare: what is the matter with media that no row names.

    Raises:
        CorpusError: ``MER-C206`` if no row has media.
    """
    clips, absent, named = [], [], set()
    for row in rows:
        named.add(row.name)
        media = found.get(row.name, Found())
        if not media and not row.cells.get("text", "").strip():
            absent.append(row.name)
            continue
        cells = dict(row.cells)
        if media.frames:
            cells |= {"faces": tree.within(media.frames), "n_frames": str(media.n_frames)}
        clips.append(Clip(row.name, row.split, media.video, media.audio, cells))
    if not clips:
        raise CorpusError(
            "MER-C206",
            f"none of the {len(named)} labelled clips has media in {tree.root}; the label files name "
            f"{some(absent, 3)}, the media are {some(list(found), 3) or 'none'}.",
            "Unpack the clips below --raw.",
        )
    warnings = list(tree.warnings)
    if absent:
        warnings.append(f"{len(absent)} labelled clips have no media and are left out: {some(absent)}.")
    extra = [name for name in found if name not in named]
    if extra:
        warnings.append(f"{len(extra)} clips {spare} and are left out: {some(extra)}.")
    known, unreadable = timed(clips)
    return known, [*warnings, *unreadable]


def timed(clips: Iterable[Clip]) -> tuple[tuple[Clip, ...], list[str]]:
    """Clips with durations where they have media; clips of frames or text alone stay as they are."""
    clips = tuple(clips)
    known, warnings = with_durations([clip for clip in clips if clip.sound])
    by_name = {clip.name: clip for clip in known}
    return tuple(by_name.get(clip.name, clip) for clip in clips), warnings


def splits_of(clips: Iterable[Clip], declared: Iterable[Split]) -> tuple[Split, ...]:
    """Those of the declared splits that have clips."""
    used = {clip.split for clip in clips}
    return tuple(split for split in declared if split.name in used)


def research_only(corpus: str) -> Terms:
    """Terms of a corpus that one signs for: research only, not to be passed on."""
    return Terms(licence=f"{corpus}: academic research only, by agreement", may_upload=False, closed_models=False)
