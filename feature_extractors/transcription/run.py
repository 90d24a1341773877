"""Walks a corpus: decode, recognise, keep each clip in the journal, write the column in the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from feature_extractors.base import Precision, Waveform
from feature_extractors.engine.memory import out_of_memory, release
from feature_extractors.engine.options import resolve_device, resolve_precision
from feature_extractors.transcription.journal import Entry, Journal
from feature_extractors.transcription.whisper import Transcript, Whisper
from mertools.corpus import Clip, Corpus, with_cells
from mertools.errors import ConfigError, CorpusError, MediaError
from mertools.media import DecoderPool, MediaSource, is_silent, media_digest
from mertools.status import Status

MIN_S = 0.1
"""Shorter sound holds no word."""

_RESERVED = ("name", "split", "video", "audio", "start", "end")
_PRINT_EVERY_S = 10.0


@dataclass(frozen=True)
class TranscriptionOptions:
    """What may be chosen.

    Attributes:
        weights: a folder with Whisper in the layout of the hub, or a hub id in the local cache.
        language: code such as ``zh``; empty = heard, per clip.
        column: of the manifest, to write.
        word_times: whether to keep the time of each word, in the journal beside the manifest.
        split: names of splits; none = all clips.
        retry: statuses that are tried again.
        batch: clips, and windows of 30 s, that go through the model together.
        device: as torch names it, or ``auto``.
        precision: None = fp32 on a CPU, bf16 on a GPU.
        decoders: decoder processes.
        timeout_s: seconds to decode one clip.
        download: whether a hub id may be fetched.
        quiet: print nothing.
    """

    weights: str = "openai/whisper-large-v2"
    language: str = ""
    column: str = "text_asr"
    word_times: bool = False
    split: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    batch: int = 8
    device: str = "auto"
    precision: Precision | None = None
    decoders: int = 2
    timeout_s: float = 60.0
    download: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        """Check what stands alone.

        Raises:
            ConfigError: for a number that is not positive, a status or a column that cannot be.
        """
        if min(self.batch, self.decoders) < 1 or not self.timeout_s > 0:
            raise ConfigError("MER-E250", "batch, decoders and timeout must be above 0.", "Mend the option.")
        for status in self.retry:
            if status not in set(Status):
                raise ConfigError("MER-E251", f"'{status}' is no status.", f"Statuses: {', '.join(Status)}.")
        if not self.column.isidentifier() or self.column in _RESERVED:
            raise ConfigError(
                "MER-E252", f"'{self.column}' cannot be a column of transcripts.", "Expected a name like text_asr."
            )


@dataclass(frozen=True)
class TranscriptionSummary:
    """What a run did.

    Attributes:
        column: that was written.
        origin: who made the transcripts, as corpus.yaml records it.
        clips: that were asked for.
        recognised: of these, in this run.
        status: number of clips by status, over all that were asked for.
        seconds: the run took.
    """

    column: str
    origin: str
    clips: int
    recognised: int
    status: Mapping[str, int]
    seconds: float

    @property
    def fine(self) -> bool:
        """Whether every clip has a transcript."""
        return set(self.status) <= {Status.OK}

    def as_json(self) -> dict[str, Any]:
        """The document of ``--json``."""
        return {**vars(self), "status": dict(self.status)}

    def text(self) -> str:
        """What is printed."""
        counts = ", ".join(f"{status} {n}" for status, n in self.status.items())
        return (
            f"{self.clips} clips, {self.recognised} recognised now, in {self.seconds:.1f} s: {counts}\n"
            f"column {self.column} by {self.origin}"
        )


def transcribe(corpus: Corpus, options: TranscriptionOptions) -> TranscriptionSummary:
    """Recognise the speech of a corpus and write it into a column of its manifest.

    A clip whose sound and recogniser are as they were is not recognised again. Silent, short, absent or damaged sound
    gives an empty cell; the journal says why.

    Args:
        corpus: as read from its folder.
        options: what may be chosen.

    Raises:
        MerToolsError: before any clip is touched, if weights, language, split or column do not fit.
    """
    began = time.monotonic()
    clips = corpus.select(options.split)
    recogniser = Whisper(options.weights, options.language, word_times=options.word_times, download=options.download)
    recogniser.check()
    device = resolve_device(options.device)
    precision = resolve_precision(options.precision, device)
    origin = recogniser.origin + ("" if precision == "fp32" else f":precision={precision}")
    _check_column(corpus, options.column, origin)
    journal = Journal(corpus.folder / "transcripts" / f"{options.column}.jsonl")
    done = {name: entry for name, entry in journal.read().items() if entry.maker == origin}
    media = {clip.name: _media(clip) for clip in clips}
    wanted = [clip for clip in clips if not _is_done(done.get(clip.name), media[clip.name], options)]
    if wanted:
        recogniser.load(device, precision)
    try:
        for entries in _recognised(wanted, media, recogniser, origin, options):
            journal.add(entries)
            done.update({entry.name: entry for entry in entries})
    finally:
        _write(corpus, options.column, origin, done)
    status = Counter(done[clip.name].status for clip in clips)
    return TranscriptionSummary(
        options.column, origin, len(clips), len(wanted), dict(status.most_common()), time.monotonic() - began
    )


def _check_column(corpus: Corpus, column: str, origin: str) -> None:
    known = corpus.transcripts.get(column)
    filled = sum(bool(clip.text(column)) for clip in corpus.clips)
    if column in {target.name for target in corpus.targets}:
        raise CorpusError("MER-E253", f"column {column} is a target of corpus '{corpus.name}'.", "Name another.")
    if filled and known != origin:
        raise CorpusError(
            "MER-E254",
            f"column {column} of corpus '{corpus.name}' holds {filled} transcripts by "
            f"'{known or 'unknown'}', not by '{origin}'.",
            "They are not overwritten: name another column with --column.",
        )


def _media(clip: Clip) -> str:
    if clip.sound is None or not clip.sound.is_file():
        return ""
    try:
        digest = media_digest(clip.sound)
    except (MediaError, OSError):
        return ""
    return f"{digest}[{clip.cells.get('start', '')}:{clip.cells.get('end', '')}]"


def _is_done(entry: Entry | None, media: str, options: TranscriptionOptions) -> bool:
    if entry is None or entry.media != media or entry.status in options.retry:
        return False
    return bool(entry.words) or not (options.word_times and entry.text)


def _recognised(
    clips: Sequence[Clip], media: Mapping[str, str], recogniser: Whisper, origin: str, options: TranscriptionOptions
) -> Iterator[list[Entry]]:
    """Entries of one batch after the other; the next is decoded meanwhile."""
    progress = _Progress(len(clips), quiet=options.quiet)
    groups = [clips[i : i + options.batch] for i in range(0, len(clips), options.batch)]
    with (
        DecoderPool(options.decoders, options.timeout_s) as pool,
        ThreadPoolExecutor(options.decoders) as threads,
    ):
        ahead = [threads.submit(_sound, pool, clip) for clip in groups[0]] if groups else []
        for number, group in enumerate(groups):
            heard = [future.result() for future in ahead]
            following = groups[number + 1] if number + 1 < len(groups) else ()
            ahead = [threads.submit(_sound, pool, clip) for clip in following]
            yield _entries(group, heard, media, recogniser, origin, options.batch)
            progress.add(len(group))


def _entries(
    clips: Sequence[Clip],
    heard: Sequence[Waveform | MediaError],
    media: Mapping[str, str],
    recogniser: Whisper,
    origin: str,
    batch: int,
) -> list[Entry]:
    sounds = {clip.name: sound for clip, sound in zip(clips, heard, strict=True) if isinstance(sound, Waveform)}
    texts = dict(zip(sounds, _halving(recogniser, list(sounds.values()), batch), strict=True))
    entries = []
    for clip, sound in zip(clips, heard, strict=True):
        entry = Entry(clip.name, origin, media[clip.name], Status.OK)
        if isinstance(sound, MediaError):
            entry = replace(entry, status=sound.status, reason=sound.message)
        elif (found := texts[clip.name]) is None:
            entry = replace(entry, status=Status.OOM, reason="the recogniser ran out of memory.")
        elif not found.text:
            entry = replace(entry, status=Status.NO_TEXT, reason="nothing was recognised.", language=found.language)
        else:
            words = tuple((word.text, round(word.start_s, 3), round(word.end_s, 3)) for word in found.words)
            entry = replace(entry, text=" ".join(found.text.split()), language=found.language, words=words)
        entries.append(entry)
    return entries


def _halving(recogniser: Whisper, sounds: Sequence[Waveform], batch: int) -> list[Transcript | None]:
    """Transcripts; where memory runs out, in smaller batches, and None for a clip that does not fit alone."""
    if not sounds:
        return []
    try:
        return list(recogniser.transcribe(sounds, batch))
    except Exception as error:
        if not out_of_memory(error):
            raise
    release()
    if len(sounds) == 1:
        return [None] if batch == 1 else _halving(recogniser, sounds, max(batch // 2, 1))
    middle = len(sounds) // 2
    smaller = max(batch // 2, 1)
    return _halving(recogniser, sounds[:middle], smaller) + _halving(recogniser, sounds[middle:], smaller)


def _sound(pool: DecoderPool, clip: Clip) -> Waveform | MediaError:
    """The sound of a clip, or why there is none to recognise."""
    path = clip.sound
    if path is None:
        return _problem("the clip has neither a sound nor a video file.", Status.NO_AUDIO_STREAM)
    if not path.exists():
        return _problem(f"{path} does not exist.", Status.MISSING)
    try:
        with pool.session(MediaSource(None, path, clip.start_s, clip.end_s)) as session:
            audio = session.audio()
    except MediaError as error:
        return error
    if audio.duration_s < MIN_S:
        return _problem(f"the sound lasts {audio.duration_s:.3f} s; at least {MIN_S:g} s are needed.", Status.TOO_SHORT)
    if is_silent(audio):
        return _problem("the sound is silent (RMS below 0.001).", Status.SILENT)
    return Waveform(audio.samples, audio.rate_hz, audio.start_s)


def _problem(reason: str, status: Status) -> MediaError:
    return MediaError("MER-E255", reason, status=status)


def _write(corpus: Corpus, column: str, origin: str, done: Mapping[str, Entry]) -> None:
    """Put what is known into the manifest as it stands now: others may have edited it meanwhile."""
    now = Corpus.read(corpus.folder)
    clips = tuple(
        with_cells(clip, **{column: done[clip.name].text if clip.name in done else clip.cells.get(column, "")})
        for clip in now.clips
    )
    transcripts = {**now.transcripts, column: origin}
    if clips != now.clips or transcripts != now.transcripts:
        replace(now, clips=clips, transcripts=transcripts).write()


class _Progress:
    """A line on stderr every ten seconds and at the end."""

    def __init__(self, n_clips: int, *, quiet: bool) -> None:
        self._n, self._done, self._quiet = n_clips, 0, quiet
        self._began = self._printed = time.monotonic()

    def add(self, n: int) -> None:
        self._done += n
        now = time.monotonic()
        if self._quiet or (now - self._printed < _PRINT_EVERY_S and self._done < self._n):
            return
        self._printed = now
        rate = self._done / max(now - self._began, 1e-9)
        left = (self._n - self._done) / rate
        print(f"{self._done}/{self._n} clips, {rate:.1f} clips/s, {left:.0f} s left", file=sys.stderr, flush=True)
