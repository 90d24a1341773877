"""Verification finds every damage, gc removes what is dead and nothing else, a lost index comes back."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from mertools.errors import StoreError
from mertools.store import SpaceSpec, Store, open_store

SPEC = SpaceSpec("face/hog", "frame", 7, 1, {})


def fill(store: Store, arrays: dict[str, np.ndarray]) -> None:
    with store.writer(store.declare(SPEC)) as writer:
        for clip, values in arrays.items():
            writer.add(clip, values, np.arange(len(values)) / 25, media="m")


def shard_files(store: Store) -> list[Path]:
    return sorted((store.path / "shards" / SPEC.fingerprint).glob("*.safetensors"))


def codes(store: Store, *, deep: bool = False) -> set[str]:
    return {problem.code for problem in store.verify(deep=deep) if problem.severity == "error"}


@pytest.fixture
def full(store: Store, arrays: dict[str, np.ndarray]) -> Store:
    fill(store, arrays)
    with store.writer(SPEC.fingerprint) as writer:
        writer.fail("dark", "no_face", "none found", media="m")
    return store


@pytest.mark.parametrize("indexed", [True, False], ids=["with its index", "by the shard alone"])
def test_a_flip_of_any_single_bit_is_found(full: Store, indexed: bool) -> None:
    path = max(shard_files(full), key=lambda p: p.stat().st_size)
    sound = path.read_bytes()
    chance = random.Random(3)
    # every byte of the length field and the tail, many of the header, many of the values
    places = {*range(12), *range(len(sound) - 12, len(sound)), *chance.sample(range(len(sound)), 220)}
    missed = []
    for place in sorted(places):
        content = bytearray(sound)
        content[place] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        full.close()
        if not indexed:
            full.rebuild_index()
        if not codes(full, deep=True):
            missed.append(place)
    assert missed == []
    path.write_bytes(sound)
    full.rebuild_index()
    assert full.verify(deep=True) == []


def test_a_flip_in_a_value_loses_one_clip_only(full: Store, arrays: dict[str, np.ndarray]) -> None:
    row = full.rows("face/hog")["clip_4"]
    path = max(shard_files(full), key=lambda p: p.stat().st_size)
    content = bytearray(path.read_bytes())
    content[row.offset + 8 * row.n_rows + 3] ^= 16
    path.write_bytes(content)
    full.close()
    assert codes(full) == set()
    (problem,) = full.verify(deep=True)
    assert (problem.code, problem.clip) == ("MER-V106", "clip_4")
    with pytest.raises(StoreError) as caught:
        full.read("face/hog", "clip_4", verify=True)
    assert caught.value.code == "MER-V014"
    planned = full.gc(dry_run=True, damaged=True)
    assert planned.lost == {SPEC.fingerprint: ["clip_4"]}
    assert full.verify(deep=True) != []
    assert full.gc(damaged=True).lost == planned.lost
    assert full.verify(deep=True) == []
    assert set(full.read_all("face/hog", verify=True)) == set(arrays) - {"clip_4"}
    assert full.status("face/hog")["dark"] == ("no_face", "none found")
    assert len(list((full.path / "damaged").iterdir())) == 1
    full.rebuild_index()
    assert "clip_4" not in full.rows("face/hog")
    fill(full, {"clip_4": arrays["clip_4"]})
    assert set(full.read_all("face/hog")) == set(arrays)


@pytest.mark.parametrize("damage", ["truncated", "longer", "emptied", "gone", "another file"])
def test_a_damaged_shard_is_reported_and_can_be_dropped(
    full: Store, arrays: dict[str, np.ndarray], damage: str
) -> None:
    path = max(shard_files(full), key=lambda p: p.stat().st_size)
    content = path.read_bytes()
    full.close()
    other = min(shard_files(full), key=lambda p: p.stat().st_size).read_bytes()
    contents = {"truncated": content[:-40], "longer": content + b"\0", "emptied": b"", "another file": other}
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(contents[damage])
    assert codes(full) == {"MER-V104" if damage == "gone" else "MER-V103"}
    with pytest.raises(StoreError) as caught:
        full.read("face/hog", "clip_4")
    assert caught.value.code in ("MER-V014", "MER-V021")
    assert set(full.gc(damaged=True).lost[SPEC.fingerprint]) == set(arrays)
    assert full.verify(deep=True) == []
    fill(full, arrays)
    assert set(full.read_all("face/hog", verify=True)) == set(arrays)


def test_an_index_that_disagrees_with_a_shard_is_found(full: Store, arrays: dict[str, np.ndarray]) -> None:
    for change in ("offset = offset + 8", "n_rows = n_rows - 1", "status = 'silent'", "crc32 = 0", "media = 'other'"):
        with full.index.transaction() as connection:
            connection.execute(f"UPDATE rows SET {change} WHERE clip = 'clip_3'")
        assert codes(full) == {"MER-V105"}
        full.rebuild_index()
        assert full.verify(deep=True) == []
    np.testing.assert_array_equal(full.read("face/hog", "clip_3").values, arrays["clip_3"])


def test_an_index_that_names_a_file_outside_the_store_is_not_followed(full: Store) -> None:
    with full.index.transaction() as connection:
        connection.execute("UPDATE shards SET name = '../../../store.json' WHERE id = 1")
    full.close()
    with pytest.raises(StoreError) as caught:
        full.read("face/hog", "clip_3")
    assert caught.value.code == "MER-V011"


@pytest.mark.parametrize("loss", ["gone", "empty"])
def test_a_lost_index_comes_back_by_itself(full: Store, arrays: dict[str, np.ndarray], loss: str) -> None:
    before = full.rows("face/hog")
    full.close()
    full.index.layout.index.unlink()
    if loss == "empty":
        full.index.layout.index.touch()
    with pytest.raises(StoreError) as caught:
        open_store(full.path, read_only=True)
    assert caught.value.code == "MER-V009"
    with open_store(full.path) as again:
        assert {clip: row._replace(shard=0) for clip, row in again.rows("face/hog").items()} == {
            clip: row._replace(shard=0) for clip, row in before.items()
        }
        assert set(again.read_all("face/hog", verify=True)) == set(arrays)
        assert again.verify(deep=True) == []


def test_a_garbled_index_is_named_and_can_be_made_anew(full: Store, arrays: dict[str, np.ndarray]) -> None:
    full.close()
    full.index.layout.index.write_bytes(b"no database at all " * 500)
    with pytest.raises(StoreError, match="--rebuild") as caught:
        open_store(full.path)
    assert caught.value.code == "MER-V011"
    with open_store(full.path, rebuild=True) as again:
        assert set(again.read_all("face/hog", verify=True)) == set(arrays)
    assert list(full.path.glob("index.sqlite.damaged-*"))


def test_a_reader_notices_that_the_index_was_made_anew(full: Store, arrays: dict[str, np.ndarray]) -> None:
    assert len(full.rows("face/hog")) == len(arrays) + 1
    with open_store(full.path) as other:
        other.close()
        full.index.layout.index.rename(full.path / "index.old")
    with open_store(full.path) as other, other.writer("face/hog") as writer:
        writer.fail("late", "silent", "")
    assert "late" in full.rows("face/hog")


def test_rebuilding_leaves_out_a_damaged_shard_and_says_so(full: Store) -> None:
    path = max(shard_files(full), key=lambda p: p.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1])
    full.close()
    assert [problem.code for problem in full.rebuild_index()] == ["MER-V103"]
    assert set(full.rows("face/hog")) == {"dark"}
    assert codes(full) == {"MER-V103"}
    full.gc()
    assert path.exists()
    full.gc(damaged=True)
    assert full.verify(deep=True) == []


def test_gc_removes_orphans_and_unfinished_files(full: Store, arrays: dict[str, np.ndarray]) -> None:
    folder = full.path / "shards" / SPEC.fingerprint
    orphan = folder / f"{'0' * 32}.safetensors"
    orphan.write_bytes(shard_files(full)[0].read_bytes())
    unfinished = folder / f".{'1' * 32}.safetensors.tmp"
    unfinished.write_bytes(b"begun")
    (problem,) = full.verify()
    assert (problem.code, problem.severity, problem.shard) == ("MER-V107", "warning", orphan.name)
    planned = full.gc(dry_run=True)
    assert orphan.exists()
    assert unfinished.exists()
    done = full.gc()
    assert (done.orphans, done.temporary) == (planned.orphans, planned.temporary) == ([orphan.name], [unfinished.name])
    assert done.freed_bytes == planned.freed_bytes > 5
    assert not orphan.exists()
    assert not unfinished.exists()
    assert set(full.read_all("face/hog", verify=True)) == set(arrays)
    assert full.gc().freed_bytes == 0


def test_gc_leaves_the_file_of_a_living_writer_alone(full: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from mertools.store import shards

    real, collected = shards.write, []

    def write(descriptor: int, pieces: list[bytes]) -> None:
        with open_store(full.path) as other:
            collected.append(other.gc())
        real(descriptor, pieces)

    monkeypatch.setattr(shards, "write", write)
    with full.writer("face/hog") as writer:
        writer.fail("x", "silent", "")
    assert collected[0].temporary == []
    assert full.status("face/hog")["x"] == ("silent", "")
    assert full.verify(deep=True) == []


def test_gc_removes_replaced_rows_and_keeps_the_rest(full: Store, arrays: dict[str, np.ndarray]) -> None:
    reader = open_store(full.path)
    old = reader.read("face/hog", "clip_8")
    newer = {clip: values + 1 for clip, values in arrays.items() if clip != "clip_0"}
    fill(full, newer)
    size = sum(path.stat().st_size for path in shard_files(full))
    done = full.gc()
    assert len(done.rewritten) == 1
    assert sum(path.stat().st_size for path in shard_files(full)) < size
    assert full.verify(deep=True) == []
    for found in (full.read_all("face/hog", verify=True), reader.read_all("face/hog", verify=True)):
        assert set(found) == set(arrays)
        np.testing.assert_array_equal(found["clip_0"].values, arrays["clip_0"])
        np.testing.assert_array_equal(found["clip_8"].values, arrays["clip_8"] + 1)
    np.testing.assert_array_equal(old.values, arrays["clip_8"])
    full.rebuild_index()
    np.testing.assert_array_equal(full.read("face/hog", "clip_8").values, arrays["clip_8"] + 1)
    assert full.gc().freed_bytes == 0
    reader.close()


def test_gc_removes_a_shard_without_living_rows(full: Store, arrays: dict[str, np.ndarray]) -> None:
    (old,) = {path for path in shard_files(full) if path.stat().st_size > 2000}
    fill(full, arrays)
    assert full.gc().replaced == [old.name]
    assert not old.exists()
    assert set(full.read_all("face/hog", verify=True)) == set(arrays)


def test_gc_joins_many_small_shards(full: Store, arrays: dict[str, np.ndarray]) -> None:
    for clip, values in arrays.items():
        fill(full, {f"{clip}_again": values})
    full.gc()
    assert len(shard_files(full)) == 1
    found = full.read_all("face/hog", verify=True)
    assert set(found) == {*arrays, *(f"{clip}_again" for clip in arrays)}
    assert full.status("face/hog")["dark"] == ("no_face", "none found")
    assert full.verify(deep=True) == []
