"""Extractors that see crops of a face. One family, one module."""
