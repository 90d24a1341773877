"""Challenge tracks as data. One edition, one module."""

from mertools.tracks.base import (
    TRACKS,
    Candidates,
    Column,
    ReferenceScorer,
    Rule,
    Track,
    Upload,
    add_track,
    get_track,
)

__all__ = [
    "TRACKS",
    "Candidates",
    "Column",
    "ReferenceScorer",
    "Rule",
    "Track",
    "Upload",
    "add_track",
    "get_track",
]
