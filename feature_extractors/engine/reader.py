"""Reads all that is needed of one clip, decoding it once: transcript, sound, face tracks, crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from feature_extractors.base import FaceCrops, Waveform
from feature_extractors.engine.asked import InputKey
from feature_extractors.engine.cutting import CutAll
from feature_extractors.engine.items import ClipJob, End, Piece
from feature_extractors.engine.memory import out_of_memory
from feature_extractors.engine.shipping import read_shipped, shipped_digest
from feature_extractors.engine.sources import ClipSource, MediaCatalog, text_digest
from feature_extractors.facetrack import Geometry, choose, cutter
from feature_extractors.facetrack.synchrony import MAX_RATE_HZ, MouthReader, Synchrony, measure
from feature_extractors.facetrack.who import WHO_POLICIES, needs_synchrony
from mertools.errors import MediaError, MerToolsError
from mertools.media import MediaSource, is_silent
from mertools.status import Status

if TYPE_CHECKING:
    from feature_extractors.facetrack import FaceTracker
    from mertools.media import DecoderPool, Session


class GeometryKeeper(Protocol):
    """Reads and keeps the face tracks of clips."""

    def read(self, clip: str) -> Geometry:
        """From the store."""

    def keep(self, clip: str, geometry: Geometry, media: str) -> None:
        """Into the store."""

    def fail(self, clip: str, status: str, reason: str, media: str) -> None:
        """The clip has no geometry, and why."""


class ClipReader:
    """Reads clips, one at a time; one per feeder thread.

    Args:
        pool: of decoder processes.
        catalog: of media digests.
        keeper: of geometry.
        device: of the face tracker, which is made when it is first needed.
        put: takes what was read.
        check: raises if the run has been stopped: what fails then says nothing about the clip.
    """

    def __init__(
        self,
        pool: DecoderPool,
        catalog: MediaCatalog,
        keeper: GeometryKeeper,
        device: str,
        put: Callable[[ClipJob, Piece | End], None],
        check: Callable[[], None],
    ) -> None:
        self._pool, self._catalog, self._keeper, self._device = pool, catalog, keeper, device
        self._put, self._check = put, check
        self._tracker: FaceTracker | None = None

    def read(self, job: ClipJob) -> None:
        """Put every piece and the end of every input that the job names. Bad media become statuses."""
        faces = [key for key in job.keys if key.modality == "face"]
        with _Sessions(self._pool, job.source) as sessions:
            for key in job.keys:
                if key.modality == "text":
                    self._read_text(job, key)
                elif key.modality == "audio":
                    self._read_sound(job, key, sessions)
                elif key.shipped:
                    self._read_shipped(job, key)
            tracked = [key for key in faces if not key.shipped]
            if tracked:
                self._read_faces(job, tracked, sessions)

    def _read_text(self, job: ClipJob, key: InputKey) -> None:
        text = job.source.text
        job.media[key] = text_digest(text)
        if text:
            self._put(job, Piece(key, text))
            self._put(job, End(key))
        else:
            self._put(job, End(key, Status.NO_TEXT, "the transcript is empty."))

    def _read_sound(self, job: ClipJob, key: InputKey, sessions: _Sessions) -> None:
        job.media[key] = self._catalog.sound_digest(job.source)
        problem = _absent(job.source.sound, Status.NO_AUDIO_STREAM, "the clip has neither a sound nor a video file.")
        if problem is None:
            try:
                audio = sessions.open().audio()
            except MediaError as error:
                problem = (error.status, error.message)
                sessions.after(error)
            else:
                if len(audio.samples) == 0:
                    problem = (Status.TOO_SHORT, "the sound has no samples.")
                elif is_silent(audio):
                    problem = (Status.SILENT, "the sound is silent (RMS below 0.001).")
        if problem is not None:
            self._put(job, End(key, *problem))
            return
        self._put(job, Piece(key, Waveform(audio.samples, audio.rate_hz, audio.start_s)))
        self._put(job, End(key))

    def _read_shipped(self, job: ClipJob, key: InputKey) -> None:
        job.media[key] = shipped_digest(job.source, key)
        try:
            crops = read_shipped(job.source, key)
        except MediaError as error:
            self._put(job, End(key, error.status, error.message))
            return
        if crops is None:
            self._put(job, End(key, Status.NO_FACE, f"{key.folder or job.source.faces} has no face of this clip."))
            return
        if key.sampler is not None and isinstance(crops, FaceCrops):
            wanted = key.sampler.wanted(len(crops))
            crops = FaceCrops(crops.pixels[wanted], crops.times_s[wanted], len(crops))
        self._put(job, Piece(key, crops))
        self._put(job, End(key))

    def _read_faces(self, job: ClipJob, keys: Sequence[InputKey], sessions: _Sessions) -> None:
        media = self._catalog.video_digest(job.source)
        job.media.update(dict.fromkeys(keys, media))
        for key in keys:
            if WHO_POLICIES.get(key.who).listens and job.source.sound != job.source.video:
                job.media[key] = f"{media}+{self._catalog.sound_digest(job.source)}"
        left = list(keys)
        try:
            geometry = self._geometry(job, media, sessions)
            synchrony = None
            if any(needs_synchrony(geometry, key.who) for key in keys):
                synchrony = self._synchrony(job, geometry, sessions)
            for fps in dict.fromkeys(key.fps for key in keys):
                same_rate = [key for key in keys if key.fps == fps]
                self._cut(job, same_rate, fps, geometry, synchrony, sessions, left)
        except MediaError as error:
            sessions.after(error)
            for key in left:
                self._put(job, End(key, error.status, error.message))

    def _geometry(self, job: ClipJob, media: str, sessions: _Sessions) -> Geometry:
        """From the store if it is there, else tracked now.

        Raises:
            MediaError: if the clip has none; the status is kept for the next run.
        """
        name = job.source.name
        if name in job.task.geometry:
            status, reason = job.task.geometry[name]
            if status != Status.OK:
                raise MediaError("MER-E020", reason, status=status)
            return self._keeper.read(name)
        try:
            problem = _absent(job.source.video, Status.NO_VIDEO_STREAM, "the clip has no video file.")
            if problem is not None:
                raise MediaError("MER-E021", problem[1], status=problem[0])
            geometry = self._track(sessions.open())
        except MediaError as error:
            self._check()
            self._keeper.fail(name, error.status, error.message, media)
            raise
        self._keeper.keep(name, geometry, media)
        return geometry

    def _track(self, session: Session) -> Geometry:
        from feature_extractors.facetrack import FaceTracker

        if self._tracker is None:
            self._tracker = FaceTracker(self._device)
        try:
            return self._tracker.find(session.map_frames)
        except MerToolsError:
            raise
        except Exception as error:  # a frame that the tracker cannot digest costs one clip
            status = Status.OOM if out_of_memory(error) else Status.CRASH
            raise MediaError(
                "MER-E022", f"face tracking failed: {type(error).__name__}: {error}", status=status
            ) from error

    def _synchrony(self, job: ClipJob, geometry: Geometry, sessions: _Sessions) -> Synchrony:
        """How well each mouth goes with the voice; without sound, why that cannot be said."""
        if _absent(job.source.sound, Status.NO_AUDIO_STREAM, ""):
            return Synchrony(why_not="the clip has no sound")
        try:
            audio = sessions.open().audio()
        except MediaError as error:
            sessions.after(error)
            return Synchrony(why_not=error.message.rstrip("."))
        if is_silent(audio):
            return Synchrony(why_not="the sound is silent")
        spans = geometry.times_s[1:] - geometry.times_s[:-1]
        fps = 25.0 if len(spans) and float(sorted(spans)[len(spans) // 2]) < 1 / MAX_RATE_HZ else None
        return measure(sessions.open().map_frames(MouthReader.of(geometry), fps=fps), audio)

    def _cut(
        self,
        job: ClipJob,
        keys: Sequence[InputKey],
        fps: float | None,
        geometry: Geometry,
        synchrony: Synchrony | None,
        sessions: _Sessions,
        left: list[InputKey],
    ) -> None:
        """Cut the crops of all `keys` in one pass; take each off `left` when its end is put."""
        cutters = []
        sampled_from: dict[InputKey, int] = {}
        for key in keys:
            try:
                track = choose(geometry, key.who, synchrony)
            except MediaError as error:  # this face only: others of the clip may be plain
                left.remove(key)
                self._put(job, End(key, error.status, error.message))
                continue
            if track is None or len(track) == 0:
                left.remove(key)
                self._put(job, End(key, Status.NO_FACE, _no_face(geometry, key.who)))
                continue
            wanted = None
            if key.sampler is not None and fps is None and geometry.distinct:
                # How many frames a thinned clip has, only its decoder knows.
                wanted, sampled_from[key] = key.sampler.wanted(len(track)), len(track)
            cutters.append((key, cutter(key.crop, track, geometry, wanted)))
        if not cutters:
            return
        counts = dict.fromkeys((key for key, _ in cutters), 0)
        for chunk in sessions.open().map_frames(CutAll(tuple(cut for _, cut in cutters)), fps=fps):
            for (key, _), crops in zip(cutters, chunk, strict=True):
                counts[key] += len(crops.times_s)
                if len(crops.times_s):
                    self._put(job, Piece(key, FaceCrops(crops.pixels, crops.times_s, sampled_from.get(key))))
        for key, count in counts.items():
            left.remove(key)
            if count:
                self._put(job, End(key))
            else:
                self._put(job, End(key, Status.NO_FACE, f"no face at {fps:g} frames per second."))


class _Sessions:
    """The decoder session of one clip, opened when first needed, and anew after one that was given up."""

    def __init__(self, pool: DecoderPool, source: ClipSource) -> None:
        sound = None if source.sound == source.video else source.sound
        self._pool, self._source = pool, MediaSource(source.video, sound, source.start_s, source.end_s)
        self._stack = ExitStack()
        self._session: Session | None = None

    def __enter__(self) -> _Sessions:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self) -> Session:
        """The session."""
        if self._session is None:
            self._session = self._stack.enter_context(self._pool.session(self._source))
        return self._session

    def after(self, error: MediaError) -> None:
        """Give the session up if `error` has used up its process or its time."""
        if error.status in (Status.TIMEOUT, Status.CRASH, Status.OOM):
            self._stack.close()
            self._session = None


def _no_face(geometry: Geometry, who: str) -> str:
    if len(geometry):
        return f"the clip has {len(geometry.tracks)} faces, and none is '{who}'."
    return f"no face was found in {geometry.n_frames} frames."


def _absent(path: Path | None, none: Status, reason: str) -> tuple[str, str] | None:
    if path is None:
        return none, reason
    if not path.exists():
        return Status.MISSING, f"{path} does not exist."
    return None
