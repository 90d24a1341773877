"""Text encoders against the transformers model called text by text."""

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import TooShortError
from feature_extractors.text.encoder import TextEncoder
from mertools.errors import ExtractionError

TEXTS = ["我今天很高兴。", "i am so happy !", "NA", "null", "我 am 难过, 真 sad?"]
SPECIAL = 2  # one before the text, one after


def make(folder, **options):
    extractor = create_extractor("text/encoder", weights=str(folder), **options)
    extractor.load("cpu", "fp32")
    return extractor


def direct(folder, ids, layers=4):
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        output = model(torch.tensor([ids]), output_hidden_states=True)
    return sum(h[0] for h in output.hidden_states[-layers:]).numpy()


def token_ids(folder, text):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)(text)["input_ids"]


@pytest.mark.parametrize("model_type", TextEncoder.model_types)
def test_equals_the_sum_of_the_last_four_layers_without_special_tokens(tiny_model, model_type):
    folder = tiny_model(model_type)
    found = make(folder).embed(TEXTS, "frame")
    for rows, text in zip(found, TEXTS, strict=True):
        expected = direct(folder, token_ids(folder, text))[1:-1]
        np.testing.assert_allclose(rows.values, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("model_type", TextEncoder.model_types)
def test_last_layer_can_be_asked_for(tiny_model, model_type):
    folder = tiny_model(model_type)
    found = make(folder, layers="last").embed(TEXTS[:1], "frame")[0].values
    np.testing.assert_allclose(found, direct(folder, token_ids(folder, TEXTS[0]), 1)[1:-1], atol=1e-5)


def test_words_that_look_like_missing_values_are_words(tiny_model):
    folder = tiny_model("bert")
    for text in ("NA", "null", "nan", "None"):
        assert len(make(folder).embed([text], "frame")[0].values) == len(token_ids(folder, text)) - SPECIAL >= 1


def test_special_words_inside_the_text_are_left_out_where_the_tokenizer_says_so(tiny_model):
    folder = tiny_model("bert")
    assert len(make(folder).embed(["高兴 happy"], "frame")[0].values) == 3


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
@pytest.mark.parametrize("overlap", [None, 0, 7])
@pytest.mark.parametrize("n_tokens", [38, 39, 77, 150])
def test_long_text_has_one_row_per_token(tiny_model, model_type, overlap, n_tokens):
    """38 tokens and two special ones are all that the tiny models see at once."""
    folder = tiny_model(model_type)
    text = "".join(np.random.default_rng(1).choice(list("abcde"), n_tokens))
    text = " ".join(text) if model_type == "bert" else text
    ids = token_ids(folder, text)[1:-1]
    assert len(ids) == n_tokens
    options = {} if overlap is None else {"overlap": overlap}
    extractor = make(folder, **options)
    assert extractor.window == 40
    windows = extractor._windows(0, text)
    assert [int(i) for w in windows for i in w.inputs["input_ids"][w.kept]] == ids
    assert len(extractor.embed([text], "frame")[0].values) == n_tokens


def test_window_rows_are_those_of_the_window_computed_alone(tiny_model):
    folder = tiny_model("bert")
    text = " ".join(np.random.default_rng(2).choice(list("abcde"), 60))
    ids = token_ids(folder, text)
    begin, end, inner = ids[0], ids[-1], ids[1:-1]
    first = direct(folder, [begin, *inner[:38], end])[1:-1]
    second = direct(folder, [begin, *inner[28:], end])[1:-1]
    found = make(folder, overlap=10).embed([text], "frame")[0].values
    np.testing.assert_allclose(found[:33], first[:33], atol=1e-5)
    np.testing.assert_allclose(found[33:], second[5:], atol=1e-5)


def test_text_that_fits_is_one_window(tiny_model):
    assert len(make(tiny_model("bert"))._windows(0, "高兴")) == 1


@pytest.mark.parametrize("overlap", [38, 400, -1])
def test_overlap_without_room_is_refused_before_any_clip(tiny_model, overlap):
    with pytest.raises(ExtractionError, match=r"MER-E101.*overlap"):
        make(tiny_model("bert"), overlap=overlap)


def test_blank_text_is_too_short(tiny_model):
    with pytest.raises(TooShortError):
        make(tiny_model("bert")).embed([" \n"], "frame")


def test_rows_have_no_time(tiny_model):
    assert np.isnan(make(tiny_model("bert")).embed(["高兴"], "frame")[0].times_s).all()
