"""Extractors that hear 16 kHz mono sound. One family, one module."""
