"""Recognition itself: batch against single, windows, words, and what the weights must have."""

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_extractors.base import Waveform
from feature_extractors.transcription.whisper import Whisper
from feature_extractors.transcription.windows import windows
from feature_extractors.transcription.words import words_of
from mertools.errors import ExtractionError


def loaded(folder, **options):
    recogniser = Whisper(str(folder), **options)
    recogniser.load("cpu")
    return recogniser


def test_a_batch_says_what_each_clip_says_alone_and_what_transformers_says(whisper, sounds):
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizerFast

    recogniser = loaded(whisper, language="zh")
    clips = [Waveform(sound) for sound in sounds]
    together = recogniser.transcribe(clips, batch=3)
    assert [recogniser.transcribe([clip])[0] for clip in clips] == together
    assert len({transcript.text for transcript in together}) > 1
    model = WhisperForConditionalGeneration.from_pretrained(whisper)
    read = WhisperFeatureExtractor.from_pretrained(whisper)
    tokenizer = WhisperTokenizerFast.from_pretrained(whisper)
    for sound, transcript in zip(sounds, together, strict=True):
        features = read(sound, sampling_rate=16_000, return_tensors="pt").input_features
        with torch.inference_mode():
            tokens = model.generate(features, language="zh", task="transcribe", max_new_tokens=20)
        assert tokenizer.decode(tokens[0], skip_special_tokens=True).strip() == transcript.text


def test_without_a_language_each_clip_has_the_one_that_is_heard(whisper, sounds):
    recogniser = loaded(whisper)
    clips = [Waveform(sound) for sound in sounds]
    together = recogniser.transcribe(clips, batch=5)
    assert {transcript.language for transcript in together} <= {"en", "zh", "de"}
    assert [recogniser.transcribe([clip])[0] for clip in clips] == together


def test_words_lie_in_order_inside_the_clip_and_do_not_depend_on_the_batch(whisper, sounds):
    recogniser = loaded(whisper, language="zh", word_times=True)
    clips = [Waveform(sound, start_s=0.5) for sound in sounds[:3]]
    together = recogniser.transcribe(clips, batch=3)
    assert [recogniser.transcribe([clip])[0] for clip in clips] == together
    assert any(transcript.words for transcript in together)
    for clip, transcript in zip(clips, together, strict=True):
        assert "".join(w.text for w in transcript.words).replace(" ", "") == "".join(transcript.text.split())
        times = [time for word in transcript.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(0.5 <= time <= 0.5 + clip.duration_s + 1e-6 for time in times)


def test_silent_windows_are_left_out(whisper, sounds):
    recogniser = loaded(whisper, language="en")
    loud = np.tile(sounds[0], 60)[: 27 * 16_000]
    alone = recogniser.transcribe([Waveform(loud)])[0]
    assert recogniser.transcribe([Waveform(np.concatenate([loud, np.zeros(31 * 16_000, np.float32)]))])[0].text
    assert recogniser.transcribe([Waveform(np.zeros(40 * 16_000, np.float32))])[0].text == ""
    assert alone.text


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000), st.integers(0, 2**31))
def test_windows_cover_the_sound_and_none_is_too_long(n, seed):
    samples = np.random.default_rng(seed).normal(size=n).astype(np.float32)
    pieces = windows(samples, 1000)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == n
    assert all(a[1] == b[0] for a, b in pairwise(pieces))
    assert all(0 <= stop - start <= 30_000 for start, stop in pieces)
    assert all(stop - start >= 25_000 for start, stop in pieces[:-1])


def test_a_long_sound_is_cut_in_its_pause():
    samples = np.ones(40 * 1000, np.float32)
    samples[27_000:27_500] = 0
    (_, cut), _ = windows(samples, 1000)
    assert 27_000 < cut < 27_500


def test_spaces_part_words_and_punctuation_stays_with_the_word_before():
    text = [" He", "llo", ",", " you", "!"]
    words = words_of(range(5), [0.0, 0.2, 0.4, 0.6, 0.9], 1.2, lambda t: "".join(text[i] for i in t), "en")
    assert [(w.text, w.start_s, w.end_s) for w in words] == [("Hello,", 0.0, 0.6), ("you!", 0.6, 1.2)]


def test_characters_are_words_in_chinese_and_one_of_several_tokens_is_whole():
    pieces = ["你".encode()[:2], "你".encode()[2:], "好".encode(), "。".encode()]

    def decode(tokens):
        return b"".join(pieces[i] for i in tokens).decode(errors="replace")

    words = words_of(range(4), [0.0, 0.1, 0.3, 0.5], 0.8, decode, "zh")
    assert [(w.text, w.start_s, w.end_s) for w in words] == [("你", 0.0, 0.3), ("好。", 0.3, 0.8)]


def test_word_times_change_no_text_even_where_stray_time_stamps_are_made(whisper, sounds, tmp_path):
    facts = json.loads((whisper / "generation_config.json").read_text())
    first = facts["no_timestamps_token_id"] + 1
    suppressed = [token for token in facts["suppress_tokens"] if token < first or token % 20]
    folder = changed(whisper, tmp_path / "w", "generation_config.json", suppress_tokens=suppressed)
    clips = [Waveform(sound) for sound in sounds]
    plain = loaded(folder, language="zh").transcribe(clips)
    timed = loaded(folder, language="zh", word_times=True).transcribe(clips)
    assert [transcript.text for transcript in timed] == [transcript.text for transcript in plain]
    assert any(transcript.text for transcript in plain)


def test_no_tokens_are_no_words():
    assert words_of([], [], 1.0, lambda tokens: "", "en") == []


def changed(whisper, folder, file, **values):
    shutil.copytree(whisper, folder)
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({k: v for k, v in {**content, **values}.items() if v is not None}))
    return folder


@pytest.mark.parametrize(
    ("file", "values", "options", "code"),
    [
        ("config.json", {"model_type": "hubert"}, {}, "MER-E240"),
        ("config.json", {}, {"language": "chinesisch"}, "MER-E241"),
        ("generation_config.json", {"alignment_heads": None}, {"word_times": True}, "MER-E242"),
        ("config.json", {"d_model": 32}, {}, "MER-E243"),
    ],
)
def test_what_does_not_fit_is_said_before_any_clip(whisper, tmp_path, file, values, options, code):
    folder = changed(whisper, tmp_path / "w", file, **values)
    with pytest.raises(ExtractionError) as caught:
        loaded(folder, **options)
    assert caught.value.code == code


def test_missing_weights_name_the_option_of_the_verb(tmp_path):
    with pytest.raises(ExtractionError, match="are not on this machine") as caught:
        Whisper(str(tmp_path / "nowhere" / "deep")).check()
    assert "--weights" in caught.value.hint


def test_the_origin_follows_the_content_of_the_weights_not_their_place(whisper, tmp_path):
    copy = shutil.copytree(whisper, tmp_path / "copy")
    assert Whisper(str(copy)).origin == Whisper(str(whisper)).origin
    assert Whisper(str(copy), "zh").origin == Whisper(str(whisper)).origin + ":language=zh"
    changed(whisper, tmp_path / "other", "generation_config.json", max_length=30)
    assert Whisper(str(tmp_path / "other")).origin != Whisper(str(whisper)).origin
