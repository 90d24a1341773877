"""MER-NOISE: noisy and blurred versions of clips, seeded and on record."""
