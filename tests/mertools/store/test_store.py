"""What the store promises: what goes in comes out, rows replace rows, spaces are found, errors are clear."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mertools.errors import StoreError
from mertools.status import Status
from mertools.store import MediaFacts, SpaceSpec, Store, open_store

SPEC = SpaceSpec("face/hog", "frame", 7, 1, {"crop": "aligned-112", "fps": None})


def fill(store: Store, arrays: dict[str, np.ndarray], spec: SpaceSpec = SPEC, media: str = "m1") -> None:
    with store.writer(store.declare(spec)) as writer:
        for clip, values in arrays.items():
            writer.add(clip, values, np.arange(len(values)) / 25, media=media)


def test_what_goes_in_comes_out(store: Store, arrays: dict[str, np.ndarray]) -> None:
    fill(store, arrays)
    for clip, values in arrays.items():
        found = store.read("face/hog", clip, verify=True)
        assert found.values.dtype == values.dtype
        np.testing.assert_array_equal(found.values, values)
        np.testing.assert_array_equal(found.times_s, np.arange(len(values)) / 25)
    assert list(store.read_all("face/hog")) == sorted(arrays)
    assert store.verify(deep=True) == []


def test_views_are_read_only_and_outlive_the_store(store: Store, arrays: dict[str, np.ndarray]) -> None:
    fill(store, arrays)
    found = store.read("face/hog", "clip_3")
    assert not found.values.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        found.values[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.times_s[0] = 1
    store.close()
    np.testing.assert_array_equal(found.values, arrays["clip_3"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), dim=st.integers(1, 9), dtype=st.sampled_from(["float16", "float32", "float64"]))
def test_any_array_and_any_name_survives(tmp_path: Path, data: st.DataObject, dim: int, dtype: str) -> None:
    names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=20)
    floats = hnp.from_dtype(np.dtype(dtype), allow_nan=True)
    clips = data.draw(st.dictionaries(names, st.integers(0, 6), max_size=6))
    folder = tmp_path / "any"
    shutil.rmtree(folder, ignore_errors=True)
    with open_store(folder, create=True) as store:
        space = store.declare(SpaceSpec("face/track", "geometry", dim, 1, {}))
        written = {clip: data.draw(hnp.arrays(dtype, (n, dim), elements=floats)) for clip, n in clips.items()}
        times = {clip: data.draw(hnp.arrays("float64", (n,))) for clip, n in clips.items()}
        with store.writer(space) as writer:
            for clip, values in written.items():
                writer.add(clip, values, times[clip])
        for clip, values in written.items():
            found = store.read(space, clip, verify=True)
            assert (found.values.shape, found.values.dtype) == (values.shape, values.dtype)
            assert found.values.tobytes() == values.tobytes()
            assert found.times_s.tobytes() == times[clip].tobytes()
        rows = store.rows(space)
        store.rebuild_index()
        assert {clip: row._replace(shard=0) for clip, row in rows.items()} == {
            clip: row._replace(shard=0) for clip, row in store.rows(space).items()
        }
        assert store.verify(deep=True) == []


def test_arrays_are_copied_when_added(store: Store) -> None:
    buffer = np.ones((2, 7), dtype=np.float32)
    with store.writer(store.declare(SPEC)) as writer:
        writer.add("a", buffer, np.zeros(2))
        buffer[:] = 5
        writer.add("b", buffer.astype(">f4")[:, ::-1], np.zeros(2))
    assert store.read(SPEC.fingerprint, "a").values.max() == 1
    assert store.read(SPEC.fingerprint, "b").values.min() == 5


def test_failures_are_rows(store: Store, arrays: dict[str, np.ndarray]) -> None:
    fill(store, arrays)
    with store.writer("face/hog") as writer:
        writer.fail("dark", Status.NO_FACE, "no face in\n 12 frames", media="m2")
    assert store.status("face/hog")["dark"] == ("no_face", "no face in 12 frames")
    assert store.rows("face/hog")["dark"].media == "m2"
    assert store.rows("face/hog")["clip_4"][:4] == ("ok", "", 5, "m1")
    assert "dark" not in store.read_all("face/hog")
    with pytest.raises(StoreError, match="no_face") as caught:
        store.read("face/hog", "dark")
    assert caught.value.code == "MER-V013"


def test_a_later_row_replaces_an_earlier_one(store: Store, arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    fill(store, arrays)
    with open_store(tmp_path / "store") as second:
        before = second.read("face/hog", "clip_1")
        with store.writer("face/hog") as writer:
            writer.add("clip_1", np.full((4, 7), 3, np.float32), np.zeros(4))
            writer.fail("clip_2", "no_face", "")
        with store.writer("face/hog") as writer:
            writer.fail("clip_1", "timeout", "")
            writer.add("clip_1", np.full((2, 7), 4, np.float32), np.zeros(2))
        assert store.read("face/hog", "clip_1").values.tolist() == [[4.0] * 7] * 2
        assert second.rows("face/hog")["clip_1"].n_rows == 2
        assert second.status("face/hog")["clip_2"] == ("no_face", "")
        np.testing.assert_array_equal(before.values, arrays["clip_1"])
        second.rebuild_index()
        assert second.read("face/hog", "clip_1").values.tolist() == [[4.0] * 7] * 2


def test_a_row_replaces_an_earlier_one_though_the_clock_went_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = store.declare(SPEC)
    for moment, status in ((5_000, "timeout"), (1_000, "no_face"), (2_000, "silent")):
        monkeypatch.setattr("time.time_ns", lambda moment=moment: moment)
        with store.writer(space) as writer:
            writer.fail("a", status, "")
        assert store.status(space)["a"][0] == status
    store.rebuild_index()
    assert store.status(space)["a"][0] == "silent"


def test_what_others_write_is_seen(store: Store, arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    fill(store, {"clip_0": arrays["clip_0"]})
    assert set(store.rows("face/hog")) == {"clip_0"}
    with open_store(tmp_path / "store") as other:
        fill(other, arrays)
    assert set(store.rows("face/hog")) == set(arrays)
    np.testing.assert_array_equal(store.read("face/hog", "clip_8").values, arrays["clip_8"])


def test_leaving_by_an_exception_writes_nothing_further(store: Store) -> None:
    space = store.declare(SPEC)

    def interrupted() -> None:
        with writer:
            writer.fail("a", "silent", "")
            assert writer.flush() == 1
            writer.fail("b", "silent", "")
            raise RuntimeError

    writer = store.writer(space)
    with pytest.raises(RuntimeError):
        interrupted()
    assert set(store.status(space)) == {"a"}
    with pytest.raises(ValueError, match="closed"):
        writer.fail("c", "silent", "")


def test_a_full_buffer_flushes_itself(store: Store, arrays: dict[str, np.ndarray]) -> None:
    with store.writer(store.declare(SPEC), flush_bytes=100) as writer:
        for clip, values in arrays.items():
            writer.add(clip, values, np.zeros(len(values)))
        assert len(store.rows(SPEC.fingerprint)) >= 1
    assert len(list((store.path / "shards" / SPEC.fingerprint).iterdir())) > 3


@pytest.mark.parametrize(
    ("values", "times", "code"),
    [
        (np.zeros((2, 7), np.int32), np.zeros(2), "MER-V030"),
        (np.zeros((2, 7), complex), np.zeros(2), "MER-V030"),
        (np.zeros((2, 6), np.float32), np.zeros(2), "MER-V031"),
        (np.zeros((7,), np.float32), np.zeros(1), "MER-V031"),
        (np.zeros((0, 7), np.float32), np.zeros(0), "MER-V031"),
        (np.zeros((2, 7), np.float32), np.zeros(3), "MER-V031"),
        (np.zeros((2, 7), np.float32), np.zeros((2, 1)), "MER-V031"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(store: Store, values: np.ndarray, times: np.ndarray, code: str) -> None:
    with store.writer(store.declare(SPEC)) as writer, pytest.raises(StoreError) as caught:
        writer.add("a", values, times)
    assert caught.value.code == code


def test_an_utterance_has_one_row(store: Store) -> None:
    space = store.declare(SpaceSpec("text/ngram", "utterance", 3, 1, {}))
    with store.writer(space) as writer:
        writer.add("a", np.zeros((1, 3), np.float32), np.array([np.nan]))
        with pytest.raises(StoreError, match="MER-V031"):
            writer.add("b", np.zeros((2, 3), np.float32), np.zeros(2))
    assert np.isnan(store.read(space, "a").times_s).all()


@pytest.mark.parametrize("name", ["", "a\nb", "a\0", "\ud800", "x" * 2000])
def test_names_that_cannot_be_kept_are_refused(store: Store, name: str) -> None:
    with store.writer(store.declare(SPEC)) as writer, pytest.raises(StoreError) as caught:
        writer.fail(name, "silent", "")
    assert caught.value.code == "MER-V032"


@pytest.mark.parametrize("status", ["ok", "no_fase", ""])
def test_only_statuses_of_failures_can_fail(store: Store, status: str) -> None:
    with store.writer(store.declare(SPEC)) as writer, pytest.raises(StoreError) as caught:
        writer.fail("a", status, "")
    assert caught.value.code == "MER-V033"


def test_the_official_reader_opens_a_shard(store: Store, arrays: dict[str, np.ndarray]) -> None:
    fill(store, arrays)
    (shard,) = (store.path / "shards" / SPEC.fingerprint).iterdir()
    tensors = safetensors.numpy.load_file(shard)
    for clip, values in arrays.items():
        np.testing.assert_array_equal(tensors[f"{clip}/values"], values)
        np.testing.assert_array_equal(tensors[f"{clip}/times_s"], np.arange(len(values)) / 25)


# --- spaces -----------------------------------------------------------------------------------------------------------


def test_a_fingerprint_holds_what_changes_numbers_and_nothing_else() -> None:
    same = SpaceSpec("face/hog", "frame", 7, 1, {"fps": None, "crop": "aligned-112"}, "face", "own", {"licence": "x"})
    assert same.fingerprint == SPEC.fingerprint
    others = [
        SpaceSpec("face/lbp", "frame", 7, 1, SPEC.settings),
        SpaceSpec("face/hog", "utterance", 7, 1, SPEC.settings),
        SpaceSpec("face/hog", "frame", 8, 1, SPEC.settings),
        SpaceSpec("face/hog", "frame", 7, 2, SPEC.settings),
        SpaceSpec("face/hog", "frame", 7, 1, {**SPEC.settings, "fps": 5.0}),
    ]
    assert len({SPEC.fingerprint, *(spec.fingerprint for spec in others)}) == 6


def test_a_space_keeps_what_was_declared_first(store: Store) -> None:
    first = store.declare(SpaceSpec("a/b", "frame", 2, 1, {"t": (1, 2), "p": Path("x")}, facts={"v": 1}))
    again = store.declare(SpaceSpec("a/b", "frame", 2, 1, {"t": [1, 2], "p": "x"}, facts={"v": 2}))
    assert first == again
    assert again.spec.facts == {"v": 1}
    assert store.spaces() == [first]
    assert first.spec.settings == {"t": [1, 2], "p": "x"}


def test_spaces_are_found_by_name_fingerprint_and_both(store: Store) -> None:
    frame = store.declare(SPEC)
    utterance = store.declare(SpaceSpec("face/hog", "utterance", 7, 1, SPEC.settings))
    slow = store.declare(SpaceSpec("audio/prosody", "frame", 9, 1, {}))
    assert store.space("audio/prosody") == slow
    assert store.space(frame.fingerprint) == store.space(frame.fingerprint[:6]) == frame
    assert store.space(f"face/hog@{utterance.fingerprint[:5]}") == utterance
    assert store.space("face/hog", level="utterance") == utterance
    assert store.space(frame) is frame
    with pytest.raises(StoreError) as caught:
        store.space("face/hog")
    assert caught.value.code == "MER-V008"
    assert frame.fingerprint in str(caught.value)
    assert "level='utterance'" in str(caught.value)
    with pytest.raises(StoreError, match=r"Did you mean 'audio/prosody'") as caught:
        store.space("audio/prosodie")
    assert caught.value.code == "MER-V007"
    with pytest.raises(StoreError) as caught:
        store.space("audio/prosody", level="utterance")
    assert caught.value.code == "MER-V007"


def _declare_at_once(folder: Path, barrier: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    with open_store(folder, create=True) as store:
        space = store.declare(SPEC)
        with store.writer(space) as writer:
            writer.fail(f"by_{os.getpid()}", "silent", "")


def test_several_processes_may_create_declare_and_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    workers = [context.Process(target=_declare_at_once, args=(tmp_path / "s", barrier)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    with open_store(tmp_path / "s") as store:
        assert len(store.spaces()) == 1
        assert len(store.status(SPEC.fingerprint)) == 4
        assert store.verify(deep=True) == []


def test_a_damaged_description_is_not_trusted(store: Store) -> None:
    path = store.path / "spaces" / f"{store.declare(SPEC).fingerprint}.json"
    path.write_text(path.read_text().replace("aligned-112", "aligned-256"))
    with pytest.raises(StoreError) as caught:
        store.spaces()
    assert caught.value.code == "MER-V004"
    assert [problem.code for problem in store.verify()] == ["MER-V102"]


# --- opening ----------------------------------------------------------------------------------------------------------


def test_a_missing_store_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="mertools extract") as caught:
        open_store(tmp_path / "none")
    assert caught.value.code == "MER-V001"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("header", ["", "{}", "[]", '{"format": "mertools-store", "version": "1"}', "\xff"])
def test_a_folder_that_is_no_store_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / "store.json").write_text(header)
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path)
    assert caught.value.code == "MER-V003"


def test_a_folder_with_other_things_does_not_become_a_store(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("name,split\n")
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path, create=True)
    assert caught.value.code == "MER-V003"
    assert [path.name for path in tmp_path.iterdir()] == ["clips.csv"]


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_format_version_is_named(store: Store, version: int) -> None:
    (store.path / "store.json").write_text(json.dumps({"format": "mertools-store", "version": version}))
    with pytest.raises(StoreError, match=f"version {version}") as caught:
        open_store(store.path)
    assert caught.value.code == "MER-V002"


def test_a_newer_index_is_named(store: Store) -> None:
    store.index.connection().execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="version 9") as caught:
        open_store(store.path)
    assert caught.value.code == "MER-V002"


def test_a_read_only_store_reads_and_does_not_write(store: Store, arrays: dict[str, np.ndarray]) -> None:
    fill(store, arrays)
    with open_store(store.path, read_only=True) as reader:
        np.testing.assert_array_equal(reader.read("face/hog", "clip_2").values, arrays["clip_2"])
        fill(store, {"late": arrays["clip_0"]})
        assert "late" in reader.rows("face/hog")
        for forbidden in (
            lambda: reader.declare(SPEC),
            lambda: reader.writer("face/hog"),
            reader.gc,
            reader.rebuild_index,
        ):
            with pytest.raises(StoreError) as caught:
                forbidden()
            assert caught.value.code == "MER-V005"


def test_a_store_in_a_folder_without_write_permission_can_be_read(
    store: Store, arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, arrays)
    store.close()
    before = sorted(path.name for path in store.path.iterdir())
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_store(store.path) as reader:
        assert reader.read_only
        assert set(reader.read_all("face/hog")) == set(arrays)
        assert sorted(path.name for path in store.path.iterdir()) == before


def test_a_store_crosses_into_other_processes(store: Store, arrays: dict[str, np.ndarray]) -> None:
    fill(store, arrays)
    copy = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(copy.read("face/hog", "clip_5").values, arrays["clip_5"])
    copy.close()
    context = multiprocessing.get_context("fork")
    child = context.Process(target=fill, args=(store, {"forked": arrays["clip_0"]}))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert "forked" in store.rows("face/hog")
    fill(store, {"after": arrays["clip_1"]})
    assert store.verify(deep=True) == []


def test_more_shards_than_may_be_open(
    store: Store, arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mertools.store.store._OPEN_SHARDS", 2)
    monkeypatch.setattr("mertools.store.shards._IN_MEMORY", 0)
    for clip, values in arrays.items():
        fill(store, {clip: values})
    found = store.read_all("face/hog")
    for clip, values in arrays.items():
        np.testing.assert_array_equal(found[clip].values, values)
        np.testing.assert_array_equal(store.read("face/hog", clip).values, values)


def test_more_shards_than_file_descriptors(store: Store, arrays: dict[str, np.ndarray]) -> None:
    for clip, values in arrays.items():
        fill(store, {clip: values})
    script = """
import resource, sys
from mertools.store import open_store, shards
shards._IN_MEMORY = 0
store = open_store(sys.argv[1])
rows = store.rows("face/hog")
resource.setrlimit(resource.RLIMIT_NOFILE, (10, int(sys.argv[2])))
print(len(store.read_all("face/hog")))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", script, str(store.path)]
    enough = subprocess.run([*command, "64"], capture_output=True, text=True, env=environment, check=True)
    assert enough.stdout.strip() == str(len(arrays))
    scarce = subprocess.run([*command, "10"], capture_output=True, text=True, env=environment, check=False)
    assert "MER-V022" in scarce.stderr


# --- media cache ------------------------------------------------------------------------------------------------------


def test_media_facts_hold_until_the_file_changes(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"12345")
    assert store.media_facts(path) is None
    store.remember_media(path, MediaFacts("d1", 4.5, 100))
    assert store.media_facts(path) == MediaFacts("d1", 4.5, 100)
    store.close()
    with open_store(store.path) as again:
        assert again.media_facts(path) == MediaFacts("d1", 4.5, 100)
        again.rebuild_index()
        assert again.media_facts(path) == MediaFacts("d1", 4.5, 100)
        os.utime(path, ns=(1, 1))
        assert again.media_facts(path) is None
        path.unlink()
        assert again.media_facts(path) is None


def test_media_with_a_name_that_is_not_text(store: Store, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"clip\xff.mp4")
    path.write_bytes(b"1")
    store.remember_media(path, MediaFacts("d"))
    store.close()
    with open_store(store.path) as again:
        assert again.media_facts(path) == MediaFacts("d")
