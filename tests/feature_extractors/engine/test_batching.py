import math

import numpy as np
import pytest

from feature_extractors.base import FaceCrops, Waveform
from feature_extractors.engine.asked import ask
from feature_extractors.engine.batching import Batcher, MeanOfRows
from feature_extractors.engine.embedding import Embedder, Failure
from mertools.corpus import Corpus
from mertools.errors import ExtractionError


def asked(name, level="utterance", tmp=".", precision="fp32"):
    corpus = Corpus("none", tmp, (), tmp)
    (one,) = ask(
        corpus,
        [name],
        level=level,
        precision=lambda: precision,
        audio_column="audio",
        text_column="text",
        tracker=lambda: "0" * 16,
    )
    return one


def outcome(one, inputs):
    """Every clip's rows, for inputs given as lists of pieces."""
    found = {}
    batcher = Batcher(one, Embedder(one), lambda clip: found.__setitem__(clip.clip, clip.rows))
    for clip, pieces in inputs.items():
        for piece in pieces:
            batcher.feed(clip, piece)
        batcher.end(clip)
    batcher.finish()
    assert set(found) == set(inputs)
    return found


def crops(n, seed=0):
    return FaceCrops(np.random.default_rng(seed).integers(0, 255, (n, 4, 4, 3), np.uint8), np.arange(n) / 25)


def test_faces_are_cut_into_pieces_and_packed_over_clips(fakes):
    one = asked("face/batchy", "frame")
    found = outcome(one, {"a": [crops(5)], "b": [crops(3)], "c": [crops(9)]})
    assert [lengths for _, lengths in fakes.CALLS] == [[4, 1, 3], [4, 4, 1]]
    assert [len(rows.values) for rows in found.values()] == [5, 3, 9]
    np.testing.assert_allclose(found["c"].times_s, np.arange(9) / 25)


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64])
def test_how_the_decoder_cuts_a_clip_changes_nothing(fakes, cut):
    one, whole = asked("face/batchy", "frame"), crops(11)
    pieces = [whole.piece(i, i + cut) for i in range(0, 11, cut)]
    expected = outcome(one, {"a": [whole], "b": [crops(2)]})
    found = outcome(one, {"a": pieces, "b": [crops(2)]})
    for clip in "ab":
        np.testing.assert_array_equal(found[clip].values, expected[clip].values)


def test_sounds_share_a_batch_only_if_equally_long(fakes):
    sounds = {f"c{i}": [Waveform(np.ones(n, np.float32))] for i, n in enumerate([90, 100, 90, 100, 90])}
    outcome(asked("audio/batchy"), sounds)
    assert sorted(lengths for _, lengths in fakes.CALLS) == [[90, 90, 90], [100, 100]]


def test_a_padding_invariant_extractor_gets_mixed_lengths_up_to_its_cost(fakes):
    outcome(asked("text/batchy"), {f"c{i}": ["x" * n] for i, n in enumerate([10, 20, 15, 50, 1])})
    assert [lengths for _, lengths in fakes.CALLS] == [[10, 20], [15], [50], [1]]


def test_an_extractor_without_torch_gets_one_input_at_a_time(fakes):
    outcome(asked("text/solo"), {"a": ["xx"], "b": ["xx"], "c": ["x"]})
    assert [lengths for _, lengths in fakes.CALLS] == [[2], [2], [1]]


def test_in_a_batch_or_alone_the_rows_are_the_same(fakes):
    one = asked("face/plain", "frame")
    inputs = {f"c{i}": [crops(n, i)] for i, n in enumerate([5, 3, 9, 1])}
    together = outcome(one, inputs)
    for clip, pieces in inputs.items():
        alone = outcome(one, {clip: pieces})[clip]
        np.testing.assert_array_equal(together[clip].values, alone.values)


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_the_mean_has_the_same_bits_however_rows_are_cut(cut):
    rows = np.random.default_rng(0).normal(size=(1000, 5)).astype(np.float32) * 1e3
    mean, whole = MeanOfRows(5), MeanOfRows(5)
    whole.add(rows)
    for start in range(0, 1000, cut):
        mean.add(rows[start : start + cut])
    np.testing.assert_array_equal(mean.value(), whole.value())
    np.testing.assert_allclose(mean.value()[0], rows.astype(np.float64).mean(axis=0), rtol=1e-6)


def test_sound_that_starts_late_moves_the_times_of_its_rows(fakes):
    found = outcome(asked("audio/batchy", "frame"), {"a": [Waveform(np.ones(9, np.float32), start_s=0.5)]})
    np.testing.assert_allclose(found["a"].times_s, 0.5 + np.arange(3) / 3)


TEXTS = {f"c{i}": [letter * (i + 1)] for i, letter in enumerate("abcdefg")}


@pytest.mark.parametrize("fits", [1, 2, 3, 6])
def test_halving_when_memory_runs_out_changes_no_row(fakes, fits):
    expected = outcome(asked("text/trouble"), TEXTS)
    found = outcome(asked(f"text/trouble:fits={fits}"), TEXTS)
    for clip, rows in expected.items():
        np.testing.assert_array_equal(found[clip].values, rows.values)
    assert max(len(lengths) for _, lengths in fakes.CALLS[1:]) == len(TEXTS)


def test_a_batch_size_that_did_not_fit_is_not_tried_again(fakes):
    one = asked("text/trouble:fits=2")
    embedder = Embedder(one)
    embedder.embed(["aaaa"] * 8)
    fakes.CALLS.clear()
    embedder.embed(["aaaa"] * 8)
    assert [len(lengths) for _, lengths in fakes.CALLS] == [2, 2, 2, 2]


@pytest.mark.parametrize("fits_s", [1, 2, 5, 8, 31, 32, 63, 64])
def test_r10_the_size_that_fits_is_found_by_halving_and_changes_no_row(fakes, fits_s):
    sounds = [Waveform(np.sin(np.arange(16_000) * (i + 1)).astype(np.float32)) for i in range(64)]
    expected = Embedder(asked("audio/hungry")).embed(sounds)
    embedder = Embedder(asked(f"audio/hungry:seconds={fits_s}"))
    fakes.CALLS.clear()
    found = embedder.embed(sounds)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.times_s, b.times_s)
    too_large = [lengths for _, lengths in fakes.CALLS if len(lengths) > fits_s]
    assert len(too_large) == math.ceil(math.log2(64 / fits_s))
    assert sum(len(lengths) for _, lengths in fakes.CALLS if len(lengths) <= fits_s) == 64
    fakes.CALLS.clear()
    embedder.embed(sounds)
    assert all(len(lengths) <= fits_s for _, lengths in fakes.CALLS)  # learned for good


def test_what_overflows_in_fp16_is_computed_in_float32_and_never_infinite(fakes, caplog):
    one = asked("text/narrow", "frame", precision="fp16")
    one.extractor.load("cpu", "fp16")
    found = outcome(one, {"a": ["abc"], "big": ["aZc"], "b": ["abcd"], "bigger": ["ZZ"]})
    assert {clip: rows.values[0, 0] for clip, rows in found.items()} == {
        "a": 10.0,
        "big": np.float32(1e6 + 3),
        "b": 11.0,
        "bigger": np.float32(1e6 + 2),
    }
    assert all(rows.values.dtype == np.float32 for rows in found.values())
    assert len(caplog.records) == 1
    assert "text/narrow" in caplog.text


def test_a_model_that_does_not_fit_in_float32_beside_fp16_costs_that_clip_alone(fakes, monkeypatch):
    import torch

    one = asked("text/narrow", "frame", precision="fp16")
    one.extractor.load("cpu", "fp16")

    def full(self, device, precision):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(one.extractor), "load", full)
    found = outcome(one, {"a": ["abc"], "big": ["aZc"]})
    assert found["a"].values[0, 0] == 10.0
    assert found["big"].status == "oom"


def test_a_clip_that_does_not_fit_alone_ends_with_oom(fakes):
    assert outcome(asked("text/trouble:fits=0"), {"a": ["aa"]})["a"].status == "oom"


def test_failures_stay_with_their_clip(fakes):
    inputs = {"good": ["abc"], "short": ["!"], "odd": ["z"], "nan": ["a?"], "fine": ["hello"]}
    found = outcome(asked("text/trouble:fails=z"), inputs)
    assert {clip: rows.status for clip, rows in found.items() if isinstance(rows, Failure)} == {
        "short": "too_short",
        "odd": "crash",
        "nan": "crash",
    }
    assert "ValueError: cannot read this" in found["odd"].reason
    assert "not finite (row 0, dimension 0: nan)" in found["nan"].reason
    assert found["good"].values[0, 0] == 3
    assert found["fine"].values[0, 0] == 5


def test_an_extractor_that_fails_on_everything_stops_the_run(fakes):
    with pytest.raises(ExtractionError, match="cannot read this") as caught:
        outcome(asked("text/trouble:fails=a"), {f"c{i}": ["a"] for i in range(20)})
    assert caught.value.code == "MER-E010"


def test_an_extractor_that_breaks_its_contract_stops_the_run(fakes, monkeypatch):
    one = asked("text/batchy")
    monkeypatch.setattr(
        type(one.extractor), "rows", lambda self, text, signature: fakes.Rows(np.ones((2, 3)), np.ones(2))
    )
    with pytest.raises(ExtractionError, match=r"\(2, 3\).*defect") as caught:
        outcome(one, {"a": ["a"]})
    assert caught.value.code == "MER-E011"
