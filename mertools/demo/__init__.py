"""The synthetic corpus of ``mertools demo``."""
