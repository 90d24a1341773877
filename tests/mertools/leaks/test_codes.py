"""Codes of picture and sound: what they survive, and what gives no evidence."""

import numpy as np
import pytest

from mertools.leaks.bits import agreement
from mertools.leaks.picture import SIDE, block_means, picture_code
from mertools.leaks.sound import sound_code
from mertools.media import Audio, Frames, read_audio, read_frames


def picture_of(frames, times_s=None):
    times = np.arange(len(frames)) / 25 if times_s is None else times_s
    return picture_code(*block_means(Frames(np.stack(frames), times, np.arange(len(frames)))))


def read_picture(path):
    return picture_code(*block_means(read_frames(path)))


def sound_of(samples, start_s=0.0):
    return sound_code(Audio(samples, 16_000, start_s, float(np.sqrt(np.mean(samples**2)))))


def error_rate(a, b, shift=0):
    n_same, n_both = agreement(a, b, shift)
    assert n_both > 500
    return 1 - n_same / n_both


@pytest.fixture
def rng():
    return np.random.default_rng(11)


# -- picture -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "limit"),
    [
        ({}, 0.25),
        ({"blur": 4}, 0.25),
        ({"scale": 0.5}, 0.25),
        ({"letterbox": 0.12}, 0.3),
        ({"crop": 0.03}, 0.35),
        ({"fps": 20.0}, 0.3),
    ],
)
def test_the_picture_of_a_worse_copy_has_nearly_the_same_code(changes, limit, making, rng, tmp_path):
    first = making.write_clip(tmp_path / "a.mp4", making.film(rng, 5.0, side=192), None)
    worse = making.degrade(first, tmp_path / "b.mp4", making.Damage(**({"blur": 1} | changes)))
    assert error_rate(read_picture(first), read_picture(worse)) < limit


def test_unrelated_pictures_differ_in_half_of_their_bits(making, rng):
    a, b = (picture_of(making.film(rng, 12.0)) for _ in "ab")
    assert error_rate(a, b) == pytest.approx(0.5, abs=0.05)


def test_two_films_of_one_still_scene_do_not_agree(making, rng):
    scene = rng.uniform(0, 255, (12, 12, 1)).repeat(8, axis=0).repeat(8, axis=1)
    films = [[np.clip(0.7 * scene + 0.3 * f, 0, 255).astype(np.uint8) for f in making.film(rng, 12.0)] for _ in "ab"]
    assert error_rate(*map(picture_of, films)) == pytest.approx(0.5, abs=0.05)


ENCODERS = [("libx264", {"crf": "30", "g": "12"}), ("mpeg4", {"b": "150000"})]


@pytest.mark.parametrize(("codec", "options"), ENCODERS)
def test_still_and_black_pictures_give_no_evidence(codec, options, making, rng, tmp_path):
    still = making.film(rng, 0.04, side=192)[0]
    assert picture_of([still] * 100) is None
    for name, frame in (("still", still), ("black", np.zeros_like(still))):
        path = making.write_clip(tmp_path / f"{name}.mp4", [frame] * 75, None, codec=codec, options=options)
        assert read_picture(path) is None


@pytest.mark.parametrize(("codec", "options"), ENCODERS)
def test_the_flicker_of_one_noisy_still_does_not_agree_between_two_recordings(codec, options, making, rng, tmp_path):
    still = making.film(rng, 0.04, side=192)[0]
    codes = []
    for name in "ab":
        noisy = [np.clip(still + rng.normal(0, 8, still.shape), 0, 255).astype(np.uint8) for _ in range(300)]
        path = making.write_clip(tmp_path / f"{name}.mp4", noisy, None, codec=codec, options=options)
        codes.append(read_picture(path))
    n_same, n_both = agreement(*codes, 0) if None not in codes else (0, 0)
    assert n_both < 500 or n_same / n_both == pytest.approx(0.5, abs=0.04)


def test_frozen_seconds_say_nothing(making, rng):
    moving = making.film(rng, 4.0)
    code = picture_of([*moving, *[moving[-1]] * 100])
    known = code.known != 0
    assert known[8:56].all()
    assert not known[-40:].any()


@pytest.mark.parametrize("n_frames", [1, 2, 4])
def test_too_few_frames_give_no_evidence(n_frames, making, rng):
    assert picture_of(making.film(rng, 1.0)[:n_frames]) is None


def test_the_code_of_a_picture_does_not_depend_on_how_frames_arrive(making, rng):
    frames = np.stack(making.film(rng, 2.0))
    times = np.arange(len(frames)) / 25
    whole = block_means(Frames(frames, times, np.arange(50)))
    halves = [block_means(Frames(frames[s], times[s], np.arange(25))) for s in (slice(25), slice(25, None))]
    assert whole[0].shape == (50, SIDE, SIDE)
    assert np.array_equal(whole[0], np.concatenate([h[0] for h in halves]))


# -- sound -------------------------------------------------------------------------------------------------------------


def test_sound_survives_noise_gain_and_a_lossy_codec(making, rng, tmp_path):
    clean = making.voice(rng, 5.0)
    noise = making.voice(rng, 5.0)
    mixed = clean + noise * np.sqrt(np.mean(clean**2) / np.mean(noise**2)) / 10 ** (5 / 20)
    path = making.write_clip(tmp_path / "b.mp4", None, 0.3 * mixed)
    assert error_rate(sound_of(clean), sound_code(read_audio(path))) < 0.4
    assert error_rate(sound_of(clean), sound_of(0.1 * clean)) < 0.01


def test_unrelated_sounds_differ_in_half_of_their_bits(making, rng):
    a, b = (sound_of(making.voice(rng, 12.0)) for _ in "ab")
    assert error_rate(a, b) == pytest.approx(0.5, abs=0.04)


def test_rows_count_from_the_beginning_of_the_clip(making, rng):
    samples = making.voice(rng, 4.0)
    late = sound_of(samples[16_384:], start_s=16_384 / 16_000)
    assert error_rate(sound_of(samples), late) < 0.01


def test_silence_and_a_click_of_sound_give_no_evidence():
    assert sound_of(np.zeros(40_000, np.float32)) is None
    assert sound_of(np.full(3000, 0.5, np.float32)) is None
    assert sound_code(Audio(np.zeros(0, np.float32))) is None


def test_digital_silence_within_a_sound_says_nothing(making, rng):
    samples = making.voice(rng, 4.0)
    samples[32_000:] = 0
    code = sound_of(samples)
    assert (code.known[:100] != 0).all()
    assert not code.known[-50:].any()


def test_another_rate_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="16000"):
        sound_code(Audio(np.zeros(9000, np.float32), 8000))
