"""Text encoders against the transformers model called text by text.

Numbers of facts and rows are those of the specification of feature extraction.
"""

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import TooShortError
from feature_extractors.text.encoder import TextEncoder
from feature_extractors.text.token_model import LONGEST
from mertools.errors import ExtractionError

TEXTS = ["我今天很高兴。", "i am so happy !", "NA", "null", "我 am 难过, 真 sad?"]
SPECIAL = 2  # one before the text, one after
AROUND = {"xlnet": (0, 2), "t5": (0, 1), "mt5": (0, 1)}  # tokens before and after; (1, 1) elsewhere


def make(folder, **options):
    extractor = create_extractor("text/encoder", weights=str(folder), **options)
    extractor.load("cpu", "fp32")
    return extractor


def network(folder):
    import transformers

    kind = transformers.AutoConfig.from_pretrained(folder).model_type
    encoders = {"t5": transformers.T5EncoderModel, "mt5": transformers.MT5EncoderModel}
    return encoders.get(kind, transformers.AutoModel).from_pretrained(folder).eval()


def direct(folder, ids, layers=4, **more):
    """Sum of the last entries, as the reference sums them: one text at a time, no mask."""
    import torch

    with torch.inference_mode():
        output = network(folder)(torch.tensor([ids]), output_hidden_states=True, **more)
    entries = [*output.hidden_states[:-1], output.last_hidden_state]
    return torch.stack(entries)[-layers:].sum(0)[0].numpy()


def tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def token_ids(folder, text):
    return tokenizer(folder)(text)["input_ids"]


def stripped(rows, model_type):
    before, after = AROUND.get(model_type, (1, 1))
    return rows[before : len(rows) - after]


@pytest.mark.parametrize("model_type", TextEncoder.model_types)
def test_equals_the_sum_of_the_last_four_layers_without_special_tokens(tiny_text, model_type):
    """Fact 2: a sum, not a mean; and any model of any language runs, T5 too (row 17)."""
    import torch

    folder = tiny_text(model_type)
    found = make(folder).embed(TEXTS, "frame")
    for rows, text in zip(found, TEXTS, strict=True):
        ids = token_ids(folder, text)
        # the segments that its tokenizer gave unasked when the published embeddings were made
        more = {"token_type_ids": torch.tensor([[0] * (len(ids) - 1) + [2]])} if model_type == "xlnet" else {}
        expected = stripped(direct(folder, ids, **more), model_type)
        assert rows.values.shape == expected.shape
        np.testing.assert_allclose(rows.values, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("model_type", TextEncoder.model_types)
def test_last_layer_can_be_asked_for(tiny_text, model_type):
    import torch

    folder = tiny_text(model_type)
    found = make(folder, layers="last").embed(TEXTS[:1], "frame")[0].values
    ids = token_ids(folder, TEXTS[0])
    more = {"token_type_ids": torch.tensor([[0] * (len(ids) - 1) + [2]])} if model_type == "xlnet" else {}
    expected = stripped(direct(folder, ids, 1, **more), model_type)
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("model_type", TextEncoder.model_types)
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bit_is_near_on_every_type(tiny_text, model_type, precision):
    extractor = make(tiny_text(model_type))
    exact = extractor.embed(TEXTS[:1], "frame")[0].values
    extractor.load("cpu", precision)
    near = extractor.embed(TEXTS[:1], "frame")[0].values
    assert near.dtype == np.float32
    assert 0 < np.linalg.norm(near - exact) / np.linalg.norm(exact) < 0.02


def test_xlnet_has_its_special_tokens_behind_the_text_and_no_limit_of_positions(tiny_text):
    extractor = make(tiny_text("xlnet"))
    encoding = extractor.tokenizer.encode("happy")
    assert (encoding.start, encoding.stop, len(encoding.inputs["input_ids"])) == (0, 5, 7)
    assert list(encoding.inputs["token_type_ids"]) == [0, 0, 0, 0, 0, 0, 2]
    assert extractor.window == LONGEST
    assert len(extractor.embed(["happy " * 20], "frame")[0].values) == 120


def test_last_layer_of_t5_is_behind_the_final_norm_and_the_others_are_not(tiny_text):
    import torch

    folder = tiny_text("t5")
    model = network(folder)
    ids = torch.tensor([token_ids(folder, "happy")])
    seen = []
    for block in model.encoder.block:
        block.register_forward_hook(lambda _, __, output: seen.append(output if torch.is_tensor(output) else output[0]))
    with torch.inference_mode():
        model(ids)
        expected = seen[-4] + seen[-3] + seen[-2] + model.encoder.final_layer_norm(seen[-1])
    found = make(folder).embed(["happy"], "frame")[0].values
    np.testing.assert_allclose(found, expected[0, :-1], atol=1e-5 * max(1, float(expected.abs().max())))


@pytest.mark.parametrize(("model_type", "window"), [("bert", 40), ("roberta", 40), ("mpnet", 40), ("deberta", 40)])
def test_window_is_what_the_positions_allow(tiny_text, model_type, window):
    assert make(tiny_text(model_type)).window == window


@pytest.mark.parametrize("model_type", ["albert", "bert"])
def test_models_that_are_published_with_the_words_of_bert_are_read_with_them(tiny_text, tmp_path, model_type):
    """Chinese ALBERT and DeBERTa have a vocab.txt and do not say whose it is."""
    import shutil

    folder = shutil.copytree(tiny_text(model_type), tmp_path / model_type)
    (folder / "tokenizer_config.json").unlink()
    found = make(folder).embed(["我今天很高兴"], "frame")[0].values
    expected = make(tiny_text(model_type)).embed(["我今天很高兴"], "frame")[0].values
    assert len(found) == 6
    np.testing.assert_array_equal(found, expected)


def test_deberta_with_the_words_of_bert(tiny_text, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_text("deberta"), tmp_path / "deberta")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    shutil.copy(tiny_text("bert") / "vocab.txt", folder)
    assert len(make(folder).embed(["我今天很高兴"], "frame")[0].values) == 6


def test_words_that_look_like_missing_values_are_words(tiny_text):
    """Row 33."""
    folder = tiny_text("bert")
    for text in ("NA", "null", "nan", "None"):
        assert len(make(folder).embed([text], "frame")[0].values) == len(token_ids(folder, text)) - SPECIAL >= 1


def test_missing_transcripts_are_a_status_and_words_that_look_so_are_not(tiny_text, tmp_path):
    """Rows 11 and 33, and the English column, through the engine."""
    from feature_extractors import extract
    from mertools.corpus import Clip, Corpus, Split
    from mertools.store import open_store

    texts = {"a": "NA", "b": "", "c": "高兴", "d": "null", "e": "  "}
    clips = tuple(Clip(n, "train", None, None, {"text": t, "text_en": "so happy"}) for n, t in texts.items())
    corpus = Corpus("words", tmp_path, clips, tmp_path, (Split("train"),))
    name = f"text/encoder:weights={tiny_text('bert')}"
    with open_store(tmp_path / "store", create=True) as store:
        summary = extract(corpus, [name], store, device="cpu", quiet=True)
        assert summary.status == {"ok": 3, "no_text": 2}
        (space,) = store.spaces()
        assert set(store.read_all(space)) == {"a", "c", "d"}
        english = extract(corpus, [name], store, device="cpu", quiet=True, column=("text_en",))
        assert english.status == {"ok": 5}
        assert {s.spec.settings["column"] for s in store.spaces()} == {"text", "text_en"}


def test_words_that_a_text_spells_like_special_tokens_keep_their_rows(tiny_text):
    assert len(make(tiny_text("bert")).embed(["[SEP] 高兴 [SEP]"], "frame")[0].values) == 4


def test_text_with_half_a_character_is_read(tiny_text):
    assert len(make(tiny_text("roberta")).embed(["a\ud83d"], "frame")[0].values) >= 2


@pytest.mark.parametrize("model_type", ["bert", "roberta"])
@pytest.mark.parametrize("overlap", [None, 0, 7])
@pytest.mark.parametrize("n_tokens", [38, 39, 77, 150])
def test_long_text_has_one_row_per_token(tiny_text, model_type, overlap, n_tokens):
    """Row 16; 38 tokens and two special ones are all that the tiny models see at once."""
    folder = tiny_text(model_type)
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


def test_window_rows_are_those_of_the_window_computed_alone(tiny_text):
    folder = tiny_text("bert")
    text = " ".join(np.random.default_rng(2).choice(list("abcde"), 60))
    ids = token_ids(folder, text)
    begin, end, inner = ids[0], ids[-1], ids[1:-1]
    first = direct(folder, [begin, *inner[:38], end])[1:-1]
    second = direct(folder, [begin, *inner[28:], end])[1:-1]
    found = make(folder, overlap=10).embed([text], "frame")[0].values
    np.testing.assert_allclose(found[:33], first[:33], atol=1e-5)
    np.testing.assert_allclose(found[33:], second[5:], atol=1e-5)


def test_text_that_fits_is_one_window(tiny_text):
    assert len(make(tiny_text("bert"))._windows(0, "高兴")) == 1


@pytest.mark.parametrize("overlap", [38, 400, -1])
def test_overlap_without_room_is_refused_before_any_clip(tiny_text, overlap):
    with pytest.raises(ExtractionError, match=r"MER-E101.*overlap"):
        make(tiny_text("bert"), overlap=overlap)


def test_blank_text_is_too_short(tiny_text):
    with pytest.raises(TooShortError):
        make(tiny_text("bert")).embed([" \n"], "frame")


def test_rows_have_no_time(tiny_text):
    assert np.isnan(make(tiny_text("bert")).embed(["高兴"], "frame")[0].times_s).all()


def test_edition_is_recorded_and_text_is_the_same_in_both(tiny_text):
    """Fact 1 concerns sound; MER2023's text is the sum of the last four layers too."""
    later, first = (make(tiny_text("bert"), edition=edition) for edition in ("merbench", "mer2023"))
    assert first.settings()["edition"] == "mer2023" != later.settings()["edition"]
    assert make(tiny_text("bert"), edition="mer2026").settings() == later.settings()
    rows = [extractor.embed(["高兴"], "frame")[0].values for extractor in (later, first)]
    np.testing.assert_array_equal(*rows)
