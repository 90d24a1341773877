"""Label sets of the field, in the index order their challenges use."""

MER_EMOTIONS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
"""The six MER labels, index 0..5 (MER2023-MER2026)."""

MER_VALENCE_RANGE = (-5.0, 5.0)
"""Valence of MER2023, annotated in steps of 0.25."""
