"""Embeddings in, predictions out."""
