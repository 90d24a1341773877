"""Merging stores: nothing is lost, nothing is written twice, and what disagrees is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mertools.cli import main
from mertools.errors import StoreError
from mertools.store import SpaceSpec, Store, open_store, transfer
from mertools.store.shards import Record
from mertools.store.transfer import merge, pack, unpack

SPEC = SpaceSpec("face/hog", "frame", 3, 1, {"crop": "aligned-112"}, "face")
OTHER = SpaceSpec("audio/prosody", "frame", 2, 1, {})


@pytest.fixture
def new(tmp_path: Path) -> Any:
    opened: list[Store] = []

    def make(name: str, rows: dict[str, Any], spec: SpaceSpec = SPEC) -> Store:
        """A store with one space; a row is (values, media) or (status, reason)."""
        store = open_store(tmp_path / name, create=True)
        opened.append(store)
        with store.writer(store.declare(spec)) as writer:
            for clip, row in rows.items():
                if isinstance(row[0], str):
                    writer.fail(clip, row[0], row[1], media="m")
                else:
                    values = np.asarray(row[0], np.float32)
                    writer.add(clip, values, np.arange(len(values)) / 25, media=row[1])
        return store

    yield make
    for store in opened:
        store.close()


Make = Callable[..., Store]


def values(seed: int, n_rows: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_rows, 3)).astype(np.float32)


def test_rows_of_the_other_store_come_over_bit_for_bit_with_media_and_failures(new: Make) -> None:
    ours = new("a", {"x": (values(0), "m0")})
    other = new("b", {"y": (values(1), "m1"), "dark": ("no_face", "none found")})
    (found,) = merge(ours, other)
    assert (found.added, found.replaced, found.unchanged, found.conflicts) == (2, 0, 0, {})
    assert ours.read("face/hog", "y").values.tobytes() == values(1).tobytes()
    assert ours.rows("face/hog")["y"].media == "m1"
    assert ours.status("face/hog") == {"x": ("ok", ""), "y": ("ok", ""), "dark": ("no_face", "none found")}
    assert ours.read("face/hog", "x").values.tobytes() == values(0).tobytes()
    assert not ours.verify(deep=True)


def test_a_second_merge_writes_nothing(new: Make) -> None:
    ours, other = new("a", {}), new("b", {"y": (values(1), "m1"), "dark": ("no_face", "none found")})
    merge(ours, other)
    shards = ours.index.shards()
    (found,) = merge(ours, other)
    assert (found.added, found.unchanged) == (0, 2)
    assert ours.index.shards() == shards


def test_values_that_two_hosts_made_of_one_file_are_alike_within_rounding(new: Make) -> None:
    ours = new("a", {"x": (values(0), "m")})
    other = new("b", {"x": (values(0) * np.float32(1 + 4e-6), "m")})
    (found,) = merge(ours, other)
    assert (found.alike, found.conflicts) == (1, {})
    assert ours.read("face/hog", "x").values.tobytes() == values(0).tobytes()


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ((values(1), "m"), "differ by"),
        ((values(0), "another"), "other media"),
        ((values(0, 5), "m"), "4 rows here, 5 there"),
        ((np.where(values(0) == values(0)[0, 0], np.nan, values(0)), "m"), "differ by inf"),
    ],
)
def test_a_conflict_keeps_ours_unless_told_otherwise(new: Make, theirs: Any, said: str) -> None:
    ours, other = new("a", {"x": (values(0), "m")}), new("b", {"x": theirs})
    (found,) = merge(ours, other)
    assert said in found.conflicts["x"]
    assert ours.read("face/hog", "x").values.tobytes() == values(0).tobytes()
    (found,) = merge(ours, other, replace=True)
    assert (found.replaced, found.conflicts) == (1, {})
    assert ours.read("face/hog", "x").values.tobytes() == np.asarray(theirs[0], np.float32).tobytes()
    assert merge(ours, other)[0].unchanged == 1


def test_an_embedding_goes_before_a_failure_whichever_store_has_it(new: Make) -> None:
    ours = new("a", {"x": ("timeout", "slow"), "y": (values(2), "m"), "z": ("no_face", "here")})
    other = new("b", {"x": (values(1), "m"), "y": ("crash", "broke"), "z": ("no_face", "there")})
    (found,) = merge(ours, other)
    assert (found.replaced, found.unchanged) == (1, 2)
    assert ours.status("face/hog") == {"x": ("ok", ""), "y": ("ok", ""), "z": ("no_face", "here")}


def test_an_older_row_can_replace_a_newer_one(new: Make) -> None:
    other = new("b", {"x": (values(1), "m")})
    ours = new("a", {"x": (values(0), "m")})  # written later
    merge(ours, other, replace=True)
    with open_store(ours.path, rebuild=True) as rebuilt:
        assert rebuilt.read("face/hog", "x").values.tobytes() == values(1).tobytes()


def test_a_merge_that_was_interrupted_goes_on_where_it_stopped(new: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    other = new("b", {f"c{i}": (values(i), "m") for i in range(5)})
    with other.writer(other.declare(OTHER)) as writer:
        writer.add("p", np.ones((1, 2), np.float32), np.zeros(1))
    ours, seen, record = new("a", {}), [], transfer._record

    def interrupted(store: Store, space: Any, clip: str, row: Any) -> Record:
        seen.append(clip)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return record(store, space, clip, row)

    monkeypatch.setattr(transfer, "_record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        merge(ours, other)
    assert seen[0] == "p"  # the first space is there by now
    assert len(ours.status("audio/prosody")) == 1
    monkeypatch.undo()
    found = {one.space.extractor: one for one in merge(ours, other)}
    assert (found["audio/prosody"].unchanged, found["face/hog"].added) == (1, 5)
    assert not ours.verify(deep=True)


def test_a_store_is_not_merged_into_itself(new: Make) -> None:
    ours = new("a", {"x": (values(0), "m")})
    with open_store(ours.path, read_only=True) as same, pytest.raises(StoreError) as caught:
        merge(ours, same)
    assert caught.value.code == "MER-V121"


def test_damage_in_the_other_store_is_found_before_it_spreads(new: Make, tmp_path: Path) -> None:
    ours, other = new("a", {}), new("b", {"x": (values(0, 40), "m")})
    shard = next((tmp_path / "b" / "shards").rglob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-60] ^= 1
    shard.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        merge(ours, other)
    assert caught.value.code == "MER-V014"
    assert ours.status("face/hog") == {}


def test_the_verb_merges_stores_and_says_conflicts_with_exit_1(
    new: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new("a", {"x": (values(0), "m")}).close()
    new("b", {"y": (values(1), "m")}).close()
    new("c", {"x": (values(2), "m"), "z": (values(3), "m")}).close()
    sources = [str(tmp_path / name) for name in "abc"]
    assert main(["store", "import", str(tmp_path / "all"), *sources[:2], "--json"]) == 0
    capsys.readouterr()
    assert main(["store", "import", str(tmp_path / "all"), sources[2], "--json"]) == 1
    (document,) = json.loads(capsys.readouterr().out)
    assert (document["added"], list(document["conflicts"])) == (1, ["x"])
    assert main(["store", "import", str(tmp_path / "all"), sources[2]]) == 1
    assert "1 conflicts" in capsys.readouterr().out
    assert main(["store", "import", str(tmp_path / "all"), sources[2], "--replace"]) == 0
    assert main(["store", "import", str(tmp_path / "new"), sources[2], "--keep-zeros"]) == 2
    assert "MER-V122" in capsys.readouterr().err
    assert main(["store", "import", str(tmp_path / "new"), str(tmp_path / "nowhere")]) == 2
    assert "MER-V123" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert main(["store", "import", str(tmp_path / "a"), sources[0]]) == 2
    assert "MER-V121" in capsys.readouterr().err


ROWS = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8),
    st.integers(-1, 4),  # -1: a failure
    min_size=1,
    max_size=6,
)


@given(ROWS)
@settings(deadline=None)
def test_what_is_packed_is_unpacked(rows: dict[str, int]) -> None:
    records = [
        Record(clip, "ok", "", "m", 7, values(n, n), np.arange(n) / 25)
        if n >= 0
        else Record(clip, "silent", "no sound", "m", 7)
        for clip, n in rows.items()
    ]
    found = list(unpack(pack("0" * 16, records), "0" * 16))
    assert [(r.clip, r.status, r.reason, r.media, r.written_ns) for r in found] == [
        (r.clip, r.status, r.reason, r.media, r.written_ns) for r in records
    ]
    for a, b in zip(found, records, strict=True):
        assert (a.values is None) == (b.values is None)
        if a.values is not None and b.values is not None:
            np.testing.assert_array_equal(a.values, b.values)
            np.testing.assert_array_equal(a.times_s, b.times_s)


@given(st.data())
@settings(deadline=None)
def test_no_changed_byte_is_taken_in(data: st.DataObject) -> None:
    records = [Record(f"c{i}", "ok", "", "m", 7, values(i, 2), np.arange(2) / 25) for i in range(3)]
    content = bytearray(pack("0" * 16, records))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StoreError):
        list(unpack(bytes(content), "0" * 16))


def test_a_shard_of_another_space_is_refused() -> None:
    content = pack("0" * 16, [Record("c", "silent", "", "m", 7)])
    with pytest.raises(StoreError) as caught:
        list(unpack(content, "1" * 16))
    assert caught.value.code == "MER-V120"


# --- facts about media ------------------------------------------------------------------------------------------------


def test_what_two_processes_know_of_one_file_is_joined(new: Make, tmp_path: Path) -> None:
    from mertools.store import MediaFacts

    path = tmp_path / "clip.wav"
    path.write_bytes(b"sound")
    store = new("a", {})
    store.remember_media(path, MediaFacts("", 4.5, 100))
    with open_store(store.path) as worker:
        worker.remember_media(path, MediaFacts("digest"))
    store.close()  # writes its facts last
    with open_store(store.path) as again:
        assert again.media_facts(path) == MediaFacts("digest", 4.5, 100)
        path.write_bytes(b"another sound")
        again.remember_media(path, MediaFacts("", 5.0))
    with open_store(store.path) as again:
        assert again.media_facts(path) == MediaFacts("", 5.0, None)
