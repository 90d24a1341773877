"""Rows that workers of a cluster pack are those that a worker beside the store writes; needs no Ray."""

import fsspec
import pytest

from feature_extractors import extract
from feature_extractors.engine.cluster import _Keeper, _spool
from feature_extractors.engine.cluster_worker import Actor, Delivery, Job
from feature_extractors.engine.ledger import make_ledger
from feature_extractors.engine.options import ExtractionOptions
from feature_extractors.engine.report import Beat, Kept, TaskReport
from feature_extractors.engine.running import worker_setup
from mertools.errors import ExtractionError, StoreError

OPTIONS = {"group_clips": 3, "quiet": True, "device": "cpu", "flush_s": 0.0, "decoders": 1}


@pytest.fixture
def work(corpus, store, fakes):
    """Setup and tasks for a store that has nothing yet."""
    options = ExtractionOptions(**OPTIONS)
    ledger = make_ledger(corpus, fakes.names_of(corpus), store, options)
    return worker_setup(ledger, options), ledger.tasks


@pytest.mark.parametrize("place", ["", "memory://spool"])
def test_what_an_actor_delivers_makes_the_store_that_a_local_run_makes(corpus, store, new_store, fakes, work, place):
    setup, tasks = work
    local = new_store("local")
    extract(corpus, fakes.names_of(corpus), local, **OPTIONS)
    said = []
    with _spool(place) as spool, _Keeper(setup, store, tasks) as keeper:
        actor = Actor(setup, spool)
        for start in range(0, len(tasks), 2):
            delivery = actor._deliver(Job(tuple(tasks[start : start + 2]), {}))
            assert delivery.error is None
            assert all(isinstance(shard, str if place else bytes) for _, shard in delivery.shards)
            said += keeper.take(delivery)
        said += keeper.flush()
        keeper.name_what_is_missing()
    assert fakes.contents(store) == fakes.contents(local)
    assert sum(one.n_rows for one in said if isinstance(one, TaskReport)) == 36
    assert sum(isinstance(one, Beat) for one in said) == sum(isinstance(one, Kept) for one in said)
    if place:
        assert not fsspec.filesystem("memory").find("/spool")


def test_a_shard_that_was_changed_on_its_way_is_refused_and_nothing_of_it_is_kept(store, fakes, work):
    setup, tasks = work
    delivery = Actor(setup, "")._deliver(Job((tasks[0],), {}))
    space, shard = delivery.shards[0]
    changed = bytearray(shard)
    changed[-30] ^= 1
    with pytest.raises(StoreError) as caught, _Keeper(setup, store, tasks) as keeper:
        list(keeper.take(Delivery(delivery.reports, [(space, bytes(changed))])))
    assert caught.value.code in ("MER-V120", "MER-V021")
    assert store.rows(space) == {}


def test_clips_that_were_never_delivered_are_named(store, fakes, work):
    setup, tasks = work
    keeper = _Keeper(setup, store, tasks)
    with pytest.raises(ExtractionError, match="clip") as caught:
        keeper.name_what_is_missing()
    assert caught.value.code == "MER-E062"


def test_an_error_of_the_worker_comes_back_as_itself(corpus, store, fakes):
    options = ExtractionOptions(**OPTIONS)
    ledger = make_ledger(corpus, ["text/unloadable"], store, options)
    delivery = Actor(worker_setup(ledger, options), "")._deliver(Job(ledger.tasks, {}))
    assert delivery.error.code == "MER-E116"


def test_a_spool_that_nothing_can_open_is_refused_before_work_begins():
    with pytest.raises(ExtractionError, match="nonsense://there") as caught, _spool("nonsense://there"):
        pass
    assert caught.value.code == "MER-E074"
