"""VGGish against slow loops: its spectrogram one frame and band at a time, its network one function at a time."""

import cmath
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from feature_extractors import EXTRACTORS, create_extractor
from feature_extractors.audio.vggish import log_mel
from feature_extractors.base import TooShortError, Waveform
from feature_extractors.networks.vggish import Vggish, VggishSizes
from mertools.errors import ExtractionError

RATE = 16_000


def sound(n_samples, seed=0):
    random = np.random.default_rng(seed)
    t = np.arange(n_samples) / RATE
    return Waveform(
        (0.3 * np.sin(2 * np.pi * (300 + 200 * t) * t) + 0.05 * random.standard_normal(n_samples)).astype("f4")
    )


@pytest.fixture
def folder(tiny_options):
    return tiny_options("audio/vggish")["weights"]


def make(weights):
    extractor = create_extractor("audio/vggish", weights=str(weights))
    extractor.load("cpu", "fp32")
    return extractor


def slow_frame(samples, frame):
    """One row of the spectrogram, by the sums that define it."""
    window = [0.5 * (1 - math.cos(2 * math.pi * n / 400)) for n in range(400)]
    x = [float(samples[160 * frame + n]) * window[n] for n in range(400)]

    def mel(hz):
        return 1127 * math.log(1 + hz / 700)

    magnitude = [abs(sum(x[n] * cmath.exp(-2j * math.pi * k * n / 512) for n in range(400))) for k in range(257)]
    step = (mel(7500) - mel(125)) / 65
    row = []
    for band in range(64):
        low, centre, high = (mel(125) + step * (band + i) for i in range(3))
        total = 0.0
        for k in range(1, 257):  # without the bin of 0 Hz
            m = mel(k * 8000 / 256)
            total += magnitude[k] * max(0.0, min((m - low) / (centre - low), (high - m) / (high - centre)))
        row.append(math.log(total + 0.01))
    return row


def test_spectrogram_equals_the_sums_that_define_it():
    samples = sound(16_000).samples
    found = log_mel(samples)
    assert found.shape == (98, 64)
    assert found.dtype == np.float32
    for frame in (0, 51, 97):
        np.testing.assert_allclose(found[frame], slow_frame(samples, frame), atol=2e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(400, 3000))
def test_number_of_frames(n_samples):
    assert len(log_mel(np.zeros(n_samples, np.float32))) == 1 + (n_samples - 400) // 160


def test_silence_is_the_logarithm_of_the_offset():
    np.testing.assert_allclose(log_mel(np.zeros(800, np.float32)), math.log(0.01), rtol=1e-6)


def test_slabs_of_a_long_clip_join_without_a_seam(monkeypatch):
    samples = sound(20_000).samples
    whole = log_mel(samples)
    monkeypatch.setattr("feature_extractors.audio.vggish._SLAB", 7)
    np.testing.assert_array_equal(log_mel(samples), whole)


def written_out(state, patches):
    x = torch.from_numpy(np.ascontiguousarray(patches))[:, None]
    for i in (0, 3, 6, 8, 11, 13):
        x = F.relu(F.conv2d(x, state[f"features.{i}.weight"], state[f"features.{i}.bias"], padding=1))
        if i in (0, 3, 8, 13):
            x = F.max_pool2d(x, 2)
    x = torch.stack([x[:, :, t, f] for t in range(6) for f in range(4)], dim=1).flatten(1)  # time, band, channel
    for i in (0, 2, 4):
        x = F.relu(F.linear(x, state[f"embeddings.{i}.weight"], state[f"embeddings.{i}.bias"]))
    return x.numpy()


def expected(folder, samples, step):
    spectrogram = log_mel(samples)
    starts = range(0, len(spectrogram) - 95, step)
    return written_out(load_file(f"{folder}/model.safetensors"), [spectrogram[s : s + 96] for s in starts])


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * max(1.0, np.abs(wanted).max()))


def test_frame_rows_are_patches_every_50_ms_at_their_middles(folder):
    wave = sound(30_000)
    rows = make(folder).embed([wave], "frame")[0]
    assert len(rows.values) == 1 + (1 + (30_000 - 400) // 160 - 96) // 5
    close(rows.values, expected(folder, wave.samples, 5))
    np.testing.assert_allclose(rows.times_s[:2], [(95 * 160 + 400) / 2 / RATE, (95 * 160 + 400) / 2 / RATE + 0.05])
    assert rows.values.min() >= 0


def test_the_utterance_is_the_mean_of_patches_every_500_ms_not_of_the_frame_rows(folder):
    wave = sound(40_000)
    extractor = make(folder)
    utterance = extractor.embed([wave], "utterance")[0]
    close(utterance.values, expected(folder, wave.samples, 50).mean(0, keepdims=True))
    assert np.abs(utterance.values - extractor.embed([wave], "frame")[0].values.mean(0)).max() > 1e-4
    np.testing.assert_array_equal(utterance.times_s, [0.0])


def test_a_clip_below_one_second_is_repeated(folder):
    wave = sound(9000)
    rows = make(folder).embed([wave], "frame")[0]
    close(rows.values, expected(folder, np.tile(wave.samples, 2), 5))
    assert (rows.times_s == 9000 / RATE / 2).all()


def test_many_patches_go_in_runs_over_clips(folder, monkeypatch):
    extractor = make(folder)
    batch = [sound(n, seed) for seed, n in enumerate((30_000, 16_000, 24_000))]
    together = extractor.embed(batch, "frame")
    monkeypatch.setattr("feature_extractors.audio.vggish._CPU_BATCH", 4)
    for rows, few in zip(together, extractor.embed(batch, "frame"), strict=True):
        close(rows.values, few.values)


def test_less_than_one_window_is_too_short(folder):
    with pytest.raises(TooShortError, match="399 samples"):
        make(folder).embed([sound(399)], "utterance")


def test_the_torch_port_loads_under_its_own_names(folder, tmp_path):
    state = load_file(f"{folder}/model.safetensors")
    more = {"pproc.pca_eigen_vectors": torch.zeros(3, 3)}  # later copies of the port keep the whitening beside it
    torch.save({**state, **more}, tmp_path / "vggish-10086976.pth")
    wave = sound(20_000)
    np.testing.assert_array_equal(
        make(tmp_path).embed([wave], "frame")[0].values, make(folder).embed([wave], "frame")[0].values
    )


def test_a_file_that_wants_code_to_be_run_is_refused(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (print, ("run",))

    with (tmp_path / "vggish-10086976.pth").open("wb") as file:
        pickle.dump({"features.0.weight": Evil()}, file)
    with pytest.raises(ExtractionError) as error:
        make(tmp_path)
    assert error.value.code.startswith("MER-E19")


def test_names_and_sizes_of_the_published_network():
    """As the published port names and sizes them; 72.1 million parameters."""
    with torch.device("meta"):
        network = Vggish()
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert [key for key in shapes if key.endswith("weight")] == [
        *(f"features.{i}.weight" for i in (0, 3, 6, 8, 11, 13)),
        *(f"embeddings.{i}.weight" for i in (0, 2, 4)),
    ]
    assert shapes["features.0.weight"] == (64, 1, 3, 3)
    assert shapes["embeddings.0.weight"] == (4096, 512 * 4 * 6)
    assert shapes["embeddings.4.weight"] == (128, 4096)
    assert VggishSizes.of(network.state_dict()) == VggishSizes()
    entry = EXTRACTORS.entry("audio/vggish")
    shape = entry.target.published_shape(entry.facts)
    assert (shape.dim, shape.parameters) == (entry.facts["dim"], 72_141_184)
