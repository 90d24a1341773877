"""``mertools transcribe`` as a user types it, with a tiny random recogniser."""

import importlib.util
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from mertools.cli import main
from mertools.corpus import Clip, Corpus, Split

_FAKES = Path(__file__).parents[2] / "feature_extractors" / "transcription" / "conftest.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("whisper_fakes", _FAKES)
    fakes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fakes)
    return fakes.write_whisper(tmp_path_factory.mktemp("whisper"))


def write_wav(path, seconds, level):
    noise = np.random.default_rng(int(seconds * 100)).uniform(-level, level, int(seconds * 16_000))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((noise * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture
def folder(tmp_path):
    sounds = {"a": (1.0, 0.3), "b": (1.7, 0.5), "c": (0.8, 0.2), "hush": (1.0, 0.0), "blip": (0.05, 0.5)}
    clips = [
        Clip(name, "train", None, write_wav(tmp_path / f"{name}.wav", *how), {"text": f"said by {name}"})
        for name, how in sounds.items()
    ]
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    clips += [
        Clip("broken", "train", None, tmp_path / "broken.wav"),
        Clip("gone", "train", None, tmp_path / "gone.wav"),
        Clip("mute", "other"),
    ]
    splits = (Split("train"), Split("other"))
    Corpus("sounds", tmp_path / "corpus", tuple(clips), tmp_path, splits, transcripts={"text": "human"}).write()
    return tmp_path / "corpus"


@pytest.fixture
def transcribe(folder, weights, capsys):
    def run(*options):
        code = main(["transcribe", str(folder), "--weights", str(weights), "--device", "cpu", "--json", *options])
        out, err = capsys.readouterr()
        return code, json.loads(out), err

    return run


@pytest.fixture
def recognised(monkeypatch):
    """How many clips each call of the recogniser was given."""
    from feature_extractors.transcription.whisper import Whisper

    calls = []
    original = Whisper.transcribe

    def spy(self, sounds, batch=8):
        calls.append(len(sounds))
        return original(self, sounds, batch)

    monkeypatch.setattr(Whisper, "transcribe", spy)
    return calls


def test_the_column_its_origin_and_every_status_are_recorded(transcribe, folder):
    before = Corpus.read(folder)
    code, document, _ = transcribe("--language", "zh")
    assert code == 1  # not every clip has a transcript
    assert document["status"] == {
        "ok": 3, "silent": 1, "too_short": 1, "decode_error": 1, "missing": 1, "no_audio_stream": 1,
    }  # fmt: skip
    corpus = Corpus.read(folder)
    assert corpus.transcripts == {"text": "human", "text_asr": document["origin"]}
    assert document["origin"].startswith("whisper@")
    assert document["origin"].endswith(":language=zh")
    assert [bool(corpus.clip(n).text("text_asr")) for n in ("a", "b", "c", "hush", "blip", "gone")] == [True] * 3 + [
        False
    ] * 3
    assert [c.text() for c in corpus.clips] == [c.text() for c in before.clips]
    lines = [json.loads(line) for line in (folder / "transcripts" / "text_asr.jsonl").read_text().splitlines()]
    assert all(bool(line["reason"]) != (line["status"] == "ok") for line in lines)


def test_a_second_run_recognises_nothing_and_changed_sound_alone_is_done_again(transcribe, folder, recognised):
    transcribe()
    first = (folder / "clips.csv").read_bytes()
    recognised.clear()
    assert transcribe()[1]["recognised"] == 0
    assert recognised == []
    assert (folder / "clips.csv").read_bytes() == first
    write_wav(folder.parent / "b.wav", 1.2, 0.4)
    assert transcribe()[1]["recognised"] == 1
    assert sum(recognised) == 1


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_texts(
    transcribe, folder, weights, recognised, monkeypatch
):
    module = importlib.import_module("feature_extractors.transcription.run")

    original = module._entries
    done = []

    def stopping(*arguments):
        if done:
            raise KeyboardInterrupt
        done.append(1)
        return original(*arguments)

    monkeypatch.setattr(module, "_entries", stopping)
    assert main(["transcribe", str(folder), "--weights", str(weights), "--batch", "2"]) == 130
    assert [bool(c.text("text_asr")) for c in Corpus.read(folder).clips[:3]] == [True, True, False]
    journal = folder / "transcripts" / "text_asr.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"name": "c", "mak')  # a crash while writing
    monkeypatch.setattr(module, "_entries", original)
    recognised.clear()
    transcribe("--batch", "2")
    assert sum(recognised) == 1  # c; the others have no sound to recognise
    resumed = [clip.text("text_asr") for clip in Corpus.read(folder).clips]
    transcribe("--column", "text_again", "--batch", "8")
    assert resumed == [clip.text("text_again") for clip in Corpus.read(folder).clips]


def test_transcripts_by_others_are_never_overwritten(transcribe, folder):
    before = (folder / "clips.csv").read_bytes()
    code, document, _ = transcribe("--column", "text")
    assert (code, document["error"]["code"]) == (2, "MER-E254")
    transcribe()
    code, document, _ = transcribe("--language", "en")  # another recogniser, the same column
    assert (code, document["error"]["code"]) == (2, "MER-E254")
    assert [c.text() for c in Corpus.read(folder).clips][:1] == ["said by a"]
    assert before != (folder / "clips.csv").read_bytes()


def test_word_times_are_kept_beside_the_manifest(transcribe, folder):
    transcribe("--split", "train")
    code, _, _ = transcribe("--word-times", "--split", "train")
    assert code == 1
    lines = [json.loads(line) for line in (folder / "transcripts" / "text_asr.jsonl").read_text().splitlines()]
    last = {line["name"]: line for line in lines}["a"]
    assert last["words"]
    assert all(0 <= begin <= end <= 1.0 for _, begin, end in last["words"])


def test_a_status_is_retried_only_when_asked(transcribe, folder):
    transcribe()
    write_wav(folder.parent / "gone.wav", 0.9, 0.3)
    assert transcribe("--retry", "silent")[1]["recognised"] == 2  # hush again, and gone, whose file has come


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--batch", "0"], "MER-E250"),
        (["--retry", "quiet"], "MER-E251"),
        (["--column", "video"], "MER-E252"),
        (["--column", "a b"], "MER-E252"),
        (["--language", "klingon"], "MER-E241"),
        (["--split", "nosuch"], "MER-C002"),
    ],
)
def test_wrong_options_are_one_paragraph_and_change_nothing(transcribe, folder, options, code):
    before = (folder / "clips.csv").read_bytes()
    exit_code, document, _ = transcribe(*options)
    assert (exit_code, document["error"]["code"]) == (2, code)
    assert (folder / "clips.csv").read_bytes() == before
    assert not (folder / "transcripts").exists()
