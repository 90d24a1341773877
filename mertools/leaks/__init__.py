"""Clips that two corpora share, found by content."""
