"""Sound: rates, depths, channels, cuts, silence."""

import csv
import wave

import numpy as np
import pytest
import scipy.signal

from mertools.errors import MediaError
from mertools.media import Audio, is_silent, probe, read_audio
from mertools.media import audio as audio_module


def write_wav(path, channels, rate, depth):
    """An independent wav writer: `channels` (C, N) in [-1, 1], 8, 16, 24 or 32 bits."""
    values = np.clip(channels.T, -1, 1 - 2.0 ** (1 - depth))
    whole = np.round(values * 2.0 ** (depth - 1)).astype(np.int64)
    if depth == 8:
        data = (whole + 128).astype(np.uint8).tobytes()
    else:
        data = (
            np.ascontiguousarray(whole, dtype="<i4")
            .view(np.uint8)
            .reshape(*whole.shape, 4)[..., : depth // 8]
            .tobytes()
        )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(depth // 8)
        file.setframerate(rate)
        file.writeframes(data)
    return path


@pytest.mark.parametrize("depth", [8, 16, 24, 32])
def test_pcm_at_the_wanted_rate_comes_out_exact(tmp_path, make, depth):
    sound = make.tone(5000, 16000)
    audio = read_audio(write_wav(tmp_path / "a.wav", sound, 16000, depth))
    expected = np.round(sound[0].astype(np.float64) * 2.0 ** (depth - 1)) / 2.0 ** (depth - 1)
    np.testing.assert_array_equal(audio.samples, expected.astype(np.float32))
    assert audio.samples.dtype == np.float32
    assert audio.duration_s == 5000 / 16000


@pytest.mark.parametrize("n_channels", [1, 2, 3, 6])
def test_channels_are_averaged_with_equal_weight(tmp_path, n_channels):
    sound = np.random.default_rng(0).uniform(-0.9, 0.9, (n_channels, 4000))
    audio = read_audio(write_wav(tmp_path / "a.wav", sound, 16000, 16))
    np.testing.assert_allclose(audio.samples, sound.mean(axis=0), atol=2e-5)


@pytest.mark.parametrize("rate", [8000, 22050, 32000, 44100, 48000, 96000])
def test_resampling_keeps_a_tone_in_place(tmp_path, make, rate):
    audio = read_audio(write_wav(tmp_path / "a.wav", make.tone(rate, rate), rate, 16))
    assert abs(len(audio) - 16000) <= 1
    truth = make.tone(len(audio), 16000)[0]
    assert np.abs(audio.samples - truth)[200:-200].max() < 1e-3


def test_resampling_removes_what_the_new_rate_cannot_hold(tmp_path, make):
    audio = read_audio(write_wav(tmp_path / "a.wav", make.tone(48000, 48000, hz=11000), 48000, 16))
    assert np.abs(audio.samples[200:-200]).max() < 0.005


def test_resampling_agrees_with_scipy(tmp_path):
    rng = np.random.default_rng(1)
    noise = scipy.signal.lfilter(*scipy.signal.butter(4, 0.2), rng.normal(0, 0.2, 48000)).astype(np.float32)
    audio = read_audio(write_wav(tmp_path / "a.wav", noise[None], 48000, 16))
    other = scipy.signal.resample_poly(noise, 1, 3)
    assert np.abs(audio.samples - other[: len(audio)])[200:-200].max() < 5e-3


@pytest.mark.parametrize("n", [1, 2, 100])
def test_very_short_sound_is_no_error(tmp_path, make, n):
    assert len(read_audio(write_wav(tmp_path / "a.wav", make.tone(n, 16000) + 0.1, 16000, 16))) == n
    longer = read_audio(write_wav(tmp_path / "b.wav", make.tone(n, 48000) + 0.1, 48000, 16))
    assert abs(len(longer) - n / 3) <= 1


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.5), (None, 0.25), (1.75, None), (1.3, 1.4)])
def test_a_part_is_cut_to_the_sample(tmp_path, make, start, end):
    path = write_wav(tmp_path / "a.wav", np.linspace(-0.9, 0.9, 32000)[None], 16000, 16)
    whole, part = read_audio(path), read_audio(path, start_s=start, end_s=end)
    low, high = round((start or 0) * 16000), 32000 if end is None else round(end * 16000)
    np.testing.assert_array_equal(part.samples, whole.samples[low:high])
    assert part.start_s == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("name", ["a.m4a", "a.mp3", "a.flac", "a.wav"])
def test_seeking_gives_what_decoding_from_the_top_gives(tmp_path, make, monkeypatch, name):
    codecs = {"a.m4a": "aac", "a.mp3": "libmp3lame", "a.flac": "flac", "a.wav": "pcm_s16le"}
    formats = {"a.flac": "s16", "a.wav": "s16"}
    sweep = scipy.signal.chirp(np.arange(10 * 44100) / 44100, 100, 10, 5000)[None].astype(np.float32) / 2
    path = make.media(tmp_path / name, sound=sweep, audio_codec=codecs[name], sample_format=formats.get(name, "fltp"))
    sought = read_audio(path, start_s=6.0, end_s=7.0)
    monkeypatch.setattr(audio_module, "_seeks_before", lambda *_: False)
    from_the_top = read_audio(path, start_s=6.0, end_s=7.0)
    assert abs(len(sought) - len(from_the_top)) <= 1
    n = min(len(sought), len(from_the_top))
    assert np.abs(sought.samples[:n] - from_the_top.samples[:n]).max() < 1e-4


def test_sound_that_starts_late_says_so(real_data):
    audio = read_audio(real_data / "clips" / "pyfeat_face_noface.mov")
    assert audio.start_s == pytest.approx(107164 / 44100, abs=1e-3)


@pytest.mark.parametrize(("level", "silent"), [(0.0, True), (0.0009, True), (0.0011, False), (0.3, False)])
def test_silence_is_judged_by_root_mean_square(level, silent):
    assert is_silent(np.full(1000, level, np.float32)) is silent


def test_opposite_channels_are_no_silence(tmp_path, make):
    tone = make.tone(16000, 16000)[0]
    audio = read_audio(write_wav(tmp_path / "a.wav", np.stack([tone, -tone]), 16000, 16))
    assert np.abs(audio.samples).max() < 1e-4
    assert not is_silent(audio)
    assert audio.rms == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)


def test_no_samples_are_silent():
    assert is_silent(np.zeros(0, np.float32))
    assert is_silent(Audio(np.zeros(0, np.float32)))


def test_a_video_without_sound_has_no_audio_stream(tmp_path, make):
    with pytest.raises(MediaError, match="no audio stream") as caught:
        read_audio(make.media(tmp_path / "mute.mp4", make.ramp(5)))
    assert (caught.value.code, caught.value.status) == ("MER-M005", "no_audio_stream")


def test_a_part_beyond_the_end_is_an_error(tmp_path, make):
    path = write_wav(tmp_path / "a.wav", make.tone(16000, 16000), 16000, 16)
    with pytest.raises(MediaError, match="no sound between 4 s and 5 s") as caught:
        read_audio(path, start_s=4, end_s=5)
    assert caught.value.code == "MER-M008"


def test_real_clips_sound_as_loud_as_their_manifest_says(real_data):
    folder = real_data / "clips"
    for row in csv.DictReader((folder / "manifest.csv").open(encoding="utf-8")):
        audio, info = read_audio(folder / row["file"]), probe(folder / row["file"])
        assert audio.rms == pytest.approx(float(row["audio_rms"]), rel=0.05, abs=1e-4), row[
            "file"
        ]  # of the first channel
        assert is_silent(audio) == (float(row["audio_rms"]) < 1e-3), row["file"]
        assert (info.audio.rate_hz, info.audio.channels) == (int(row["audio_sr"]), int(row["audio_channels"]))


def test_real_wavs_come_out_exact(real_data):
    for path in sorted((real_data / "emodb" / "wav").glob("03a*.wav")):
        with wave.open(str(path)) as file:
            truth = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)
        np.testing.assert_array_equal(read_audio(path).samples, truth)
