"""Which MER editions hold each other's clips: last year's test clips are this year's training clips.

Known from the organisers' counts: 3,373 + 411 + 412 + 834 = 5,030 labelled clips of MER2023 train MER2024; with the
1,169 and 1,170 scored clips of MER2024's SEMI and NOISE they are the 7,369 of MER2025; with the 2,026 scored clips of
MER2025 the 9,395 of MER2026. All 332 clips of MER2024's open-vocabulary truth are training clips of MER2023 (OV-MERD);
with the 1,200 scored clips of MER2025's second track they are the 1,532 of MER2026. Clips are renamed between editions,
so that names alone do not show it. Whether the unlabelled pools overlap is not published. CH-SIMS v2 is an enlarged
CH-SIMS (2,281 clips and 2,121 new ones, by its paper).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EDITIONS = ("mer2023", "mer2024", "mer2025", "mer2026")


@dataclass(frozen=True)
class Batch:
    """Clips that several corpora hold.

    Attributes:
        n_clips: how many.
        held_as: what they are in each corpus that holds them.
        within: they are part of another batch, and do not count twice.
        scored_by: editions whose tracks score at least some of them.
    """

    n_clips: int
    held_as: Mapping[str, str]
    within: bool = False
    scored_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What one corpus shares with another.

    Attributes:
        what: which clips of the other corpus, in words.
        n_clips: how many at least.
    """

    what: str
    n_clips: int


_TRAIN = dict.fromkeys(EDITIONS, "train")

BATCHES = (
    Batch(5_030, {**_TRAIN, "mer2023": "train, test1, test2, test3"}, scored_by=("mer2023",)),
    Batch(
        1_169,
        {"mer2024": "scored candidates of SEMI", "mer2025": "train", "mer2026": "train"},
        scored_by=("mer2024",),
    ),
    Batch(
        1_170,
        {"mer2024": "scored candidates of NOISE", "mer2025": "train", "mer2026": "train"},
        scored_by=("mer2024",),
    ),
    Batch(2_026, {"mer2025": "scored candidates of SEMI", "mer2026": "train"}, scored_by=("mer2025",)),
    Batch(
        332,
        {
            "mer2023": "train (later OV-MERD)",
            "mer2024": "train (truth of OV)",
            "mer2025": "train (openset)",
            "mer2026": "train (openset)",
        },
        within=True,
    ),
    # Whether the scored clips of the two tracks of MER2025 overlap is not published.
    Batch(
        1_200,
        {"mer2025": "scored candidates of FG", "mer2026": "train (openset)"},
        within=True,
        scored_by=("mer2025",),
    ),
    Batch(2_281, {"sims": "all", "simsv2": "part of train, val and test"}),
)


def contains(corpus: str) -> dict[str, Part]:
    """Other corpora whose clips `corpus` contains: which part of each, and how many clips at least.

    Args:
        corpus: name of a corpus.

    Returns:
        Nothing for a corpus that shares no clips as far as is known.

    Example:
        >>> contains("mer2025")["mer2023"]
        Part(what='train, test1, test2, test3; train (later OV-MERD)', n_clips=5030)
        >>> contains("mer2026")["mer2024"].n_clips
        7369
    """
    parts: dict[str, Part] = {}
    for batch in BATCHES:
        if corpus not in batch.held_as:
            continue
        for other, what in batch.held_as.items():
            if other != corpus:
                so_far = parts.get(other, Part("", 0))
                words = [*so_far.what.split("; "), what] if so_far.what else [what]
                n_clips = so_far.n_clips + (0 if batch.within else batch.n_clips)
                parts[other] = Part("; ".join(dict.fromkeys(words)), n_clips)
    return {other: parts[other] for other in sorted(parts)}


def scored_in(corpus: str, edition: str) -> str:
    """Which clips of `corpus` another edition's tracks score, in words; empty if none as far as is known.

    Example:
        >>> scored_in("mer2025", "mer2024")
        'scored candidates of SEMI (1,169 clips), scored candidates of NOISE (1,170 clips)'
        >>> scored_in("mer2023", "mer2024")
        ''
    """
    if corpus == edition:
        return ""
    return ", ".join(
        f"{batch.held_as[edition]} ({batch.n_clips:,} clips)"
        for batch in BATCHES
        if corpus in batch.held_as and edition in batch.scored_by
    )


def seen_in(corpus: str) -> tuple[str, ...]:
    """Names of the other corpora that hold clips of `corpus`, for `Corpus.seen_in`."""
    return tuple(contains(corpus))
