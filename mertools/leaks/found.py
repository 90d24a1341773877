"""What a search for shared clips found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mertools.leaks.evidence import ALPHA, Agreement


@dataclass(frozen=True)
class SharedPair:
    """Two clips that are one recording.

    Attributes:
        a: name of the clip in corpus A.
        b: name of the clip in corpus B.
        picture: how their moving pictures agree; None where one has none, or too little in common to compare.
        sound: how their sounds agree, likewise.
        digest: whether their media are equal byte by byte.
        name: whether they bear the same name; never counted by itself.
        offset_s: what is at t seconds in `a` is at t + offset_s in `b`.
        exponent: evidence of picture and sound, nats.
        log_probability: natural logarithm of the probability that the search finds a pair like this among unrelated
            clips, all its comparisons taken into account.
    """

    a: str
    b: str
    picture: Agreement | None
    sound: Agreement | None
    digest: bool
    name: bool
    offset_s: float
    exponent: float
    log_probability: float

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "a": self.a,
            "b": self.b,
            "evidence": {
                "visual": None if self.picture is None else self.picture.as_json(),
                "audio": None if self.sound is None else self.sound.as_json(),
                "digest": self.digest,
                "name": self.name,
            },
            "offset_s": round(self.offset_s, 3),
            "false_positive_probability": math.exp(max(self.log_probability, -700.0)),
        }


@dataclass(frozen=True)
class Undecidable:
    """A clip that might not be recognised even if it were shared: too little moves and sounds, or it is broken.

    Attributes:
        corpus: name of its corpus.
        clip: its name.
        reason: why.
        exponent: the evidence that a damaged copy would leave, nats.
    """

    corpus: str
    clip: str
    reason: str
    exponent: float

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {"corpus": self.corpus, "clip": self.clip, "reason": self.reason}


@dataclass(frozen=True)
class SharedClips:
    """What a search found.

    Attributes:
        corpus_a: name of corpus A.
        corpus_b: name of corpus B.
        same: whether both are one corpus, searched for clips that it holds twice.
        clips_a: number of clips of A.
        clips_b: number of clips of B.
        pairs: the shared clips, in order of A's manifest.
        sound_only: pairs with the same sound under different moving pictures (music, dubbing, a clip used as noise);
            not counted as shared.
        name_only: names that both corpora have, of clips without shared content as far as can be told; not counted.
        undecidable: clips that might not be recognised even if they were shared.
        required_exponent: the evidence, in nats, that proves a pair of the longest clips.
        strongest_unrelated: the strongest evidence of a pair that was proposed and refused.
        seconds: how long the search took.
    """

    corpus_a: str
    corpus_b: str
    same: bool
    clips_a: int
    clips_b: int
    pairs: tuple[SharedPair, ...]
    sound_only: tuple[SharedPair, ...]
    name_only: tuple[str, ...]
    undecidable: tuple[Undecidable, ...]
    required_exponent: float
    strongest_unrelated: float
    seconds: float

    @property
    def shared(self) -> int:
        """Clips of A that are in B too; of one corpus, clips that it holds more than once."""
        return len({p.a for p in self.pairs} | ({p.b for p in self.pairs} if self.same else set()))

    @property
    def weakest_shared(self) -> float | None:
        """The weakest evidence of a pair that counts without equal digests, nats; None if there is none."""
        return min((p.exponent for p in self.pairs if not p.digest), default=None)

    def as_json(self) -> dict[str, Any]:
        """The ``--json`` document."""
        return {
            "corpus_a": self.corpus_a,
            "corpus_b": self.corpus_b,
            "clips_a": self.clips_a,
            "clips_b": self.clips_b,
            "shared": self.shared,
            "pairs": [pair.as_json() for pair in self.pairs],
            "sound_only": [pair.as_json() for pair in self.sound_only],
            "name_only": list(self.name_only),
            "undecidable": [clip.as_json() for clip in self.undecidable],
            "margin": {
                "alpha": ALPHA,
                "required_nats": round(self.required_exponent, 2),
                "weakest_shared_nats": None if self.weakest_shared is None else round(self.weakest_shared, 2),
                "strongest_unrelated_nats": round(self.strongest_unrelated, 2),
            },
            "seconds": round(self.seconds, 2),
        }
