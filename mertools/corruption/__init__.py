"""MER-NOISE: noisy and blurred versions of clips, seeded and on record."""

from mertools.corruption.running import Summary, corrupt
from mertools.corruption.settings import Drawn, Settings, draw

__all__ = ["Drawn", "Settings", "Summary", "corrupt", "draw"]
