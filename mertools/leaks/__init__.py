"""Clips that two corpora share, found by content."""

from mertools.leaks.found import SharedClips, SharedPair, Undecidable
from mertools.leaks.record import write_seen_in
from mertools.leaks.search import find_shared

__all__ = ["SharedClips", "SharedPair", "Undecidable", "find_shared", "write_seen_in"]
