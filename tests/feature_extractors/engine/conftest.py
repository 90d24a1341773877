import importlib.util
import sys
from pathlib import Path

import pytest

from feature_extractors import EXTRACTORS
from mertools.store import open_store

_spec = importlib.util.spec_from_file_location("extraction_fakes", Path(__file__).with_name("extraction_fakes.py"))
if "extraction_fakes" not in sys.modules:
    sys.modules["extraction_fakes"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["extraction_fakes"])


@pytest.fixture
def fakes(monkeypatch):
    """The module of fake extractors, which are registered for one test, with an empty list of calls."""
    module = sys.modules["extraction_fakes"]
    module.CALLS.clear()
    EXTRACTORS.names()  # the real ones first
    monkeypatch.setattr(EXTRACTORS, "_entries", dict(EXTRACTORS._entries))
    module.register()
    return module


@pytest.fixture
def corpus(tmp_path, fakes):
    return fakes.make_corpus(tmp_path / "corpus")


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store", create=True) as opened:
        yield opened


@pytest.fixture
def new_store(tmp_path):
    """Opens further stores by name."""
    opened = []

    def new(name):
        opened.append(open_store(tmp_path / name, create=True))
        return opened[-1]

    yield new
    for one in opened:
        one.close()
