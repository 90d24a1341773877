"""What the store keeps: specifications of spaces, embeddings, rows, facts about media, problems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from mertools.config import fingerprint

Level = Literal["frame", "utterance", "geometry"]
LEVELS: tuple[Level, ...] = ("frame", "utterance", "geometry")


@dataclass(frozen=True)
class SpaceSpec:
    """What made the embeddings of one space.

    Attributes:
        extractor: name of the extractor, e.g. ``face/hog``.
        level: ``frame`` (T rows), ``utterance`` (one row) or ``geometry`` (face tracks; may have no rows).
        dim: D, the number of values per row.
        revision: revision of the extractor's code; rises whenever its numbers change.
        settings: everything else that changes numbers, JSON-able: options, hash of weights, precision, crop policy.
        modality: ``face``, ``audio`` or ``text``; recorded only.
        utterance: ``mean`` if an utterance embedding may be derived as the mean of the rows; recorded only.
        facts: further facts, JSON-able, recorded only: licence, rate_hz, versions of libraries.
    """

    extractor: str
    level: Level
    dim: int
    revision: int
    settings: Mapping[str, Any]
    modality: str = ""
    utterance: str = "mean"
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of what changes numbers: extractor, level, dim, revision, settings."""
        return fingerprint(self.identity())

    def identity(self) -> dict[str, Any]:
        """The part of the specification that the fingerprint is made of."""
        return {
            "extractor": self.extractor,
            "level": self.level,
            "dim": self.dim,
            "revision": self.revision,
            "settings": dict(self.settings),
        }


@dataclass(frozen=True)
class Space:
    """One space of a store. Equal when the fingerprints are."""

    fingerprint: str
    extractor: str
    level: Level
    dim: int
    spec: SpaceSpec = field(compare=False, repr=False)

    @classmethod
    def of(cls, spec: SpaceSpec) -> Space:
        """The space that `spec` describes."""
        return cls(spec.fingerprint, spec.extractor, spec.level, spec.dim, spec)

    def __str__(self) -> str:
        """The form that picks exactly this space on the command line."""
        return f"{self.extractor}@{self.fingerprint}"


class Embedding(NamedTuple):
    """Values of one clip with the time of each row.

    Attributes:
        values: ``(T, D)`` float16, float32 or float64, read-only, a view of the shard where it lies.
        times_s: ``(T,)`` float64, seconds from the clip's start; NaN where a row has no time.
    """

    values: np.ndarray
    times_s: np.ndarray


class Row(NamedTuple):
    """One row of the index.

    Attributes:
        status: a value of `mertools.status.Status`.
        reason: why, if the status is not ``ok``.
        n_rows: T; 0 for failures.
        media: digest of the media the row was made from, as the writer gave it; empty if unknown.
        dim: D.
        dtype: ``float16``, ``float32`` or ``float64``; empty for failures.
        rate_hz: rows per second; None where the times do not say.
        crc32: checksum of the clip's bytes in the shard.
        shard: number of the shard in the index.
        offset: where the clip's bytes start in the shard's file.
        n_bytes: how many they are: times, values, padding.
        written_ns: when; a higher one replaces a lower one.
    """

    status: str
    reason: str
    n_rows: int
    media: str
    dim: int
    dtype: str
    rate_hz: float | None
    crc32: int
    shard: int
    offset: int
    n_bytes: int
    written_ns: int


@dataclass(frozen=True)
class MediaFacts:
    """What is known about a media file with its present size and modification time.

    Attributes:
        digest: content digest.
        duration_s: length in seconds; None if unknown.
        n_frames: number of video frames; None if unknown.
    """

    digest: str
    duration_s: float | None = None
    n_frames: int | None = None


@dataclass(frozen=True)
class Problem:
    """Something that `Store.verify` found.

    Attributes:
        code: ``MER-V1xx``.
        severity: ``error`` if embeddings are lost or wrong, ``warning`` if only space is wasted.
        message: what is wrong, with file and clip.
        mend: what to do.
        space: fingerprint, where it is known.
        shard: file name of the shard, where one is concerned.
        clip: the clip, where one is concerned.
    """

    code: str
    severity: Literal["error", "warning"]
    message: str
    mend: str
    space: str = ""
    shard: str = ""
    clip: str = ""

    def __str__(self) -> str:
        """One line."""
        return f"{self.code}  {self.severity}: {self.message} {self.mend}"
