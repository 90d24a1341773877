"""Challenge tracks as data. One edition, one module."""
