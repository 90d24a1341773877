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
from mertools.tracks.columns import Columns, arguments

__all__ = [
    "TRACKS",
    "Candidates",
    "Column",
    "Columns",
    "ReferenceScorer",
    "Rule",
    "Track",
    "Upload",
    "add_track",
    "arguments",
    "get_track",
]
