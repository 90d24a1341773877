"""A denoised sound beside the original of each clip: WAV files and a column of the manifest that names them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from feature_extractors.audio.denoise import Denoiser, wav_bytes
from mertools.corpus import Corpus, with_cells
from mertools.errors import CorpusError, MediaError
from mertools.files import write_bytes_atomically
from mertools.media import DecoderPool, MediaSource, media_digest
from mertools.status import Status

FOLDER = ".denoised"
"""Below the media root, as the manifest asks; hidden, so that `mertools prepare` does not take the files for clips."""


@dataclass(frozen=True)
class DenoisingSummary:
    """What a run did.

    Attributes:
        column: that was written.
        origin: what made the sounds.
        clips: that were asked for.
        made: sounds that were made in this run; clips of one recording share one.
        status: number of clips by status.
        problems: by clip, why it has no denoised sound.
    """

    column: str
    origin: str
    clips: int
    made: int
    status: Mapping[str, int]
    problems: Mapping[str, str]

    @property
    def fine(self) -> bool:
        """Whether every clip has a denoised sound."""
        return set(self.status) <= {Status.OK}

    def as_json(self) -> dict[str, Any]:
        """The document of ``--json``."""
        return {**vars(self), "status": dict(self.status), "problems": dict(self.problems)}


def denoise_corpus(
    corpus: Corpus,
    denoiser: Denoiser,
    *,
    column: str = "audio_denoised",
    split: Sequence[str] = (),
    timeout_s: float = 120.0,
) -> DenoisingSummary:
    """Denoise the sound of a corpus and name the files in a column; what is there already is not made again.

    Whole recordings are denoised, so that `start` and `end` of a clip hold for the new file too; sound that begins
    later than its picture is preceded by silence. ``COLUMN_origin`` says what made each file.

    Args:
        corpus: as read from its folder.
        denoiser: what takes the noise off.
        column: of the manifest, to write; must start with ``audio_``.
        split: names of splits; none = all clips.
        timeout_s: seconds to decode one recording.

    Raises:
        CorpusError: if the column cannot be, or the licence of the corpus forbids to edit its media.
    """
    clips = corpus.select(split)
    if not column.isidentifier() or not column.startswith("audio_") or column.endswith("_origin"):
        raise CorpusError(
            "MER-E238", f"'{column}' cannot be a column of sounds.", "Expected a name like audio_denoised."
        )
    if not corpus.terms.may_edit:
        raise CorpusError(
            "MER-E239",
            f"the licence of corpus '{corpus.name}' ({corpus.terms.licence}) does not allow to edit its media.",
            "If that is wrong, set may_edit under terms in corpus.yaml.",
        )
    folder = corpus.media_root / FOLDER / denoiser.origin.replace("@", "-")
    found: dict[Path | None, Path | MediaError] = {}
    made = 0
    try:
        with DecoderPool(1, timeout_s) as pool:
            for path in dict.fromkeys(clip.sound for clip in clips):
                found[path], new = _denoised(pool, path, denoiser, folder)
                made += new
    finally:
        _write(corpus, {c.name: p for c in clips if isinstance(p := found.get(c.sound), Path)}, column, denoiser.origin)
    problems = {c.name: e for c in clips if isinstance(e := found[c.sound], MediaError)}
    status = Counter(str(problems[c.name].status) if c.name in problems else str(Status.OK) for c in clips)
    reasons = {name: error.message for name, error in problems.items()}
    return DenoisingSummary(column, denoiser.origin, len(clips), made, dict(status), reasons)


def _denoised(pool: DecoderPool, path: Path | None, denoiser: Denoiser, folder: Path) -> tuple[Path | MediaError, bool]:
    """The file with the denoised sound and whether it is new; or why there is none."""
    if path is None:
        return MediaError("MER-E237", "the clip has no sound.", status=Status.NO_AUDIO_STREAM), False
    if not path.is_file():
        return MediaError("MER-E237", f"{path} does not exist.", status=Status.MISSING), False
    try:
        target = folder / f"{path.stem}-{media_digest(path)[:16]}.wav"
        if target.is_file():
            return target, False
        with pool.session(MediaSource(None, path)) as session:
            audio = session.audio(denoiser.rate_hz)
        clean = denoiser.denoise(audio.samples)
    except MediaError as error:
        return error, False
    lead = np.zeros(round(audio.start_s * denoiser.rate_hz), np.float32)
    write_bytes_atomically(target, wav_bytes(np.concatenate([lead, clean]), denoiser.rate_hz))
    return target, True


def _write(corpus: Corpus, files: Mapping[str, Path], column: str, origin: str) -> None:
    """Name the files in the manifest as it stands now; a clip that has none keeps what it had."""
    now = Corpus.read(corpus.folder)
    clips = []
    for clip in now.clips:
        cells = {column: clip.cells.get(column, ""), f"{column}_origin": clip.cells.get(f"{column}_origin", "")}
        if clip.name in files:
            place = Path(os.path.relpath(files[clip.name], now.media_root)).as_posix()
            cells = {column: place, f"{column}_origin": origin}
        clips.append(with_cells(clip, **cells))
    if files and tuple(clips) != now.clips:
        replace(now, clips=tuple(clips)).write()
