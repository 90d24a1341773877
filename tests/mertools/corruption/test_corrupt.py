"""A whole corpus: the sound as chosen, the picture as blurred, bad clips told apart, nothing done twice."""

from __future__ import annotations

import errno
import shutil

import av
import cv2
import numpy as np
import pytest

from mertools import Corpus
from mertools.corpus import Terms
from mertools.corruption import Settings, corrupt, draw
from mertools.corruption import clip as clip_module
from mertools.corruption.journal import Journal
from mertools.errors import ConfigError, CorpusError, MachineError
from mertools.media import probe, read_audio, read_frames
from mertools.targets import Target


@pytest.fixture(scope="module")
def made(few, noise, tmp_path_factory):
    """The few clips, corrupted with two workers."""
    out = tmp_path_factory.mktemp("made") / "out"
    return corrupt(few, out, Settings(seed=5), noise=noise, workers=2)


def sounds(folder, make, names=None):
    rows = make.manifest(folder)
    return {n: (folder / row["audio"]).read_bytes() for n, row in rows.items() if row["audio"] and n in (names or rows)}


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


def through_420(pixels):
    """What a codec of colour at half resolution can keep at best."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(format="yuv420p")
    return frame.to_ndarray(format="rgb24")


# -- sound -------------------------------------------------------------------------------------------------------


def test_sound_is_the_recorded_mixture_at_the_recorded_ratio(made, few, noise, make):
    rows = make.manifest(made.out)
    for clip in few.clips:
        row = rows[clip.name]
        if clip.name == "film":
            continue
        assert float(row["snr_db"]) == draw(clip.name, Settings(seed=5)).snr_db
        assert abs(float(row["measured_snr_db"]) - float(row["snr_db"])) < 0.01
        clean = (read_audio(clip.sound).samples * 32768).astype(float)
        joined = np.concatenate([make.read_wav(noise / name) for name in row["noise_files"].split(";")])
        added = joined[int(row["noise_offset"]) :][: len(clean)] * float(row["gain"])
        ratio_db = 20 * np.log10(np.sqrt(np.mean(clean**2)) / np.sqrt(np.mean(added**2)))
        assert abs(ratio_db - float(row["snr_db"])) < 0.01
        expected = np.trunc((clean + added) * float(row["scale"]))
        found = make.read_wav(made.out / row["audio"])
        assert len(found) == len(clean)
        assert np.abs(found - expected).max() <= 1
        assert (row["clipped"] == "true") == (float(row["scale"]) != 1)


def test_movie_carries_the_same_sound_in_step(made, make):
    for name, row in make.manifest(made.out).items():
        if not row["video"] or not row["audio"]:
            continue
        info = probe(made.out / row["video"])
        assert (info.audio.codec, info.audio.rate_hz, info.audio.channels) == ("aac", 16000, 1)
        exact = make.read_wav(made.out / row["audio"]).astype(float)
        lossy = read_audio(made.out / row["video"]).samples[: len(exact)].astype(float)
        lags = range(-40, 41)
        likeness = [np.dot(exact[100:-100], np.roll(lossy, lag)[100:-100]) for lag in lags]
        assert lags[int(np.argmax(likeness))] == 0, name


def test_workers_order_and_selection_change_no_byte_of_sound(made, few, noise, make, tmp_path):
    backwards = Corpus(few.name, tmp_path / "b", few.clips[::-1], few.media_root, few.splits, few.targets)
    corrupt(backwards, tmp_path / "one", Settings(seed=5), noise=noise, workers=1)
    assert sounds(tmp_path / "one", make) == sounds(made.out, make)
    corrupt(few, tmp_path / "test1", Settings(seed=5), noise=noise, splits=["test1"], workers=1)
    assert set(make.manifest(tmp_path / "test1")) == {"clip2", "clip3", "film"}
    assert sounds(tmp_path / "test1", make) == sounds(made.out, make, {"clip2", "clip3"})
    chosen = ("snr_db", "blur", "noise_files", "noise_offset", "gain", "scale", "seed", "source_digest")
    first, second = make.manifest(made.out), make.manifest(tmp_path / "one")
    assert {n: [row[c] for c in chosen] for n, row in first.items()} == {
        n: [row[c] for c in chosen] for n, row in second.items()
    }


def test_another_seed_gives_other_noise(made, few, noise, make, tmp_path):
    corrupt(few, tmp_path / "out", Settings(seed=6), noise=noise, splits=["train"])
    ours, theirs = sounds(tmp_path / "out", make), sounds(made.out, make)
    assert len(ours) == 3
    assert all(ours[name] != theirs[name] for name in ours)


def test_stereo_sound_of_another_rate_becomes_mono_16_khz(noise, make, tmp_path):
    seconds = np.arange(22050) / 44100
    stereo = np.stack([9000 * np.sin(2 * np.pi * 300 * seconds)] * 2, 1).astype(np.int16)
    make.wav(tmp_path / "raw" / "a.wav", stereo, 44100)
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "audio": "a.wav"}], tmp_path / "raw")
    corrupt(corpus, tmp_path / "out", Settings(snr_db=(40,)), noise=noise)
    found = make.read_wav(tmp_path / "out" / "media" / "a.wav")
    assert len(found) == pytest.approx(8000, abs=1)
    expected = 9000 * np.sin(2 * np.pi * 300 * np.arange(len(found)) / 16000)
    assert np.corrcoef(found[200:-200], expected[200:-200])[0, 1] > 0.999


def test_silent_sound_is_left_as_it_is_and_on_record(noise, make, tmp_path):
    quiet = np.full(4000, 3, np.int16)
    make.wav(tmp_path / "raw" / "quiet.wav", quiet)
    corpus = make.corpus(tmp_path / "c", [{"name": "quiet", "audio": "quiet.wav"}], tmp_path / "raw")
    summary = corrupt(corpus, tmp_path / "out", noise=noise)
    row = make.manifest(tmp_path / "out")["quiet"]
    assert not summary.failed
    assert row["corruption_status"] == "ok"
    assert "silent" in row["corruption_reason"]
    assert row["snr_db"] == row["noise_files"] == row["measured_snr_db"] == ""
    np.testing.assert_array_equal(make.read_wav(tmp_path / "out" / row["audio"]), quiet)


# -- picture -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4])
def test_every_frame_is_blurred_and_keeps_its_time(noise, make, tmp_path, factor):
    frames = make.pictures(20, 64, 96)
    make.movie(tmp_path / "raw" / "a.mkv", frames, make.speech(0.8))
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "video": "a.mkv"}], tmp_path / "raw")
    corrupt(corpus, tmp_path / "out", Settings(blur=(factor,)), noise=noise)
    found = read_frames(tmp_path / "out" / "media" / "a.mp4")
    source = read_frames(tmp_path / "raw" / "a.mkv")
    np.testing.assert_allclose(found.times_s, source.times_s, atol=1e-3)
    for picture, original in zip(found.pixels, frames, strict=True):
        candidates = {}
        for levels in range(4):
            expected = original
            for _ in range(levels):
                expected = cv2.pyrDown(expected)
            for _ in range(levels):
                expected = cv2.pyrUp(expected)
            candidates[2**levels] = psnr(picture, through_420(expected))
        assert candidates.pop(factor) > max(39, *(value + 6 for value in candidates.values()))


def test_a_picture_that_stays_is_copied_not_encoded_again(noise, make, tmp_path):
    make.movie(tmp_path / "raw" / "a.mp4", make.pictures(30), codec="libx264")
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "video": "a.mp4"}], tmp_path / "raw")
    corrupt(corpus, tmp_path / "out", Settings(blur=(1,)), noise=noise)
    before, after = (read_frames(p) for p in (tmp_path / "raw" / "a.mp4", tmp_path / "out" / "media" / "a.mp4"))
    np.testing.assert_array_equal(before.pixels, after.pixels)
    np.testing.assert_allclose(before.times_s, after.times_s, atol=1e-3)


def test_a_copy_that_looks_otherwise_is_not_kept(noise, make, tmp_path, monkeypatch):
    other = make.movie(tmp_path / "other.mp4", make.pictures(30, seed=9), codec="libx264")
    frames = make.pictures(30)
    make.movie(tmp_path / "raw" / "a.mp4", frames, codec="libx264")
    real = clip_module.copy_movie
    monkeypatch.setattr(clip_module, "copy_movie", lambda file, source, sound: real(file, other, sound))
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "video": "a.mp4"}], tmp_path / "raw")
    corrupt(corpus, tmp_path / "out", Settings(blur=(1,)), noise=noise)
    before, after = (read_frames(p) for p in (tmp_path / "raw" / "a.mp4", tmp_path / "out" / "media" / "a.mp4"))
    assert psnr(after.pixels, before.pixels) > 34
    assert psnr(after.pixels, read_frames(other).pixels) < 20
    assert not list((tmp_path / "out" / "media").glob(".*"))


@pytest.mark.parametrize(("size", "factor", "expected"), [
    ("source", 1, (36, 54)), ("source", 4, (36, 54)), ("reference", 1, (36, 54)), ("reference", 4, (36, 56)),
])  # fmt: skip
def test_odd_sizes_become_even(noise, make, tmp_path, size, factor, expected):
    make.movie(tmp_path / "raw" / "a.mkv", make.pictures(3, 35, 53))
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "video": "a.mkv"}], tmp_path / "raw")
    corrupt(corpus, tmp_path / "out", Settings(blur=(factor,), size=size), noise=noise)
    assert read_frames(tmp_path / "out" / "media" / "a.mp4").pixels.shape == (3, *expected, 3)


def test_an_image_stays_an_image_of_its_size_with_its_sound_beside(noise, make, tmp_path):
    picture = make.pictures(1, 35, 53)[0]
    raw = tmp_path / "raw"
    raw.mkdir()
    cv2.imwrite(str(raw / "a.png"), picture[..., ::-1])
    shutil.copy(raw / "a.png", raw / "b.png")
    make.wav(raw / "a.wav", make.speech(0.5))
    rows = [{"name": "a", "video": "a.png", "audio": "a.wav"}, {"name": "b", "video": "b.png"}]
    corpus = make.corpus(tmp_path / "c", rows, raw)
    summary = corrupt(corpus, tmp_path / "out", Settings(blur=(2,)), noise=noise)
    assert not summary.failed
    found = cv2.imread(str(tmp_path / "out" / "media" / "a.png"))[..., ::-1]
    np.testing.assert_array_equal(found, cv2.pyrUp(cv2.pyrDown(picture))[:35, :53])
    rows = make.manifest(tmp_path / "out")
    assert (rows["a"]["video"], rows["a"]["audio"]) == ("media/a.png", "media/a.wav")
    assert (rows["b"]["video"], rows["b"]["audio"]) == ("media/b.png", "")


# -- what may be left out ------------------------------------------------------------------------------------------


def test_a_film_without_sound_is_blurred_only(made, make):
    row = make.manifest(made.out)["film"]
    assert row["audio"] == row["snr_db"] == ""
    assert row["blur"] in "124"
    assert "no sound" in row["corruption_reason"]
    assert probe(made.out / row["video"]).audio is None


def test_a_sound_without_picture_becomes_a_wav(made, make):
    row = make.manifest(made.out)["voice"]
    assert (row["video"], row["audio"], row["blur"]) == ("", "media/voice.wav", "")


def test_a_film_that_holds_only_sound_is_treated_as_sound(noise, make, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    with av.open(str(raw / "a.mp4"), "w") as out:
        audio = out.add_stream("aac", rate=16000, layout="mono")
        samples = (make.speech(0.5) / 32768).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        out.mux(audio.encode(frame))
        out.mux(audio.encode())
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "video": "a.mp4"}], raw)
    summary = corrupt(corpus, tmp_path / "out", noise=noise)
    row = make.manifest(tmp_path / "out")["a"]
    assert not summary.failed
    assert (row["video"], row["audio"], row["blur"]) == ("", "media/a.wav", "")
    assert row["snr_db"]
    assert "no picture" in row["corruption_reason"]
    assert corrupt(corpus, tmp_path / "out", noise=noise).n_skipped == 1


def test_audio_only_leaves_the_picture(few, noise, make, tmp_path):
    corrupt(few, tmp_path / "out", Settings(picture=False), noise=noise, splits=["test1"])
    rows = make.manifest(tmp_path / "out")
    assert {row["blur"] for row in rows.values()} == {""}
    found = read_frames(tmp_path / "out" / rows["clip2"]["video"]).pixels
    source = read_frames(few.clip("clip2").video).pixels
    assert psnr(found, np.stack([through_420(p) for p in source])) > 42


def test_blur_only_leaves_the_sound_and_needs_no_noise(few, make, tmp_path):
    corrupt(few, tmp_path / "out", Settings(noise=False), splits=["train"])
    rows = make.manifest(tmp_path / "out")
    assert {row["snr_db"] for row in rows.values()} == {""}
    for name, row in rows.items():
        clean = np.rint(read_audio(few.clip(name).sound).samples * 32768)
        np.testing.assert_array_equal(make.read_wav(tmp_path / "out" / row["audio"]), clean)


def test_aac_alone_leaves_no_wav_beside_movies(few, noise, make, tmp_path):
    corrupt(few, tmp_path / "out", Settings(seed=5), noise=noise, splits=["train"])
    corrupt(few, tmp_path / "out", Settings(seed=5, audio="aac"), noise=noise, splits=["train"])
    assert {p.name for p in (tmp_path / "out" / "media").iterdir()} == {"clip0.mp4", "clip1.mp4", "voice.wav"}
    assert make.manifest(tmp_path / "out")["clip0"]["audio"] == ""


def test_clips_within_longer_media_come_out_alone(noise, make, tmp_path):
    frames, sound = make.pictures(50), make.speech(2.0)
    make.movie(tmp_path / "raw" / "long.mkv", frames, sound)
    rows = [
        {"name": "early", "video": "long.mkv", "start": "", "end": "0.8"},
        {"name": "late", "video": "long.mkv", "start": "1.2", "end": ""},
    ]
    corpus = make.corpus(tmp_path / "c", rows, tmp_path / "raw")
    corrupt(corpus, tmp_path / "out", Settings(snr_db=(40,), blur=(1,)), noise=noise)
    found = make.manifest(tmp_path / "out")
    for name, part, pieces in (("early", slice(0, 20), slice(0, 12800)), ("late", slice(30, 50), slice(19200, 32000))):
        row = found[name]
        assert (row["start"], row["end"]) == ("", "")
        movie = read_frames(tmp_path / "out" / row["video"])
        assert psnr(movie.pixels, np.stack([through_420(p) for p in frames[part]])) > 42
        assert movie.times_s[0] == 0
        noisy = make.read_wav(tmp_path / "out" / row["audio"])
        assert np.corrcoef(noisy, sound[pieces])[0, 1] > 0.999
    assert (found["late"]["source_start"], found["early"]["source_end"]) == ("1.2", "0.8")
    assert len(Corpus.read(tmp_path / "out")) == 2


def test_sound_that_starts_after_the_picture_stays_in_step(noise, make, tmp_path):
    path = tmp_path / "raw" / "a.mkv"
    frames, sound = make.pictures(25), make.speech(0.5)
    path.parent.mkdir()
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        for picture in frames:
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16000, 8000
        out.mux(audio.encode(frame))
        out.mux(audio.encode())
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "video": "a.mkv"}], tmp_path / "raw")
    corrupt(corpus, tmp_path / "out", Settings(blur=(2,), snr_db=(40,)), noise=noise)
    found = make.read_wav(tmp_path / "out" / "media" / "a.wav")
    late = round(read_audio(path).start_s * 16000)
    assert late == pytest.approx(8000, abs=400)
    assert not found[: late - 20].any()
    assert np.corrcoef(found[late:], sound)[0, 1] > 0.999


# -- the manifest --------------------------------------------------------------------------------------------------


def test_all_columns_splits_and_targets_are_kept(made, few):
    corpus = Corpus.read(made.out)
    assert corpus.name == "made-noise"
    assert (corpus.splits, corpus.targets, corpus.terms) == (few.splits, few.targets, few.terms)
    assert corpus.seen_in == ("made",)
    assert [c.name for c in corpus.clips] == [c.name for c in few.clips]
    for old, new in zip(few.clips, corpus.clips, strict=True):
        assert new.split == old.split
        assert {c: new.cells[c] for c in ("text", "discrete", "mood")} == {
            c: old.cells[c] for c in ("text", "discrete", "mood")
        }
        assert new.cells["corrupted_from"] == f"made/{old.name}"
        assert new.cells["seed"] == "5"
        assert all(path.is_file() for path in (new.video, new.audio) if path is not None)


def test_annotations_over_time_and_other_sounds(noise, make, tmp_path):
    raw = tmp_path / "raw"
    make.wav(raw / "a.wav", make.speech(0.3))
    (raw / "a.csv").write_text("frame,valence\n0,0.5\n")
    rows = [
        {"name": "a", "audio": "a.wav", "audio_denoised": "a.wav", "labels": "a.csv"},
        {"name": "b", "audio": "a.wav", "audio_denoised": "", "labels": "gone.csv"},
        {"name": "c", "audio": "a.wav", "audio_denoised": "", "labels": "../secret.csv"},
    ]
    (tmp_path / "secret.csv").write_text("not of this corpus")
    corpus = make.corpus(tmp_path / "c", rows, raw, targets=(Target("valence", "value", per="frame"),))
    summary = corrupt(corpus, tmp_path / "out", noise=noise)
    found = make.manifest(tmp_path / "out")
    assert (tmp_path / "out" / found["a"]["labels"]).read_text() == "frame,valence\n0,0.5\n"
    assert found["b"]["labels"] == found["c"]["labels"] == found["a"]["audio_denoised"] == ""
    sounds_warning, labels_warning = summary.warnings
    assert "audio_denoised" in sounds_warning
    assert "2 clips" in labels_warning
    assert "b, c" in labels_warning


def test_bad_clips_get_a_row_with_the_reason_and_the_others_go_on(noise, make, tmp_path):
    raw = tmp_path / "raw"
    whole = make.movie(raw / "good.mkv", make.pictures(12), make.speech(0.48)).read_bytes()
    (raw / "cut.mkv").write_bytes(whole[: len(whole) // 3])
    (raw / "junk.mp4").write_bytes(b"this is no film" * 100)
    (raw / "empty.mp4").touch()
    rows = [{"name": n, "video": f"{n}.{s}"} for n, s in (("good", "mkv"), ("junk", "mp4"), ("empty", "mp4"))]
    rows += [{"name": "gone", "audio": "gone.wav"}, {"name": "cut", "video": "cut.mkv"}, {"name": "words", "text": "x"}]
    corpus = make.corpus(tmp_path / "c", rows, raw)
    summary = corrupt(corpus, tmp_path / "out", noise=noise, workers=2)
    found = make.manifest(tmp_path / "out")
    statuses = {name: row["corruption_status"] for name, row in found.items()}
    assert statuses == {
        **{"good": "ok", "words": "ok", "junk": "decode_error", "empty": "decode_error"},
        **{"gone": "missing", "cut": "decode_error"},
    }
    assert (summary.n_done, set(summary.failed)) == (2, {"junk", "empty", "gone", "cut"})
    assert found["gone"]["corruption_reason"].startswith("MER-M001 gone.wav does not exist.")
    assert found["junk"]["video"] == found["gone"]["audio"] == ""
    assert {p.name for p in (tmp_path / "out" / "media").iterdir()} == {"good.mp4", "good.wav"}
    assert len(Corpus.read(tmp_path / "out")) == 6


def test_a_clip_that_fails_later_keeps_what_was_made_of_it(few, noise, make, tmp_path):
    raw = tmp_path / "raw"
    make.wav(raw / "a.wav", make.speech(0.3))
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "audio": "a.wav"}], raw)
    corrupt(corpus, tmp_path / "out", noise=noise)
    (raw / "a.wav").rename(raw / "away.wav")
    assert set(corrupt(corpus, tmp_path / "out", noise=noise).failed) == {"a"}
    (raw / "away.wav").rename(raw / "a.wav")
    assert corrupt(corpus, tmp_path / "out", noise=noise).n_skipped == 1
    assert make.manifest(tmp_path / "out")["a"]["corruption_status"] == "ok"


# -- again ---------------------------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again(few, noise, make, tmp_path):
    out = tmp_path / "out"
    first = corrupt(few, out, noise=noise, splits=["train"])
    content = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in (out / "media").iterdir()}
    rows = (out / "clips.csv").read_bytes()
    again = corrupt(few, out, Settings(snr_db=(5.0, 6.0, 7.0, 8.0, 9.0, 10.0)), noise=noise, splits=["train"])
    assert (first.n_done, first.n_skipped, again.n_done, again.n_skipped) == (3, 0, 0, 3)
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in (out / "media").iterdir()} == content
    assert (out / "clips.csv").read_bytes() == rows
    assert not list(out.glob("*.old"))


def test_what_is_damaged_gone_or_changed_is_done_again(noise, make, tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    for name in "abcd":
        make.wav(raw / f"{name}.wav", make.speech(0.3, ord(name)))
    corpus = make.corpus(tmp_path / "c", [{"name": n, "audio": f"{n}.wav"} for n in "abcd"], raw)
    corrupt(corpus, out, noise=noise)
    content = {p.name: p.read_bytes() for p in (out / "media").iterdir()}
    (out / "media" / "a.wav").write_bytes(content["a.wav"][:50])
    (out / "media" / "b.wav").unlink()
    make.wav(raw / "c.wav", make.speech(0.3, 7))
    again = corrupt(corpus, out, noise=noise)
    assert (again.n_done, again.n_skipped) == (3, 1)
    found = {p.name: p.read_bytes() for p in (out / "media").iterdir()}
    assert {n for n in found if found[n] != content[n]} == {"c.wav"}


@pytest.mark.parametrize("change", [
    {"seed": 1}, {"snr_db": (15.0,)}, {"blur": (8,)}, {"size": "reference"}, {"audio": "aac"}, {"picture": False},
], ids=str)  # fmt: skip
def test_other_settings_do_it_again(few, noise, make, tmp_path, change):
    out = tmp_path / "out"
    corrupt(few, out, noise=noise, splits=["train"])
    again = corrupt(few, out, Settings(**change), noise=noise, splits=["train"])
    fresh = corrupt(few, tmp_path / "fresh", Settings(**change), noise=noise, splits=["train"])
    assert again.n_done == fresh.n_done == 3
    assert make.manifest(out) == make.manifest(tmp_path / "fresh")
    assert sounds(out, make) == sounds(tmp_path / "fresh", make)


def test_other_noise_does_it_again(few, make, tmp_path):
    make.wav(tmp_path / "noise" / "a.wav", make.hiss(1.0))
    corrupt(few, tmp_path / "out", noise=tmp_path / "noise", splits=["train"])
    make.wav(tmp_path / "noise" / "a.wav", make.hiss(1.0, 1))
    assert corrupt(few, tmp_path / "out", noise=tmp_path / "noise", splits=["train"]).n_done == 3


def test_files_replaced_by_a_run_that_died_are_not_taken_for_the_old_ones(noise, make, tmp_path, monkeypatch):
    make.wav(tmp_path / "raw" / "a.wav", make.speech(0.5))
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "audio": "a.wav"}], tmp_path / "raw")
    out = tmp_path / "out"
    corrupt(corpus, out, Settings(seed=1), noise=noise)
    before = (out / "media" / "a.wav").read_bytes()

    def die(journal, clip):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", die)
        with pytest.raises(RuntimeError, match="killed"):
            corrupt(corpus, out, Settings(seed=2), noise=noise)
    assert (out / "media" / "a.wav").read_bytes() != before
    assert corrupt(corpus, out, Settings(seed=1), noise=noise).n_done == 1
    assert (out / "media" / "a.wav").read_bytes() == before


def test_an_edited_manifest_is_kept_beside_the_new_one(few, noise, tmp_path):
    out = tmp_path / "out"
    corrupt(few, out, noise=noise, splits=["train"])
    edited = (out / "corpus.yaml").read_text() + "# my note\n"
    (out / "corpus.yaml").write_text(edited)
    corrupt(few, out, noise=noise, splits=["train"])
    assert (out / "corpus.yaml.old").read_text() == edited
    assert "my note" not in (out / "corpus.yaml").read_text()


# -- refusals ------------------------------------------------------------------------------------------------------


def refused(code, *arguments, **options):
    with pytest.raises((CorpusError, ConfigError)) as caught:
        corrupt(*arguments, **options)
    assert caught.value.code == code
    return caught.value


def test_a_corpus_that_may_not_be_edited_is_refused(noise, make, tmp_path):
    make.wav(tmp_path / "raw" / "a.wav", make.speech(0.3))
    terms = Terms(licence="MER EULA", may_edit=False)
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "audio": "a.wav"}], tmp_path / "raw", terms=terms)
    error = refused("MER-C350", corpus, tmp_path / "out", noise=noise)
    assert "MER EULA" in error.message
    assert "may_edit: true" in error.hint
    assert str(tmp_path / "c" / "corpus.yaml") in error.hint
    assert not (tmp_path / "out").exists()


def test_noise_must_be_named_and_numbers_make_sense(few, noise, tmp_path):
    refused("MER-C361", few, tmp_path / "out")
    refused("MER-C354", few, tmp_path / "out", noise=tmp_path / "absent")
    refused("MER-C362", few, tmp_path / "out", noise=noise, workers=-1)
    refused("MER-C362", few, tmp_path / "out", noise=noise, timeout_s=0)
    refused("MER-C002", few, tmp_path / "out", noise=noise, splits=["trian"])
    assert not (tmp_path / "out").exists()


def test_folders_where_something_would_be_lost_are_refused(noise, make, tmp_path):
    raw = tmp_path / "raw"
    make.wav(raw / "media" / "a.wav", make.speech(0.3))
    corpus = make.corpus(tmp_path / "c", [{"name": "a", "audio": "media/a.wav"}], raw)
    before = (raw / "media" / "a.wav").read_bytes()
    refused("MER-C359", corpus, tmp_path / "c", noise=noise)
    refused("MER-C359", corpus, raw, noise=noise)
    refused("MER-C359", corpus, noise / "out", noise=noise)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "corpus.yaml").write_text("name: other\n")
    refused("MER-C359", corpus, tmp_path / "other", noise=noise)
    corrupt(corpus, tmp_path / "out", noise=noise)
    refused("MER-C359", Corpus.read(tmp_path / "out"), tmp_path / "out", noise=noise)
    assert (raw / "media" / "a.wav").read_bytes() == before


def test_a_name_too_long_for_a_file_is_refused(noise, make, tmp_path):
    make.wav(tmp_path / "raw" / "a.wav", make.speech(0.3))
    corpus = make.corpus(tmp_path / "c", [{"name": "n" * 250, "audio": "a.wav"}], tmp_path / "raw")
    refused("MER-C360", corpus, tmp_path / "out", noise=noise)


def test_two_runs_do_not_share_a_folder(few, noise, tmp_path):
    with Journal(tmp_path / "out"):
        refused("MER-C358", few, tmp_path / "out", noise=noise)
    assert corrupt(few, tmp_path / "out", noise=noise, splits=["train"]).n_done == 3


def test_all_of_musan_earns_a_warning(few, make, tmp_path):
    for part in ("music", "noise", "speech"):
        make.wav(tmp_path / "musan" / part / "a.wav", make.hiss(0.5))
    summary = corrupt(few, tmp_path / "out", noise=tmp_path / "musan", splits=["train"])
    assert "speech alone" in summary.warnings[0]


def test_a_full_disk_stops_the_run_and_what_is_done_stays(few, noise, make, tmp_path, monkeypatch):
    real = clip_module.write_wav

    def full(file, sound):
        if "clip1" in file.name:
            file.write(b"RIFF")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, sound)

    monkeypatch.setattr(clip_module, "write_wav", full)
    with pytest.raises(MachineError) as caught:
        corrupt(few, tmp_path / "out", noise=noise, workers=1)
    assert caught.value.code == "MER-O002"
    media = tmp_path / "out" / "media"
    assert not list(media.glob(".*"))
    assert not (media / "clip1.wav").exists()
    assert not (tmp_path / "out" / "clips.csv").exists()
    monkeypatch.undo()
    corrupt(few, tmp_path / "out", noise=noise)
    corrupt(few, tmp_path / "fresh", noise=noise)
    assert sounds(tmp_path / "out", make) == sounds(tmp_path / "fresh", make)
    assert make.manifest(tmp_path / "out") == make.manifest(tmp_path / "fresh")


def test_a_torn_line_of_the_journal_costs_only_its_clip(few, noise, tmp_path):
    out = tmp_path / "out"
    corrupt(few, out, noise=noise, splits=["train"])
    journal = out / "corruption.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    again = corrupt(few, out, noise=noise, splits=["train"])
    assert (again.n_done, again.n_skipped) == (1, 2)
    assert corrupt(few, out, noise=noise, splits=["train"]).n_skipped == 3
