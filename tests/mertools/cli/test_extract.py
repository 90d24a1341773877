"""``mertools extract`` as a user types it, with the extractors that need no download."""

import csv
import json
import subprocess
import sys
import wave

import numpy as np
import pytest

from mertools.cli import main
from mertools.corpus import Clip, Corpus, Split
from mertools.store import open_store

SOUNDS = {"loud": 0.3, "louder": 0.5, "hush": 0.0}


@pytest.fixture
def folder(tmp_path):
    """A corpus of sounds and transcripts; one is silent, one has no words."""
    clips = []
    for seed, (name, level) in enumerate(SOUNDS.items()):
        noise = np.random.default_rng(seed).uniform(-level, level, 8000)
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((noise * 32767).astype("<i2").tobytes())
        clips.append(Clip(name, "train", None, tmp_path / f"{name}.wav", {"text": "" if name == "loud" else name}))
    Corpus("sounds", tmp_path / "corpus", tuple(clips), tmp_path, (Split("train"),)).write()
    return tmp_path / "corpus"


@pytest.fixture
def extract(folder, capsys):
    """Runs the verb; gives the exit code, stdout and stderr."""

    def run(*options, corpus=folder):
        code = main(["extract", str(corpus), "--device", "cpu", *options])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_json_has_the_keys_of_the_contract_and_counts_every_row(extract, folder):
    code, out, _ = extract("--with", "audio/prosody,text/ngram", "--json")
    document = json.loads(out)
    assert code == 1  # not every row is ok
    assert {"clips", "seconds", "spaces", "status"} <= set(document)
    assert (document["clips"], document["extracted"], document["rows"]) == (3, 3, 6)
    assert document["status"] == {"ok": 4, "no_text": 1, "silent": 1}
    assert document["seconds"] > 0
    assert [space["name"] for space in document["spaces"]] == ["audio/prosody", "text/ngram"]
    with open_store(folder / "store") as store:
        assert {s.fingerprint for s in store.spaces()} == {s["fingerprint"] for s in document["spaces"]}


def test_a_second_run_extracts_nothing_and_says_the_same(extract):
    first = json.loads(extract("--with", "audio/prosody,text/ngram", "--json")[1])
    code, out, _ = extract("--with", "audio/prosody,text/ngram", "--json")
    second = json.loads(out)
    assert (code, second["extracted"], second["rows"]) == (1, 0, 0)
    assert (second["status"], second["spaces"]) == (first["status"], first["spaces"])


def test_the_table_names_failed_clips_and_where_to_see_all(extract):
    code, out, _ = extract("--with", "audio/prosody,text/ngram")
    assert code == 1
    assert "hush: the sound is silent" in out
    assert "loud: the transcript is empty" in out
    assert "3 clips" in out


def test_many_failures_are_cut_short_with_the_command_that_shows_them(tmp_path, extract):
    clips = tuple(Clip(f"c{i}", "train") for i in range(9))
    Corpus("mute", tmp_path / "mute", clips, tmp_path, (Split("train"),)).write()
    _, out, _ = extract("--with", "text/ngram", corpus=tmp_path / "mute")
    assert "... and 4 more; all of them: mertools store show" in out
    words = out.split("mertools ")[1].splitlines()[0].split()
    assert main(words) == 0


def test_when_every_row_is_ok_the_exit_code_is_zero(extract, folder):
    assert extract("--with", "text/ngram", "--limit", "2", "--retry", "no_text")[0] == 1  # the empty one is shortest
    assert extract("--with", "audio/prosody", "--store", str(folder / "other"))[0] == 1
    corpus = Corpus.read(folder)
    Corpus("fine", folder / "fine", corpus.clips[:2], corpus.media_root, corpus.splits).write()
    assert extract("--with", "audio/prosody", corpus=folder / "fine")[0] == 0


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--with", "audio/prosodi"], "MER-K001", "Did you mean 'audio/prosody'"),
        (["--with", "audio/prosody:n_mfc=3"], "MER-R003", "Did you mean 'n_mfcc'"),
        (["--with", "text/encoder:weights=/nowhere/bert"], None, "/nowhere/bert"),
        (["--with", "text/ngram", "--split", "tran"], "MER-C002", "Did you mean 'train'"),
        (["--with", "text/ngram", "--column", "text_em"], "MER-E006", "text_em"),
        (["--with", "text/ngram", "--retry", "oops"], "MER-E002", "oops"),
        (["--with", "text/ngram", "--engine", "spark"], "MER-E012", "--shard I/N"),
        (["--with", "text/ngram", "--devise", "cpu"], "MER-R011", "Did you mean '--device'"),
    ],
)
def test_wrong_wishes_end_with_two_one_paragraph_and_no_store(extract, folder, options, code, said):
    exit_code, out, err = extract(*options, "--json")
    error = json.loads(out)["error"]
    assert exit_code == 2
    assert code in (None, error["code"])
    assert said in error["message"] + error["hint"]
    assert "Traceback" not in err
    assert not (folder / "store").exists()


def test_a_dry_run_says_how_much_and_makes_no_store(extract, folder):
    code, out, _ = extract("--with", "audio/prosody,text/ngram", "--dry-run", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["clips"], document["rows"]) == (3, 6)
    assert document["hours"] == pytest.approx(1.5 / 3600, abs=1e-4)
    assert document["gigabytes"] >= 0
    assert document["estimated_from_clips"] > 0
    assert not (folder / "store").exists()
    text = extract("--with", "text/ngram", "--dry-run")[1]
    assert "Estimate" in text
    assert "Nothing was written" in text


@pytest.mark.slow
def test_real_clips_have_the_status_that_their_manifest_implies(tmp_path, real_data, capsys):
    """The road of a new user: prepare a folder, extract with the defaults, and again."""
    raw, corpus = real_data / "clips", tmp_path / "corpus"
    with (raw / "manifest.csv").open(encoding="utf-8") as file:
        facts = {row["file"].rsplit(".", 1)[0]: row for row in csv.DictReader(file)}
    with (tmp_path / "transcripts.csv").open("w", encoding="utf-8") as file:
        file.write("name,text\n" + "".join(f"{name},words of {name}\n" for name in facts))
    transcripts = [f"transcripts={tmp_path / 'transcripts.csv'}"]
    assert main(["prepare", "folder", "--raw", str(raw), "--out", str(corpus), *transcripts]) == 0
    capsys.readouterr()
    assert main(["extract", str(corpus), "--json", "--device", "cpu"]) == 1
    first = json.loads(capsys.readouterr().out)
    with open_store(corpus / "store") as store:
        found = {s.extractor: {c: status for c, (status, _) in store.status(s).items()} for s in store.spaces()}
    assert found["face/hog"] == {name: "no_face" if name == "pyfeat_no_face" else "ok" for name in facts}
    assert found["audio/prosody"] == {
        name: "silent" if float(row["audio_rms"]) < 1e-3 else "ok" for name, row in facts.items()
    }
    assert set(found["text/ngram"].values()) == {"ok"}
    assert main(["extract", str(corpus), "--json", "--device", "cpu"]) == 1
    second = json.loads(capsys.readouterr().out)
    assert (second["extracted"], second["rows"]) == (0, 0)
    assert second["status"] == first["status"]


def test_what_does_not_run_on_torch_does_not_import_it(extract, folder):
    """Its import takes seconds, more than all else that a run with nothing left to do does."""
    names = "face/hog,audio/prosody,text/ngram"
    extract("--with", names)
    code = "import sys; from mertools.cli import main; main(sys.argv[1:]); sys.exit(10 + ('torch' in sys.modules))"
    for words in (["--with", names], ["--with", "audio/prosody,text/ngram", "--retry", "silent"]):
        command = [sys.executable, "-c", code, "extract", str(folder), *words]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 10
