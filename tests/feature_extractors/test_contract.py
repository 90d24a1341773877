"""What every extractor promises; parametrised over the registry, so a new one is tested as soon as it is registered."""

import pickle

import numpy as np
import pytest

from feature_extractors import EXTRACTORS, create_extractor, list_extractors
from feature_extractors.base import Extractor, FaceCrops, TooShortError, Waveform
from mertools.config import fingerprint
from mertools.errors import ConfigError, ExtractionError

NAMES = list_extractors()
RATE = 16_000


def kind(name):
    """Names of one kind run the same code on the same tiny weights: computing with one of them tests them all."""
    entry = EXTRACTORS.entry(name)
    architecture = entry.facts.get("architecture") or {}
    return entry.target, architecture.get("model_type"), entry.facts["padding_invariant"]


KINDS = list({kind(name): name for name in reversed(NAMES)}.values())[::-1]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=KINDS)
def kind_name(request):
    return request.param


@pytest.fixture
def extractor(kind_name, tiny_options):
    made = create_extractor(kind_name, **tiny_options(kind_name))
    made.load("cpu", "fp32")
    return made


def levels(extractor):
    return ["frame", "utterance"] if extractor.utterance == "own" else ["frame"]


def make_input(modality, length, seed=0):
    """`length` crops, tenths of a second, or words."""
    random = np.random.default_rng(seed)
    if modality == "face":
        smooth = random.integers(0, 256, (length, 8, 8, 3)).repeat(14, 1).repeat(14, 2)
        return FaceCrops(smooth.astype(np.uint8), np.arange(length) / 25)
    if modality == "audio":
        t = np.arange(length * RATE // 10) / RATE
        tone = 0.2 * np.sin(2 * np.pi * (120 + 30 * seed) * t) * (1 + np.sin(2 * np.pi * 3 * t))
        return Waveform((tone + 0.01 * random.standard_normal(len(t))).astype(np.float32))
    return "".join(random.choice(["我很高兴", "happy ", "so sad ", "!", "null "], length))


def assert_same(found, expected):
    tolerance = 1e-5 * max(1.0, float(np.abs(expected.values).max()))
    np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(found.times_s, expected.times_s)


def test_facts_are_complete(name):
    entry = EXTRACTORS.entry(name)
    assert entry.summary
    assert entry.licence
    assert {"dim", "rate_hz", "hub_id", "padding_invariant", "trained_on", "defaults"} <= set(entry.facts)
    assert name.split("/")[0] == entry.target.modality


def test_rows_are_as_declared(extractor):
    for level in levels(extractor):
        dim = extractor.dim_at(level)
        for length in (1, 7):
            rows = extractor.embed([make_input(extractor.modality, length)], level)[0]
            assert rows.values.dtype == np.float32
            assert rows.times_s.dtype == np.float64
            assert rows.values.shape == (len(rows.times_s), dim)
            assert len(rows.times_s) >= 1
            assert np.isfinite(rows.values).all()
            assert level == "frame" or len(rows.values) == 1


def test_dimension_is_known_before_loading(kind_name, tiny_options):
    extractor = create_extractor(kind_name, **tiny_options(kind_name))
    assert extractor.dim_at("utterance" if extractor.utterance == "own" else "frame") == extractor.dim > 0


def test_padding_is_declared_as_it_is(kind_name, extractor):
    declared = EXTRACTORS.entry(kind_name).facts["padding_invariant"]
    assert declared is None or extractor.padding_invariant == declared


def test_declared_dimension_holds_where_there_are_no_weights(name, tiny_options):
    facts = EXTRACTORS.entry(name).facts
    if not tiny_options(name):
        assert create_extractor(name).dim == facts["dim"]


def test_times_rise_within_the_clip_or_are_absent(extractor):
    times = extractor.embed([make_input(extractor.modality, 20)], "frame")[0].times_s
    if extractor.modality == "text":
        assert np.isnan(times).all()
    else:
        # a model that sees a fixed number of frames sees some of a short clip more than once
        assert (np.diff(times) >= 0).all()
        assert (np.diff(times) > 0).all() or extractor.fixed_rows
        assert times[0] >= 0
        assert times[-1] <= 2.0


def test_same_input_gives_the_same_bits(extractor):
    for level in levels(extractor):
        one, two = (extractor.embed([make_input(extractor.modality, 9)], level)[0] for _ in range(2))
        np.testing.assert_array_equal(one.values, two.values)


def test_different_inputs_give_different_rows(extractor):
    for level in levels(extractor):
        one, two = (extractor.embed([make_input(extractor.modality, 9, seed)], level)[0] for seed in (1, 2))
        assert one.values.shape != two.values.shape or np.abs(one.values - two.values).max() > 1e-3


def test_batch_equals_single(extractor):
    lengths = [9, 3, 14, 9, 5] if extractor.padding_invariant or extractor.modality == "face" else [9] * 4
    batch = [make_input(extractor.modality, length, seed) for seed, length in enumerate(lengths)]
    for level in levels(extractor):
        together = extractor.embed(batch, level)
        assert len(together) == len(batch)
        for rows, one in zip(together, batch, strict=True):
            assert_same(rows, extractor.embed([one], level)[0])


def test_pieces_of_a_long_input_equal_the_whole(extractor):
    if extractor.chunk_rows is None:
        return
    crops = make_input(extractor.modality, 40)
    whole = extractor.embed([crops], "frame")[0]
    parts = extractor.embed([crops.piece(0, 13), crops.piece(13, 40)], "frame")
    assert_same(parts[0], type(whole)(whole.values[:13], whole.times_s[:13]))
    assert_same(parts[1], type(whole)(whole.values[13:], whole.times_s[13:]))


def test_long_input(extractor):
    length = {"face": 130, "audio": 253, "text": 200}[extractor.modality]
    for level in levels(extractor):
        rows = extractor.embed([make_input(extractor.modality, length)], level)[0]
        assert np.isfinite(rows.values).all()
        if level == "frame":
            n = len(rows.values)
            assert n == extractor.fixed_rows if extractor.fixed_rows else n > 100


def test_too_short_input_says_so(extractor):
    short = {"audio": Waveform(np.zeros(20, np.float32)), "text": "  "}.get(extractor.modality)
    if short is not None:
        with pytest.raises(TooShortError):
            extractor.embed([short], levels(extractor)[-1])


def test_silent_and_black_inputs_give_finite_rows(extractor):
    dull = {
        "face": FaceCrops(np.zeros((2, 112, 112, 3), np.uint8), np.arange(2.0)),
        "audio": Waveform(np.zeros(RATE, np.float32)),
        "text": "。",
    }[extractor.modality]
    assert np.isfinite(extractor.embed([dull], "frame")[0].values).all()


def test_configuration_survives_pickling(extractor):
    assert pickle.loads(pickle.dumps(extractor.config)) == extractor.config


def test_settings_are_plain_and_change_with_every_option_that_counts(kind_name, tiny_options):
    options = tiny_options(kind_name)
    base = create_extractor(kind_name, **options)
    assert fingerprint(base.settings()) == fingerprint(create_extractor(kind_name, **options).settings())
    other = {int: lambda v: v + 1, float: lambda v: v * 1.5, str: lambda v: v + "x", bool: lambda v: not v}
    for field, value in base.settings().items():
        if field == "weights" or (value is not None and type(value) not in other):
            continue
        changed = type(base.config)(
            **{**vars(base.config), field: other[type(value)](value) if value is not None else 5}
        )
        try:
            settings = type(base)(kind_name, changed, base.facts).settings()
        except ExtractionError:
            continue  # not a value that this option can have
        assert fingerprint(settings) != fingerprint(base.settings()), field


def test_weights_are_recorded_by_content_not_by_place(kind_name, tiny_options, tmp_path):
    options = tiny_options(kind_name)
    if not options:
        return
    import shutil

    here = create_extractor(kind_name, **options).settings()
    copy = shutil.copytree(options["weights"], tmp_path / "copy")
    assert create_extractor(kind_name, weights=str(copy)).settings() == here
    assert options["weights"] not in str(here)
    file = copy / "model.safetensors"
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    (tmp_path / "more").mkdir()
    moved = shutil.copytree(copy, tmp_path / "more" / "copy")
    (moved / "model.safetensors").write_bytes(changed)
    assert create_extractor(kind_name, weights=str(moved)).settings() != here


def test_unknown_option_is_an_error_that_names_the_options(name):
    with pytest.raises(ConfigError, match=r"MER-R003.*has no option 'colour'"):
        create_extractor(name, colour="red")


def test_half_precision_is_near(kind_name, tiny_options):
    extractor = create_extractor(kind_name, **tiny_options(kind_name))
    if not extractor.torch_model:
        return
    batch = [make_input(extractor.modality, 12)]
    extractor.load("cpu", "fp32")
    exact = extractor.embed(batch, "frame")[0].values
    extractor.load("cpu", "bf16")
    near = extractor.embed(batch, "frame")[0].values
    assert near.dtype == np.float32
    difference = np.linalg.norm(near - exact) / np.linalg.norm(exact)
    assert 0 < difference < 0.02


def test_registry_is_not_empty():
    assert {"face/hog", "audio/prosody", "text/ngram"} <= set(NAMES)
    assert all(issubclass(EXTRACTORS.entry(name).target, Extractor) for name in NAMES)
