"""Runs extractors over a corpus: plan, decode, batch, embed, write."""
