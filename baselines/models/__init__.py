"""Fusion models. One model, one module."""
