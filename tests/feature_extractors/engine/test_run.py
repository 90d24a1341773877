import shutil
from dataclasses import replace

import numpy as np
import pytest

from feature_extractors import extract
from feature_extractors.engine import estimate
from feature_extractors.engine.options import ExtractionOptions
from mertools.corpus import Corpus
from mertools.errors import ExtractionError, MachineError, MerToolsError
from mertools.media import DecoderPool

SMALL = {"group_clips": 3, "quiet": True, "device": "cpu", "flush_s": 0.0}


@pytest.fixture
def sessions(monkeypatch):
    """The clips that decoder sessions were opened for."""
    opened = []
    original = DecoderPool.session

    def session(self, source):
        opened.append(source)
        return original(self, source)

    monkeypatch.setattr(DecoderPool, "session", session)
    return opened


def test_every_clip_gets_a_row_and_a_second_run_reads_nothing(corpus, store, fakes, sessions):
    first = extract(corpus, fakes.names_of(corpus), store, **SMALL)
    assert first.status == {"ok": 35, "no_text": 1}
    assert (first.clips, first.extracted, first.rows) == (12, 12, 36)
    assert [space.fingerprint for space in first.spaces] == [store.space(s.extractor).fingerprint for s in first.spaces]
    assert len(sessions) == 12
    before = fakes.contents(store)
    fakes.CALLS.clear()
    sessions.clear()
    second = extract(corpus, fakes.names_of(corpus), store, **SMALL)
    assert (second.extracted, second.rows, second.status) == (0, 0, first.status)
    assert not sessions
    assert not fakes.CALLS
    assert fakes.contents(store) == before


def test_values_are_those_of_the_clips(corpus, store, fakes):
    extract(corpus, fakes.names_of(corpus), store, level="frame", **SMALL)
    for i, clip in enumerate(corpus.clips):
        pixels = np.load(corpus.media_root / "faces" / clip.name / f"{clip.name}.npy")
        rows = store.read("face/batchy", clip.name).values
        np.testing.assert_allclose(rows[:, 0], pixels.reshape(len(pixels), -1).mean(axis=1), rtol=1e-6)
        if i != 3:
            assert [chr(int(v)) for v in store.read("text/batchy", clip.name).values[:, 0]] == list(clip.text())


def test_what_is_left_does_not_change_the_batches(corpus, store, new_store, fakes):
    names = fakes.names_of(corpus)
    extract(corpus, names, store, **SMALL)
    piecewise = new_store("piecewise")
    extract(corpus, names[1:2], piecewise, limit=4, **SMALL)
    extract(corpus, names[:2], piecewise, split=["test"], **SMALL)
    extract(corpus, names, piecewise, limit=7, **SMALL)
    extract(corpus, names, piecewise, **SMALL)
    assert fakes.contents(piecewise) == fakes.contents(store)


def test_shards_together_are_the_whole(corpus, store, new_store, fakes):
    extract(corpus, fakes.names_of(corpus), store, **SMALL)
    sharded = new_store("sharded")
    parts = [extract(corpus, fakes.names_of(corpus), sharded, shard=f"{i}/3", **SMALL) for i in (3, 1, 2)]
    assert fakes.contents(sharded) == fakes.contents(store)
    assert sum(part.rows for part in parts) == 36


def test_limit_takes_whole_groups_in_the_order_of_work(corpus, store, fakes):
    summary = extract(corpus, ["audio/batchy"], store, limit=5, **SMALL)
    assert (summary.clips, summary.rows) == (5, 5)
    assert len(store.status("audio/batchy")) == 5


def test_retry_repeats_a_status_and_no_other(corpus, store, fakes):
    extract(corpus, ["text/batchy"], store, **SMALL)
    mended = replace(
        corpus, clips=tuple(replace(c, cells={**c.cells, "text": c.text() or "now there"}) for c in corpus.clips)
    )
    names = {clip for clip, (status, _) in store.status("text/batchy").items() if status == "no_text"}
    assert names == {"clip03"}
    again = extract(corpus, ["text/batchy"], store, retry=["no_text"], **SMALL)
    assert (again.rows, again.status["no_text"]) == (1, 1)
    assert extract(mended, ["text/batchy"], store, **SMALL).rows == 1
    assert store.status("text/batchy")["clip03"] == ("ok", "")


def test_changed_media_are_extracted_again_and_lost_media_are_not(corpus, store, fakes):
    extract(corpus, ["audio/batchy"], store, **SMALL)
    changed, lost = corpus.clips[5], corpus.clips[6]
    before = {clip.name: store.read("audio/batchy", clip.name).values.copy() for clip in (changed, lost)}
    fakes.write_wav(changed.audio, 0.5, level=0.9, seed=99)
    lost.audio.unlink()
    assert extract(corpus, ["audio/batchy"], store, **SMALL).rows == 1
    assert not np.array_equal(store.read("audio/batchy", changed.name).values, before[changed.name])
    np.testing.assert_array_equal(store.read("audio/batchy", lost.name).values, before[lost.name])


def test_a_missing_file_is_looked_for_again_when_it_is_there(corpus, store, fakes):
    clip = corpus.clips[2]
    kept = shutil.move(clip.audio, clip.audio.with_suffix(".kept"))
    assert extract(corpus, ["audio/batchy"], store, **SMALL).status == {"ok": 11, "missing": 1}
    assert "does not exist" in store.status("audio/batchy")[clip.name][1]
    shutil.move(kept, clip.audio)
    assert extract(corpus, ["audio/batchy"], store, **SMALL).status == {"ok": 12}


def test_utterance_rows_are_the_mean_of_frame_rows_made_before(corpus, store, new_store, fakes, sessions):
    direct = new_store("direct")
    extract(corpus, fakes.names_of(corpus), direct, **SMALL)
    extract(corpus, fakes.names_of(corpus), store, level="frame", **SMALL)
    sessions.clear()
    summary = extract(corpus, fakes.names_of(corpus), store, **SMALL)
    assert (summary.derived, summary.rows, summary.extracted) == (36, 36, 0)
    assert not sessions
    found = {key: value for key, value in fakes.contents(store).items() if key in fakes.contents(direct)}
    assert found == fakes.contents(direct)


def test_silent_and_empty_sounds_and_broken_files_have_their_status(tmp_path, corpus, store, fakes):
    media = corpus.media_root
    fakes.write_wav(corpus.clips[0].audio, 0.5, level=0.0)
    fakes.write_wav(corpus.clips[1].audio, 0.5, level=0.0015)  # RMS 0.00087
    fakes.write_wav(corpus.clips[2].audio, 0.5, level=0.0020)  # RMS 0.00115
    (media / "clip04.wav").write_bytes(b"")
    (media / "clip05.wav").write_bytes(b"RIFF but not really a wave file" * 50)
    extract(corpus, ["audio/batchy"], store, **SMALL)
    found = {clip: status for clip, (status, _) in store.status("audio/batchy").items()}
    expected = dict.fromkeys(found, "ok") | {
        "clip00": "silent",
        "clip01": "silent",
        "clip04": "decode_error",
        "clip05": "decode_error",
    }
    assert found == expected
    assert all(reason for status, reason in store.status("audio/batchy").values() if status != "ok")


def test_settings_make_spaces(corpus, store, fakes):
    for options in ({}, {"column": ["text_en"]}, {"level": "frame"}, {"precision": "bf16"}):
        extract(corpus, ["text/batchy"], store, **SMALL, **options)
    assert len(store.spaces()) == 4
    extract(corpus, ["text/solo"], store, **SMALL)
    assert extract(corpus, ["text/solo"], store, precision="bf16", **SMALL).rows == 0  # it does not compute on torch
    assert {s.spec.settings["column"] for s in store.spaces()} == {"text", "text_en"}


def test_a_part_of_a_file_is_known_by_its_part(tmp_path, store, fakes):
    sound = fakes.write_wav(tmp_path / "long.wav", 2.0)

    def corpus(end):
        clips = tuple(
            fakes.Clip(f"c{i}", "train", None, sound, {"start": str(i), "end": str(i + end)}) for i in range(2)
        )
        return Corpus("parts", tmp_path, clips, tmp_path, (fakes.Split("train"),))

    extract(corpus(0.5), ["audio/batchy"], store, **SMALL)
    assert store.read("audio/batchy", "c1").values[0, 1] * 3 == pytest.approx(8000, abs=4)
    assert extract(corpus(0.5), ["audio/batchy"], store, **SMALL).rows == 0
    assert extract(corpus(0.75), ["audio/batchy"], store, **SMALL).rows == 2


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["audio/bachy"], {}, "MER-K001"),
        (["audio/batchy:lenght=3"], {}, "MER-R003"),
        (["audio/batchy"], {"split": ["tran"]}, "MER-C002"),
        (["audio/batchy"], {"column": ["audio_clean"]}, "MER-E006"),
        (["face/batchy:crop=aligned-113"], {}, "MER-K001"),
        (["face/batchy:crop=openface-folder"], {}, "MER-E008"),
        (["face/batchy:fps=0"], {}, "MER-E009"),
        (["audio/batchy@1234"], {}, "MER-E007"),
        (["audio/batchy"], {"engine": "ray"}, "MER-E012"),
        (["audio/batchy"], {"device": "tpu9"}, "MER-O020"),
        ([], {}, "MER-E001"),
    ],
)
def test_wrong_wishes_are_refused_before_any_clip_is_touched(corpus, store, fakes, sessions, names, options, code):
    with pytest.raises(MerToolsError) as caught:
        extract(corpus, names, store, **{**SMALL, **options})
    assert caught.value.code == code
    assert not sessions
    assert not store.spaces()


def test_a_store_that_cannot_be_written_stops_the_run_with_one_paragraph(corpus, store, fakes, monkeypatch):
    from mertools.store.writer import Writer

    def full(self):
        raise MachineError("MER-O002", "the disk is full.")

    monkeypatch.setattr(Writer, "flush", full)
    with pytest.raises(MachineError, match="the disk is full"):
        extract(corpus, ["audio/batchy"], store, **SMALL)


def test_too_little_room_is_seen_beforehand(corpus, store, fakes, monkeypatch, sessions):
    usage = shutil.disk_usage(store.path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(MachineError) as caught:
        extract(corpus, ["audio/batchy"], store, **SMALL)
    assert caught.value.code == "MER-O021"
    assert not sessions


def test_an_extractor_that_always_fails_marks_no_clip(corpus, store, fakes):
    clips = tuple(fakes.Clip(f"c{i}", "train", None, None, {"text": "zz"}) for i in range(30))
    many = Corpus("many", corpus.folder, clips, corpus.media_root, (fakes.Split("train"),))
    with pytest.raises(ExtractionError, match="cannot read this"):
        extract(many, ["text/trouble:fails=z"], store, **{**SMALL, "group_clips": 30})
    assert store.status("text/trouble") == {}


def test_one_session_per_clip_feeds_all_extractors(corpus, store, fakes, sessions):
    folder = corpus.media_root / "faces"
    names = [f"face/plain:crop=openface-folder:folder={folder}", *fakes.names_of(corpus), "audio/prosody"]
    extract(corpus, names, store, **SMALL)
    assert len(sessions) == len(corpus)


def test_a_space_named_twice_is_filled_once(corpus, store, fakes):
    assert extract(corpus, ["text/batchy", "text/batchy"], store, **SMALL).rows == 12


def test_an_estimate_counts_exactly_and_leaves_the_store_alone(corpus, store, fakes):
    names = fakes.names_of(corpus)
    found = estimate(corpus, names, store, ExtractionOptions(**SMALL))
    assert (found.clips, found.rows) == (12, 36)
    assert found.gigabytes > 0
    assert found.seconds > 0
    assert 0 < found.measured_on <= 10
    assert store.spaces() == []
    seconds = sum({"8000": 0.25, "16000": 0.5, "24000": 0.75}[str(c.audio.stat().st_size - 44)] for c in corpus.clips)
    assert found.hours == pytest.approx(seconds / 3600)
    extract(corpus, names, store, **SMALL)
    assert estimate(corpus, names, store, ExtractionOptions(**SMALL)).clips == 0


def test_no_two_threads_read_npy_headers_at_once(corpus, store, fakes, monkeypatch):
    from feature_extractors.facetrack import shipped

    original, locked = np.load, []

    def load(*args, **options):
        locked.append(shipped.ONE_AT_A_TIME.locked())
        return original(*args, **options)

    monkeypatch.setattr(shipped.np, "load", load)
    extract(corpus, fakes.names_of(corpus)[:1], store, **SMALL)
    assert locked == [True] * len(corpus)
