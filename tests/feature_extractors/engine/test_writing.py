"""What the writer thread calls durable."""

import numpy as np
import pytest

from feature_extractors.base import Rows
from feature_extractors.engine.report import Kept
from feature_extractors.engine.writing import WriterThread
from mertools.store import SpaceSpec


@pytest.fixture
def space(store):
    return store.declare(SpaceSpec("audio/some", "utterance", 2, 1, {}))


def test_a_clip_is_durable_before_the_rest_of_a_slow_group(store, space):
    writer = WriterThread({space.fingerprint: store.writer(space)}, flush_s=0.0)
    writer.write(space, "first", Rows(np.ones((1, 2), np.float32), np.zeros(1)), "m")
    writer.end_clip(7)
    assert writer.durable.get() == Kept(7)
    assert list(store.status(space)) == ["first"]
    writer.abandon()


def test_nothing_is_called_durable_that_waits_for_a_flush(store, space):
    writer = WriterThread({space.fingerprint: store.writer(space)}, flush_s=1000.0)
    writer.write(space, "first", Rows(np.ones((1, 2), np.float32), np.zeros(1)), "m")
    writer.end_clip(0)
    assert writer.durable.empty()
    writer.finish()
    assert writer.durable.get() == Kept(0)
    assert list(store.status(space)) == ["first"]
