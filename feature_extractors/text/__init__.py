"""Extractors that read a transcript. One family, one module."""
