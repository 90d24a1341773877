"""Prosody: what each dimension measures, and that it tells emotions of unseen speakers apart."""

import csv

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import TooShortError, Waveform
from mertools.errors import ExtractionError

RATE = 16_000


@pytest.fixture(scope="module")
def prosody():
    return create_extractor("audio/prosody")


def voice(hz, seconds=1.0, amplitude=0.2):
    t = np.arange(int(RATE * seconds)) / RATE
    return (amplitude * sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 10))).astype(np.float32)


def named(extractor, samples, level="utterance"):
    rows = extractor.embed([Waveform(samples)], level)[0].values
    return dict(zip(extractor.dimension_names(level), rows.T, strict=True))


def test_names_are_distinct_and_as_many_as_dimensions(prosody):
    for level in ("frame", "utterance"):
        names = prosody.dimension_names(level)
        assert len(set(names)) == len(names) == prosody.dim_at(level)
        assert prosody.facts["dimension_names"][level] == list(names)


def test_number_of_coefficients_is_an_option():
    extractor = create_extractor("audio/prosody", n_mfcc="13")
    assert extractor.embed([Waveform(voice(100))], "frame")[0].values.shape[1] == extractor.dim_at("frame")
    assert "mfcc_13_mean" not in extractor.dimension_names("utterance")


def test_pitch_is_in_semitones_above_100_hz(prosody):
    values = named(prosody, voice(200))
    assert values["f0_semitones_p50"][0] == pytest.approx(12.0, abs=0.1)
    assert values["voiced_share"][0] > 0.9


def test_loudness_follows_amplitude_by_decibels(prosody):
    loud, soft = named(prosody, voice(120)), named(prosody, voice(120, amplitude=0.02))
    assert loud["rms_db_p50"][0] - soft["rms_db_p50"][0] == pytest.approx(20.0, abs=0.1)


def test_pauses_are_counted(prosody):
    gap = np.zeros(RATE // 2, np.float32)
    values = named(prosody, np.concatenate([voice(150), gap, voice(150), gap, voice(150)]))
    assert values["pauses_per_s"][0] == pytest.approx(2 / 4, abs=0.05)
    assert values["pause_mean_s"][0] == pytest.approx(0.5, abs=0.1)
    assert values["voiced_stretches_per_s"][0] == pytest.approx(3 / 4, abs=0.05)


def test_frame_rows_come_every_10_ms_and_deltas_are_slopes(prosody):
    rows = prosody.embed([Waveform(voice(100, 2.0) * np.linspace(0.1, 1, 2 * RATE, dtype=np.float32))], "frame")[0]
    np.testing.assert_allclose(rows.times_s, np.arange(201) / 100)
    values = dict(zip(prosody.dimension_names("frame"), rows.values.T, strict=True))
    slope = np.polyfit(np.arange(48, 53), values["rms_db"][48:53], 1)[0]
    assert values["rms_db_delta"][50] == pytest.approx(slope, abs=1e-4)


def test_long_clip_is_measured_in_pieces_without_a_seam(prosody):
    noise = (0.1 * np.random.default_rng(0).standard_normal(RATE * 65)).astype(np.float32)
    whole = named(prosody, noise, "frame")
    late = named(prosody, noise[RATE * 58 :], "frame")  # the seam at 60 s is inside
    for name in ("mfcc_3", "rms_db", "centroid_khz", "f0_semitones", "zero_crossings_delta"):
        np.testing.assert_allclose(whole[name][5850:6300], late[name][50:500], atol=1e-3, err_msg=name)


def test_silence_and_clicks_give_finite_rows(prosody):
    for samples in (np.zeros(RATE), np.eye(1, RATE)[0], np.ones(400), np.full(RATE, -1.0)):
        for level in ("frame", "utterance"):
            assert np.isfinite(prosody.embed([Waveform(samples.astype(np.float32))], level)[0].values).all()


def test_less_than_a_window_is_too_short(prosody):
    with pytest.raises(TooShortError):
        prosody.embed([Waveform(np.zeros(399, np.float32))], "utterance")
    assert prosody.embed([Waveform(np.zeros(400, np.float32))], "utterance")[0].values.shape == (1, prosody.dim)


def test_another_sampling_rate_is_refused(prosody):
    with pytest.raises(ExtractionError, match="48000 Hz"):
        prosody.embed([Waveform(np.zeros(48_000, np.float32), 48_000)], "frame")


@pytest.mark.parametrize("options", [{"n_mfcc": 0}, {"n_mfcc": 41}, {"low_hz": 20}, {"low_hz": 300, "high_hz": 200}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ExtractionError, match="MER-E101"):
        create_extractor("audio/prosody", **options)


@pytest.mark.slow
def test_tells_four_emotions_of_an_unseen_speaker(prosody, real_data):
    """EmoDB, leave one speaker out, RBF support vectors: weighted F1 of at least 0.80."""
    soundfile = pytest.importorskip("soundfile")
    from sklearn.metrics import f1_score
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    folder = real_data / "emodb"
    clips = list(csv.DictReader((folder / "labels.csv").open()))
    waves = [Waveform(soundfile.read(folder / "wav" / clip["file"], dtype="float32")[0]) for clip in clips]
    inputs = np.concatenate([rows.values for rows in prosody.embed(waves, "utterance")])
    labels, speakers = [c["emotion"] for c in clips], [c["speaker"] for c in clips]
    model = make_pipeline(StandardScaler(), SVC())
    predicted = cross_val_predict(model, inputs, labels, groups=speakers, cv=LeaveOneGroupOut())
    assert f1_score(labels, predicted, average="weighted") >= 0.80
