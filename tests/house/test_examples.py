"""The examples run as they stand."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_road_from_python(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("from_python", ROOT / "examples" / "from_python.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(tmp_path, speakers=6) <= 1.0
    assert (tmp_path / "upload.csv").read_text(encoding="utf-8").startswith("name,discrete,valence\n")
