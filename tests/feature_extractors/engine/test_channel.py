import threading

import pytest

from feature_extractors.engine.channel import Channel, Stopped


def test_streams_are_read_in_order_whoever_writes_first():
    channel = Channel(budget=100, ahead=10)
    for stream in (2, 0, 1):
        for letter in "ab":
            channel.put(stream, f"{stream}{letter}", 1)
    assert [channel.get(stream) for stream in (0, 1, 2) for _ in "ab"] == ["0a", "0b", "1a", "1b", "2a", "2b"]


def test_a_budget_filled_by_later_streams_does_not_stop_the_one_that_is_read():
    channel = Channel(budget=10, ahead=10)
    channel.put(1, "later", 10)
    channel.put(0, "now", 50)  # returns, although the budget is spent: stream 0 is the one to be read
    assert channel.get(0) == "now"
    assert channel.get(1) == "later"


def test_a_writer_beyond_the_budget_waits_until_its_stream_is_read():
    channel = Channel(budget=10, ahead=10)
    channel.put(1, "a", 10)
    put = threading.Event()

    def write():
        channel.put(1, "b", 10)
        put.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert not put.is_set()
    assert [channel.get(1), channel.get(1)] == ["a", "b"]
    thread.join()
    assert put.is_set()


def test_stopping_sends_writers_home():
    channel = Channel(budget=1, ahead=0)
    channel.stop()
    with pytest.raises(Stopped):
        channel.put(0, "x")
    with pytest.raises(Stopped):
        channel.begin(5)
    with pytest.raises(Stopped):
        channel.check()


def test_the_reader_raises_what_a_writer_failed_with():
    channel = Channel(budget=1, ahead=0)
    channel.fail(ValueError("broken"))
    with pytest.raises(ValueError, match="broken"):
        channel.get(0)
