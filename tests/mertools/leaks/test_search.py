"""The whole search, on clips made on the spot."""

import csv
import shutil

import numpy as np
import pytest

from mertools.corpus import Corpus
from mertools.errors import ConfigError, CorpusError, MachineError
from mertools.leaks import find_shared, search, write_seen_in
from mertools.leaks.cache import SignatureCache
from mertools.leaks.evidence import ALPHA
from mertools.leaks.signature import clip_key


@pytest.fixture
def copied(shelf, tmp_path):
    """The two corpora, to write into."""
    for folder in (shelf.a, shelf.b):
        shutil.copytree(folder, tmp_path / folder.name)
    return Corpus.read(tmp_path / "alpha"), Corpus.read(tmp_path / "beta")


def pairs_of(found):
    return {(pair.a, pair.b) for pair in found.pairs}


def test_damaged_copies_under_other_names_are_found_and_nothing_else(shelf):
    found = find_shared(Corpus.read(shelf.a), Corpus.read(shelf.b), workers=2, cache=False)
    assert pairs_of(found) == {(a, b) for b, (a, _) in shelf.copies.items()}
    assert (found.shared, found.clips_a, found.clips_b) == (2, 4, 4)
    assert not found.undecidable
    for pair in found.pairs:
        assert pair.offset_s == pytest.approx(-shelf.copies[pair.b][1], abs=0.07)
        assert pair.as_json()["false_positive_probability"] <= ALPHA
        assert not pair.digest


@pytest.mark.slow
def test_which_corpus_comes_first_does_not_matter(shelf):
    there = find_shared(Corpus.read(shelf.a), Corpus.read(shelf.b), workers=2, cache=False)
    back = find_shared(Corpus.read(shelf.b), Corpus.read(shelf.a), workers=2, cache=False)
    assert pairs_of(there) == {(b, a) for a, b in pairs_of(back)}


@pytest.mark.slow
def test_the_index_loses_no_pair_that_comparing_all_finds(shelf, monkeypatch):
    a, b = Corpus.read(shelf.a), Corpus.read(shelf.b)
    quick = find_shared(a, b, workers=2, cache=False)

    class AllPairs(search.KeyIndex):
        def __init__(self, codes, windows):
            self.codes = codes

        def candidates(self, code, skip=()):
            if code is None:
                return []
            reach = range(-len(code), len(code), 4)
            return [(n, shift) for n, other in enumerate(self.codes) if other is not None for shift in reach]

    monkeypatch.setattr(search, "KeyIndex", AllPairs)
    assert pairs_of(find_shared(a, b, workers=2, cache=False)) == pairs_of(quick)


def test_one_corpus_is_searched_for_clips_it_holds_twice(copied):
    a, _ = copied
    shutil.copy(a.folder / "one.mp4", a.folder / "again.mp4")
    with (a.folder / "clips.csv").open("a") as file:
        file.write("again,train,again.mp4,\n")
    a = Corpus.read(a.folder)
    found = find_shared(a, a, workers=2, cache=False)
    assert [(p.a, p.b, p.digest) for p in found.pairs] == [("one", "again", True)]
    assert (found.same, found.shared) == (True, 2)


def test_equal_names_alone_are_not_shared_content(copied, making):
    a, b = copied
    making.write_corpus(b.folder, [{"name": "one", "video": "own1.mp4"}, {"name": "two", "video": "x7.mp4"}])
    found = find_shared(a, Corpus.read(b.folder), workers=2, cache=False)
    assert pairs_of(found) == {("two", "two")}
    assert found.pairs[0].name
    assert found.name_only == ("one",)


def test_what_cannot_be_decided_is_listed_with_its_reason(copied, making):
    a, b = copied
    (b.folder / "broken.mp4").write_bytes(b"not a film")
    still = [np.full((64, 64, 3), 90, np.uint8)] * 50
    making.write_clip(b.folder / "still.mp4", still, np.zeros(32_000, np.float32))
    rows = [{"name": n, "video": f"{n}.mp4"} for n in ("broken", "still", "gone")] + [{"name": "text", "text": "hi"}]
    making.write_corpus(b.folder, [*rows, {"name": "x7", "video": "x7.mp4"}])
    found = find_shared(a, Corpus.read(b.folder), workers=2)
    assert pairs_of(found) == {("two", "x7")}
    reasons = {u.clip: u.reason for u in found.undecidable}
    assert set(reasons) == {"broken", "still", "gone", "text"}
    assert reasons["broken"].startswith("decode_error")
    assert reasons["gone"].startswith("missing")
    assert reasons["still"] == "no moving picture, and no sound"
    assert reasons["text"] == "the clip has neither video nor audio"


def test_a_clip_whose_picture_is_broken_is_compared_by_its_sound_and_listed(copied, making):
    a, b = copied
    (b.folder / "broken.mp4").write_bytes(b"not a film")
    rows = [{"name": n, "video": "broken.mp4", "audio": f"{n}.mp4"} for n in ("own1", "x7")]
    making.write_corpus(b.folder, rows)
    found = find_shared(a, Corpus.read(b.folder), workers=1)
    assert pairs_of(found) == {("two", "x7")}
    assert found.pairs[0].picture is None
    assert [(u.clip, u.reason.split(":")[0]) for u in found.undecidable] == [("own1", "decode_error")]


def test_undecidable_clips_are_found_by_their_bytes_and_never_by_being_empty(copied, making):
    a, b = copied
    still = [np.full((64, 64, 3), 90, np.uint8)] * 50
    for folder in (a.folder, b.folder):
        making.write_clip(folder / "still.mp4", still, None)
        making.write_corpus(folder, [{"name": f"{folder.name}1", "video": "still.mp4"}, {"name": "t", "text": "hi"}])
    found = find_shared(Corpus.read(a.folder), Corpus.read(b.folder), workers=1, cache=False)
    assert [(p.a, p.b, p.digest) for p in found.pairs] == [("alpha1", "beta1", True)]
    assert found.name_only == ("t",)


def test_a_clip_used_as_noise_shares_sound_only(copied, making):
    a, b = copied
    rng = np.random.default_rng(1)
    from mertools.media import read_audio

    masker = read_audio(a.folder / "one.mp4").samples
    quiet = 0.3 * making.voice(rng, 4.0)[: len(masker)]
    making.write_clip(b.folder / "masked.mp4", making.film(rng, 4.0), masker[: len(quiet)] + quiet)
    making.write_corpus(b.folder, [{"name": "masked", "video": "masked.mp4"}])
    found = find_shared(a, Corpus.read(b.folder), workers=2, cache=False)
    assert not found.pairs
    assert [(p.a, p.b) for p in found.sound_only] == [("one", "masked")]


def test_parts_of_one_file_are_clips_of_their_own(copied, making):
    a, _ = copied
    rows = [
        {"name": "first", "video": "one.mp4", "start": "0", "end": "2"},
        {"name": "second", "video": "one.mp4", "start": "2", "end": "4"},
        {"name": "across", "video": "one.mp4", "start": "0.5", "end": "3.5"},
    ]
    making.write_corpus(a.folder, rows)
    a = Corpus.read(a.folder)
    found = find_shared(a, a, workers=2)
    assert {(p.a, p.b): round(p.offset_s, 1) for p in found.pairs} == {
        ("first", "across"): -0.5,
        ("second", "across"): 1.5,
    }
    assert not any(p.digest for p in found.pairs)


# -- the cache ---------------------------------------------------------------------------------------------------------


def without_time(found):
    return {key: value for key, value in found.as_json().items() if key != "seconds"}


def test_a_second_search_decodes_nothing_and_finds_the_same(copied, monkeypatch):
    first = find_shared(*copied, workers=2)

    def fail(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(search, "sign", fail)
    assert without_time(find_shared(*copied, workers=2)) == without_time(first)


@pytest.mark.slow
def test_a_damaged_cache_is_passed_over(copied):
    first = find_shared(*copied, workers=2)
    for path in (copied[0].folder / "leaks-cache").glob("*.npz"):
        path.write_bytes(path.read_bytes()[:400])
    assert without_time(find_shared(*copied, workers=2)) == without_time(first)


@pytest.mark.slow
def test_a_file_that_changes_is_read_again(copied):
    a, b = copied
    find_shared(a, b, workers=2)
    shutil.copy(b.folder / "own1.mp4", a.folder / "two.mp4")
    assert pairs_of(find_shared(a, b, workers=2)) == {("two", "own1"), ("four", "x9")}


def test_signatures_come_back_from_disk_bit_by_bit(copied):
    a, _ = copied
    find_shared(a, a, workers=2)
    kept, again = (SignatureCache(a.folder / "leaks-cache") for _ in "ab")
    for clip in a.clips:
        key = clip_key(clip, kept.digest)
        one, two = kept.get(key), again.get(key)
        for modality in ("picture", "sound"):
            first, second = getattr(one, modality), getattr(two, modality)
            assert (first.n_bits, first.rate_hz) == (second.n_bits, second.rate_hz)
            for plane in ("signs", "known", "weak"):
                assert np.array_equal(getattr(first, plane), getattr(second, plane))


def test_a_cache_that_cannot_be_kept_is_said_before_anything_is_decoded(copied, monkeypatch):
    monkeypatch.setattr(search, "sign", lambda *_: pytest.fail("decoded"))
    (copied[1].folder / "leaks-cache").write_text("in the way")
    with pytest.raises(MachineError, match="leaks-cache") as caught:
        find_shared(*copied, workers=1)
    assert caught.value.code == "MER-C383"


def test_without_a_cache_nothing_is_written(shelf):
    before = sorted(shelf.a.iterdir())
    find_shared(Corpus.read(shelf.a), Corpus.read(shelf.a), workers=2, cache=False)
    assert sorted(shelf.a.iterdir()) == before


# -- the note in the manifest ------------------------------------------------------------------------------------------


def test_seen_in_is_noted_and_all_else_is_kept(copied, making):
    a, b = copied
    rows = [
        {"name": "one", "video": "one.mp4", "mood": "calm", "seen_in": "old"},
        {"name": "two", "video": "two.mp4", "mood": "merry", "seen_in": "old"},
        {"name": "four", "video": "four.mp4", "mood": "", "seen_in": ""},
    ]
    making.write_corpus(a.folder, rows)
    a = Corpus.read(a.folder)
    found = find_shared(a, b, workers=2)
    write_seen_in(a, found)
    again = Corpus.read(a.folder)
    assert again.seen_in == ("beta",)
    with (a.folder / "clips.csv").open(newline="") as file:
        table = {row["name"]: row for row in csv.DictReader(file)}
    assert {name: row["seen_in"] for name, row in table.items()} == {"one": "old", "two": "old;beta", "four": "beta"}
    assert [row["mood"] for row in table.values()] == ["calm", "merry", ""]
    write_seen_in(again, found)
    assert Corpus.read(a.folder) == again


def test_nothing_shared_nothing_written(copied, making):
    a, b = copied
    making.write_corpus(b.folder, [{"name": "own1", "video": "own1.mp4"}])
    before = (a.folder / "clips.csv").read_bytes(), (a.folder / "corpus.yaml").read_bytes()
    write_seen_in(a, find_shared(a, Corpus.read(b.folder), workers=2))
    assert ((a.folder / "clips.csv").read_bytes(), (a.folder / "corpus.yaml").read_bytes()) == before


def test_corpora_of_one_name_cannot_be_noted(copied, making):
    a, b = copied
    making.write_corpus(b.folder, [{"name": "x7", "video": "x7.mp4"}], name="alpha")
    with pytest.raises(CorpusError, match="alpha") as caught:
        write_seen_in(a, find_shared(a, Corpus.read(b.folder), workers=2))
    assert caught.value.code == "MER-C381"


@pytest.mark.parametrize("options", [{"workers": 0}, {"timeout_s": 0.0}, {"timeout_s": float("nan")}])
def test_options_must_be_positive(options, shelf):
    a = Corpus.read(shelf.a)
    with pytest.raises(ConfigError) as caught:
        find_shared(a, a, **options)
    assert caught.value.code == "MER-C380"
