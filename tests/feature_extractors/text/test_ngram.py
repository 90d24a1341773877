"""Hashed n-grams: stable, stateless, any script."""

import subprocess
import sys

import numpy as np
import pytest

from feature_extractors import create_extractor
from feature_extractors.base import TooShortError
from feature_extractors.text.ngram import tokens_of
from mertools.errors import ExtractionError


@pytest.fixture(scope="module")
def ngram():
    return create_extractor("text/ngram")


def row(extractor, text):
    return extractor.embed([text], "utterance")[0].values[0]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I'm so HAPPY!", ["i'm", "so", "happy", "!"]),
        ("我很高兴。", ["我", "很", "高", "兴", "。"]),
        ("\uff21\uff22\uff23\uff11\uff12", ["abc12"]),  # full width
        ("don\u2019t", ["don't"]),
        ("OK啦!?", ["ok", "啦", "!", "?"]),
        ("NA", ["na"]),
        ("null", ["null"]),
        (" \t\n", []),
    ],
)
def test_tokens(text, tokens):
    assert tokens_of(text) == tokens


def test_rows_have_unit_length_and_no_time(ngram):
    rows = ngram.embed(["今天真开心 what a day", "NA"], "utterance")
    assert [np.linalg.norm(r.values) for r in rows] == pytest.approx([1, 1])
    assert all(np.isnan(r.times_s).all() for r in rows)


def test_shared_words_make_texts_alike(ngram):
    happy, same, other = (row(ngram, t) for t in ("我今天很高兴", "今天我高兴", "这个问题太复杂"))
    assert happy @ same > 0.4 > 0.2 > happy @ other
    english, near, far = (row(ngram, t) for t in ("i was disappointed", "so disappointing", "lovely weather"))
    assert english @ near > 0.2 > english @ far


def test_order_of_words_matters_a_little(ngram):
    assert 0.5 < row(ngram, "dog bites man") @ row(ngram, "man bites dog") < 0.99


def test_counts_are_damped(ngram):
    once, often = row(ngram, "good bad"), row(ngram, "good " * 50 + "bad")
    assert once @ often > 0.5


def test_frame_level_has_a_row_per_token(ngram):
    assert ngram.embed(["我 am 好!"], "frame")[0].values.shape == (4, ngram.dim)


def test_hashes_do_not_depend_on_the_process(ngram):
    code = (
        "from feature_extractors import create_extractor as c;"
        "print(*c('text/ngram').embed(['我很高兴 so happy'], 'utterance')[0].values[0].nonzero()[0])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [int(i) for i in out.stdout.split()] == list(row(ngram, "我很高兴 so happy").nonzero()[0])


def test_text_without_anything_is_too_short(ngram):
    with pytest.raises(TooShortError):
        ngram.embed(["  "], "utterance")


@pytest.mark.parametrize("options", [{"size": 1}, {"words": 0}, {"shortest": 6}, {"shortest": 0}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ExtractionError, match="MER-E101"):
        create_extractor("text/ngram", **options)
