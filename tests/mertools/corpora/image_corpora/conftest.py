"""A raw folder to fill, and what must hold of every refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mertools.corpora import prepare
from mertools.errors import CorpusError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """An empty raw folder."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.fixture
def fails(raw: Path, tmp_path: Path) -> Callable[..., None]:
    """``fails(corpus, code, says, **options)``: preparing is refused so, and nothing is written."""

    def check(name: str, code: str, says: str = "", **options: str) -> None:
        with pytest.raises(CorpusError) as raised:
            prepare(name, raw, tmp_path / "refused", **options)
        assert raised.value.code == code, str(raised.value)
        assert says in str(raised.value)
        assert raised.value.hint
        assert not (tmp_path / "refused").exists(), "nothing is written"

    return check
