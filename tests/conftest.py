"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

_DEFAULT_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data for tests: ``MERTOOLS_TEST_DATA``, else ``../shared/data``; skips where it is absent."""
    folder = Path(os.environ.get("MERTOOLS_TEST_DATA", _DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"no real data: set MERTOOLS_TEST_DATA ({folder} is not a folder)")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    """Torch on one thread: the suite shares small machines."""
    import torch

    torch.set_num_threads(1)
