"""The corpus folder of corrupted clips: the manifest of the source, with other media and what was done to them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mertools.corpora.scanning import some
from mertools.corpus import CLIPS_FILE, CORPUS_FILE, Clip, Corpus
from mertools.corruption.clip import MEDIA_FOLDER
from mertools.corruption.journal import JOURNAL_FILE, Finished
from mertools.errors import CorpusError, MediaError
from mertools.files import write_bytes_atomically
from mertools.media.opening import open_regular

COLUMNS = (
    *("snr_db", "blur", "noise_files", "noise_offset", "gain", "clipped", "scale", "measured_snr_db"),
    *("seed", "corrupted_from", "source_digest", "corruption_status", "corruption_reason"),
)
"""What is added to the manifest. With the files (joined by ``;``), the offset (samples at 16 kHz), gain and scale the
mixture can be made again."""

_LONGEST_NAME_BYTES = 255 - len(".12345678.mp4")


def check_terms(corpus: Corpus) -> None:
    """Refuse a corpus that may not be edited.

    Raises:
        CorpusError: MER-C350.
    """
    if not corpus.terms.may_edit:
        raise CorpusError(
            "MER-C350",
            f"the terms of corpus '{corpus.name}' (licence: {corpus.terms.licence}) do not let its clips be edited, "
            "and noise and blur are edits.",
            f"If you hold the permission, say so in {corpus.folder / CORPUS_FILE}: terms: {{may_edit: true}}.",
        )


def check_place(corpus: Corpus, clips: Sequence[Clip], out: Path, noise: Path | None) -> None:
    """Refuse an output folder where something of the user would be overwritten, or names that make no file.

    Raises:
        CorpusError: MER-C359 for the folder, MER-C360 for a name.
    """

    def refuse(why: str) -> CorpusError:
        return CorpusError("MER-C359", f"{out} cannot take the corrupted clips: {why}.", "Name another folder: --out.")

    if out == corpus.folder.resolve():
        raise refuse("it is the corpus itself")
    media = (out / MEDIA_FOLDER).resolve()
    folders = {path.parent for clip in clips for path in (clip.video, clip.audio) if path is not None}
    if any(folder.resolve().is_relative_to(media) for folder in folders):
        raise refuse("media of the corpus lie in it")
    if noise is not None and out.is_relative_to(noise.resolve()):
        raise refuse("it lies in the noise folder, and would be noise next time")
    if not (out / JOURNAL_FILE).is_file():
        for name in (CLIPS_FILE, CORPUS_FILE, MEDIA_FOLDER):
            if (out / name).exists():
                raise refuse(f"it has a {name} that `mertools corrupt` did not write")
    for clip in clips:
        if len(os.fsencode(clip.name)) > _LONGEST_NAME_BYTES:
            raise CorpusError(
                "MER-C360", f"the name '{clip.name[:40]}...' is too long for the name of a file.", "Shorten it."
            )


def set_aside(out: Path) -> None:
    """While clips are being replaced, the old manifest does not tell the truth about them: it is kept as ``*.old``."""
    for name in (CORPUS_FILE, CLIPS_FILE):
        if (out / name).is_file():
            (out / name).replace(out / f"{name}.old")


def write_manifest(
    corpus: Corpus,
    clips: Sequence[Clip],
    out: Path,
    finished: Mapping[str, Finished],
    failed: Mapping[str, MediaError],
) -> tuple[Corpus, list[str]]:
    """Write ``clips.csv`` and ``corpus.yaml``.

    Args:
        corpus: where the clips come from.
        clips: those that were asked for.
        out: the folder.
        finished: what was made.
        failed: what could not be made, and why. Such clips keep their row, without media.

    Returns:
        The corpus, and warnings about columns that could not be carried over.
    """
    other_sounds = sorted({c for clip in clips for c, cell in clip.cells.items() if c.startswith("audio_") and cell})
    lost: list[str] = []
    rows = [_row(clip, corpus, out, finished.get(clip.name), failed.get(clip.name), lost) for clip in clips]
    warnings = []
    if other_sounds:
        warnings.append(f"{', '.join(other_sounds)} left empty: those sounds are not corrupted.")
    if lost:
        warnings.append(f"labels of {len(lost)} clips left empty, their files cannot be read: {some(lost)}.")
    splits = {clip.split for clip in clips}
    made = replace(
        corpus,
        name=f"{corpus.name}-noise",
        folder=out,
        clips=tuple(rows),
        media_root=out,
        splits=tuple(split for split in corpus.splits if split.name in splits),
        seen_in=tuple(dict.fromkeys((corpus.name, *corpus.seen_in))),
    )
    made.write()
    for name in (CORPUS_FILE, CLIPS_FILE):
        old = out / f"{name}.old"
        if old.is_file() and old.read_bytes() == (out / name).read_bytes():
            old.unlink()
    return made, warnings


def _row(
    clip: Clip, corpus: Corpus, out: Path, done: Finished | None, error: MediaError | None, lost: list[str]
) -> Clip:
    cells = {**clip.cells, **dict.fromkeys(COLUMNS, ""), "video": "", "audio": ""}
    cells |= {column: "" for column in clip.cells if column.startswith("audio_")}
    for column in ("start", "end"):
        if column in cells:  # the new media begin and end where the clip does
            cells |= {f"source_{column}": cells[column], column: ""}
    if "labels" in cells and any(target.per != "clip" for target in corpus.targets):
        cells["labels"] = _carried(clip, corpus, out, lost)
    if error is not None or done is None:
        cells |= {
            "corruption_status": str(error.status) if error is not None else "missing",
            "corruption_reason": _reason(error, corpus) if error is not None else "",
        }
        return Clip(clip.name, clip.split, None, None, cells)
    cells |= {"corruption_status": "ok", **done.cells}
    return Clip(clip.name, clip.split, _absolute(out, done.video), _absolute(out, done.audio), cells)


def _reason(error: MediaError, corpus: Corpus) -> str:
    """Why a clip failed, in one line, without the place where the corpus lies on this machine."""
    return " ".join(str(error).replace(f"{corpus.media_root}{os.sep}", "").split())


def _absolute(out: Path, path: str) -> Path | None:
    return out / path if path else None


def _carried(clip: Clip, corpus: Corpus, out: Path, lost: list[str]) -> str:
    """Copy a clip's file of annotations over time; its path within the new folder. Where that fails, note the name."""
    cell = clip.cells.get("labels", "").strip()
    if not cell:
        return ""
    source, target = Path(os.path.normpath(corpus.media_root / cell)), f"labels/{clip.name}.csv"
    try:
        if source.is_relative_to(corpus.media_root):
            with open_regular(source) as file:
                write_bytes_atomically(out / target, file.read())
            return target
    except MediaError:
        pass
    lost.append(clip.name)
    return ""
