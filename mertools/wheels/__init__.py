"""Emotion wheels and synonym groups: what words of an open vocabulary mean the same."""

from mertools.wheels.synonyms import Grouped, Groups
from mertools.wheels.tables import Wheel, Wheels

__all__ = ["Grouped", "Groups", "Wheel", "Wheels"]
