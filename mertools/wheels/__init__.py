"""Emotion wheels and synonym groups: what words of an open vocabulary mean the same."""
