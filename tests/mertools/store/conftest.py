"""A store with two spaces, and the arrays that are in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mertools.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store", create=True) as opened:
        yield opened


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Nine clips of different length, D = 7 (an odd one, so that padding is needed for float16)."""
    rng = np.random.default_rng(7)
    return {f"clip_{n}": rng.standard_normal((n + 1, 7)).astype(np.float16) for n in range(9)}
