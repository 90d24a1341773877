"""What is there and what is to be done: from a corpus, names of extractors and a store to tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from feature_extractors.engine.asked import Asked, ask
from feature_extractors.engine.engines import devices_of
from feature_extractors.engine.options import ExtractionOptions, LazyDevices, resolve_precision
from feature_extractors.engine.plan import Group, Measured, make_groups, take_shard
from feature_extractors.engine.sources import ClipSource, MediaCatalog, clip_sources, media_length, text_digest
from feature_extractors.engine.tasks import Task, lane_of, make_task, stands

if TYPE_CHECKING:
    from mertools.corpus import Corpus
    from mertools.store import Row, Space, SpaceSpec, Store

TEXT_GROUP = 8
"""A group of transcripts holds so many times the clips of a group of media: they are quick."""


@dataclass(frozen=True)
class Derivation:
    """Utterance rows that are made from the rows of a frame space without touching media."""

    frames: Space
    clips: tuple[str, ...]


@dataclass(frozen=True)
class Ledger:
    """Everything that is decided before the first clip is touched.

    Attributes:
        asked: the spaces.
        geometry: the space of face tracks; None if no space needs them.
        devices: to compute on, one per worker.
        selected: per space, the clips that this run answers for.
        derivations: per space, rows that another space gives.
        tasks: the work.
        length: seconds of media per clip, as far as they are known.
    """

    asked: tuple[Asked, ...]
    geometry: SpaceSpec | None
    devices: LazyDevices
    selected: tuple[tuple[str, ...], ...]
    derivations: Mapping[int, Derivation]
    tasks: tuple[Task, ...]
    length: Mapping[str, float]

    @property
    def clips(self) -> frozenset[str]:
        """All clips that this run answers for."""
        return frozenset(name for names in self.selected for name in names)

    @property
    def needs_torch(self) -> bool:
        """Whether anything that is left to do runs on torch, whose import takes seconds."""
        working = [self.asked[place] for task in self.tasks for place in task.parts]
        return any(one.tracked or one.extractor.torch_model for one in working)

    @property
    def wanted(self) -> frozenset[str]:
        """Clips that must be read."""
        return frozenset(name for task in self.tasks for name in task.wanted)


def make_ledger(corpus: Corpus, names: Sequence[str], store: Store, options: ExtractionOptions) -> Ledger:
    """Decide what to do; changes nothing but the store's cache of facts about media.

    Raises:
        MerToolsError: for a wrong name, option, split, column or device, or if weights are missing.
    """
    selection = corpus.select(options.split)
    devices = devices_of(options)
    tracker = _LazyTracker()
    asked = ask_for(corpus, names, options, devices, lambda: tracker.spec.fingerprint)
    sources = clip_sources(corpus, options.audio_column, options.text_column)
    catalog = MediaCatalog(store)
    lanes = list(dict.fromkeys(lane_of(one) for one in asked))
    lengths = _lengths(sources, catalog, lanes)
    groups = {lane: _groups(sources, lengths[lane], lane, options) for lane in lanes}
    chosen = _limited([clip.name for clip in selection], groups[max(lanes, key=lambda x: x == "media")], options.limit)
    mine = {lane: take_shard(groups[lane], *options.shard_of) for lane in lanes}
    book = _Book(store, catalog, {source.name: source for source in sources}, options)
    return book.ledger(asked, tracker, devices, chosen, mine, lengths)


def ask_for(
    corpus: Corpus, names: Sequence[str], options: ExtractionOptions, devices: LazyDevices, tracker: Callable[[], str]
) -> list[Asked]:
    """The spaces that `names` and `options` ask for; see `feature_extractors.engine.asked.ask`."""
    return ask(
        corpus,
        names,
        level=options.level,
        precision=lambda: resolve_precision(options.precision, devices.name),
        audio_column=options.audio_column,
        text_column=options.text_column,
        tracker=tracker,
    )


class _LazyTracker:
    """The specification of face tracks, made if an extractor needs it."""

    def __init__(self) -> None:
        self._spec: SpaceSpec | None = None

    @property
    def spec(self) -> SpaceSpec:
        if self._spec is None:
            from feature_extractors.facetrack import TrackerSettings

            self._spec = TrackerSettings().spec()
        return self._spec


def _lengths(sources: Sequence[ClipSource], catalog: MediaCatalog, lanes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Per lane, the length of each clip: characters of text, or seconds of media."""
    found: dict[str, dict[str, float]] = {}
    for lane in lanes:
        if lane == "text":
            found[lane] = {source.name: float(len(source.text)) for source in sources}
        else:
            durations = catalog.durations(path for s in sources for path in (s.sound or s.video,) if path)
            found[lane] = {source.name: media_length(source, durations) for source in sources}
    return found


def _groups(
    sources: Sequence[ClipSource], lengths: Mapping[str, float], lane: str, options: ExtractionOptions
) -> list[Group]:
    measured = [Measured(source.name, source.split, lengths[source.name]) for source in sources]
    if lane == "text":
        return make_groups(measured, TEXT_GROUP * options.group_clips, float("inf"))
    return make_groups(measured, options.group_clips, options.group_s)


def _limited(selection: Sequence[str], groups: Sequence[Group], limit: int | None) -> frozenset[str]:
    """The selection, or its first `limit` clips in the order of work: they fill as few groups as possible."""
    wanted = frozenset(selection)
    if limit is None:
        return wanted
    ordered = [name for group in groups for name in group.clips if name in wanted]
    return frozenset(ordered[:limit])


class _Book:
    """Compares what was chosen with what the store holds."""

    def __init__(
        self, store: Store, catalog: MediaCatalog, sources: Mapping[str, ClipSource], options: ExtractionOptions
    ) -> None:
        self._store, self._catalog, self._sources, self._options = store, catalog, sources, options
        self._known = {space.fingerprint: space for space in store.spaces()}

    def ledger(
        self,
        asked: Sequence[Asked],
        tracker: _LazyTracker,
        devices: LazyDevices,
        chosen: frozenset[str],
        groups: Mapping[str, Sequence[Group]],
        lengths: Mapping[str, Mapping[str, float]],
    ) -> Ledger:
        """The decision, given the groups of this run's shard."""
        selected, wanted, derivations = [], [], {}
        rows = [self._rows(one.spec) for one in asked]
        for place, one in enumerate(asked):
            clips = tuple(name for group in groups[lane_of(one)] for name in group.clips if name in chosen)
            undone = [name for name in clips if not self._stands(one, rows[place].get(name), name)]
            derivation = self._derivation(one, undone)
            if derivation is not None:
                derivations[place] = derivation
                undone = sorted(set(undone) - set(derivation.clips))
            selected.append(clips)
            wanted.append(frozenset(undone))
        geometry = tracker.spec if any(one.tracked for one in asked) else None
        known = self._rows(geometry) if geometry is not None else {}
        tasks: list[Task] = []
        for lane in sorted(groups, reverse=True):  # text first: it is quick
            for group in groups[lane]:
                task = make_task(len(tasks), lane, group, asked, wanted, rows, self._sources, lengths[lane])
                if task is not None:
                    tasks.append(self._with_geometry(task, asked, known))
        seconds = lengths.get("media", {})
        return Ledger(tuple(asked), geometry, devices, tuple(selected), derivations, tuple(tasks), seconds)

    def _rows(self, spec: SpaceSpec) -> Mapping[str, Row]:
        space = self._known.get(spec.fingerprint)
        return self._store.rows(space) if space is not None else {}

    def _stands(self, one: Asked, row: Row | None, name: str) -> bool:
        # The digest is only computed where there is a row to compare it with.
        return row is not None and stands(row, self._media(one, name), self._options.retry)

    def _media(self, one: Asked, name: str) -> str:
        source = self._sources[name]
        if one.modality == "text":
            return text_digest(source.text)
        if one.modality == "audio":
            return self._catalog.sound_digest(source)
        if one.shipped:
            from feature_extractors.engine.shipping import shipped_digest

            return shipped_digest(source, one.key)
        return self._catalog.video_digest(source)

    def _derivation(self, one: Asked, undone: Sequence[str]) -> Derivation | None:
        spec = one.frame_spec()
        frames = self._known.get(spec.fingerprint) if spec is not None else None
        if frames is None:
            return None
        rows = self._store.rows(frames)
        clips = tuple(name for name in undone if self._stands(one, rows.get(name), name))
        return Derivation(frames, clips) if clips else None

    def _with_geometry(self, task: Task, asked: Sequence[Asked], known: Mapping[str, Row]) -> Task:
        """Say which of a task's clips have face tracks, so that no worker must ask."""
        places = [place for place in task.parts if asked[place].tracked]
        if not places:
            return task
        fed = frozenset().union(*(task.parts[place].fed for place in places))
        wanted = frozenset().union(*(task.parts[place].wanted for place in places))
        found = {}
        for name in fed & known.keys():
            row = known[name]
            retry = self._options.retry if name in wanted else ()
            if stands(row, self._catalog.video_digest(self._sources[name]), retry):
                found[name] = (row.status, row.reason)
        return replace(task, geometry=found)
