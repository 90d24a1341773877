"""The noise folder: what is drawn, what is passed over, and that pieces fit together sample by sample."""

import numpy as np
import pytest

from mertools.corruption.noise import MOST_TRIES, NoisePool
from mertools.corruption.settings import Draws
from mertools.errors import CorpusError, MediaError


def joined(pool, cut, make):
    """The drawn files end to end, read here."""
    return np.concatenate([make.read_wav(pool.folder / name) for name in cut.files])


@pytest.mark.parametrize("n_samples", [1, 100, 6400, 11199, 20800, 70000])
def test_noise_is_a_piece_of_files_joined_until_longer_than_the_clip(noise, decoders, make, n_samples):
    pool = NoisePool(noise, decoders)
    for seed in range(10):
        cut = pool.cut(Draws(seed, "clip", "noise"), n_samples)
        whole = joined(pool, cut, make)
        assert len(whole) > n_samples
        assert len(whole) - len(make.read_wav(noise / cut.files[-1])) <= n_samples
        assert 0 <= cut.offset <= len(whole) - n_samples
        np.testing.assert_array_equal(cut.samples, whole[cut.offset : cut.offset + n_samples])


def test_every_file_and_both_ends_are_drawn(tmp_path, decoders, make):
    for name in "ab":
        make.wav(tmp_path / f"{name}.wav", make.hiss(0.1, ord(name)))
    pool = NoisePool(tmp_path, decoders)
    cuts = [pool.cut(Draws(seed, "clip", "noise"), 1598) for seed in range(100)]
    assert {cut.files for cut in cuts} == {("a.wav",), ("b.wav",)}
    assert {cut.offset for cut in cuts} == {0, 1, 2}


def test_other_rates_channels_and_formats_are_brought_to_mono_16_khz(tmp_path, decoders, make):
    seconds = np.arange(44100) / 44100
    left, right = (8000 * np.sin(2 * np.pi * hz * seconds) for hz in (500, 900))
    make.wav(tmp_path / "stereo.wav", np.stack([left, right], 1).astype(np.int16), 44100)
    cut = NoisePool(tmp_path, decoders).cut(Draws(1, "clip", "noise"), 15000)
    assert len(cut.samples) == 15000
    power = np.abs(np.fft.rfft(cut.samples * np.hanning(15000)))
    hz = np.fft.rfftfreq(15000, 1 / 16000)
    loud = hz[power > power.max() / 10]
    assert all(min(abs(f - 500), abs(f - 900)) < 5 for f in loud)
    assert min(abs(loud - 500)) < 2
    assert min(abs(loud - 900)) < 2


def test_silent_short_and_broken_files_are_passed_over_and_named(tmp_path, decoders, make):
    make.wav(tmp_path / "good.wav", make.hiss(0.5))
    make.wav(tmp_path / "quiet.wav", np.full(8000, 20, np.int16))
    make.wav(tmp_path / "zero.wav", np.zeros(8000, np.int16))
    make.wav(tmp_path / "short.wav", make.hiss(0.05))
    make.wav(tmp_path / "stereo_silence.wav", np.zeros((8000, 2), np.int16))
    (tmp_path / "broken.wav").write_bytes(b"RIFF what is this")
    (tmp_path / "empty.wav").touch()
    (tmp_path / ".hidden.wav").write_bytes(b"")
    (tmp_path / "README.txt").write_text("not noise")
    pool = NoisePool(tmp_path, decoders)
    for seed in range(20):
        assert set(pool.cut(Draws(seed, "clip", "noise"), 12000).files) == {"good.wav"}
    assert set(pool.passed_over) == set(pool.names) - {"good.wav"}
    assert pool.passed_over["zero.wav"] == pool.passed_over["quiet.wav"] == "silent"
    assert "shorter" in pool.passed_over["short.wav"]


def test_what_was_passed_over_before_does_not_change_what_is_drawn(tmp_path, decoders, make):
    for index in range(5):
        make.wav(tmp_path / f"{index}.wav", make.hiss(0.3, index) if index % 2 else np.zeros(4800, np.int16))
    first, second = NoisePool(tmp_path, decoders), NoisePool(tmp_path, decoders)
    first.check()
    for seed in range(30):
        first.cut(Draws(seed, "other", "noise"), 5000)
    a, b = (pool.cut(Draws(1, "clip", "noise"), 9000) for pool in (first, second))
    assert (a.files, a.offset) == (b.files, b.offset)
    np.testing.assert_array_equal(a.samples, b.samples)


@pytest.mark.parametrize("content", ["zero", "broken"])
def test_a_folder_without_one_usable_file_is_an_error(tmp_path, decoders, make, content):
    for index in range(3):
        path = make.wav(tmp_path / f"{index}.wav", np.zeros(8000, np.int16))
        if content == "broken":
            path.write_bytes(b"nothing")
    with pytest.raises(CorpusError) as caught:
        NoisePool(tmp_path, decoders).check()
    assert caught.value.code == "MER-C356"
    assert "0.wav" in caught.value.message


@pytest.mark.parametrize(("where", "code"), [("absent", "MER-C354"), ("file", "MER-C354"), ("empty", "MER-C355")])
def test_missing_and_empty_folders_are_errors(tmp_path, decoders, where, code):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").touch()
    with pytest.raises(CorpusError) as caught:
        NoisePool(tmp_path / where, decoders)
    assert caught.value.code == code
    assert str(tmp_path / where) in caught.value.message


def test_pauses_are_drawn_again_and_a_long_silence_is_given_up(tmp_path, decoders, make):
    loud = make.hiss(0.1, level=8000)
    make.wav(tmp_path / "a.wav", np.concatenate([np.zeros(1600, np.int16), loud]))
    pool = NoisePool(tmp_path, decoders)
    assert all(pool.cut(Draws(seed, "clip", "noise"), 1000).samples.any() for seed in range(30))
    make.wav(tmp_path / "a.wav", np.concatenate([[32000], np.zeros(100_000), [0]]).astype(np.int16))
    pool = NoisePool(tmp_path, decoders)
    with pytest.raises(MediaError, match=str(MOST_TRIES)) as caught:
        pool.cut(Draws(1, "clip", "noise"), 10)
    assert caught.value.code == "MER-C357"


def test_the_fingerprint_names_the_files(tmp_path, decoders, make):
    make.wav(tmp_path / "a.wav", make.hiss(0.2))
    first = NoisePool(tmp_path, decoders).fingerprint()
    assert first == NoisePool(tmp_path, decoders).fingerprint()
    make.wav(tmp_path / "a.wav", make.hiss(0.2, 1))
    second = NoisePool(tmp_path, decoders).fingerprint()
    make.wav(tmp_path / "b.wav", make.hiss(0.2))
    assert len({first, second, NoisePool(tmp_path, decoders).fingerprint()}) == 3


def test_decoded_files_are_kept_within_bounds(tmp_path, decoders, make):
    for index in range(4):
        make.wav(tmp_path / f"{index}.wav", np.stack([make.hiss(0.5, index)] * 2, 1))
    pool = NoisePool(tmp_path, decoders, hold_bytes=40_000)
    wide = NoisePool(tmp_path, decoders)
    for seed in range(10):
        a, b = (p.cut(Draws(seed, "clip", "noise"), 20_000) for p in (pool, wide))
        np.testing.assert_array_equal(a.samples, b.samples)
    assert sum(s.nbytes for s in pool._decoded.values()) <= 40_000
