"""Predictions in, a validated package and a score out."""
