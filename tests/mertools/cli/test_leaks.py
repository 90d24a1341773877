"""``mertools leaks`` as a user types it."""

import json
from pathlib import Path

import numpy as np
import pytest

from mertools import cli
from mertools.corpora.fakes import fake_video, fake_wav
from mertools.corpus import Clip, Corpus, Split


def corpus(folder: Path, **media: Path) -> Corpus:
    clips = tuple(
        Clip(name, "train", **{"audio" if path.suffix == ".wav" else "video": path}) for name, path in media.items()
    )
    made = Corpus(folder.name, folder, clips, folder.parent, (Split("train"),))
    made.write()
    return made


def tune(path: Path, seed: int) -> Path:
    """Three seconds of notes that nobody played before."""
    import wave

    rng = np.random.default_rng(seed)
    notes = [np.sin(2 * np.pi * hz * np.arange(2000) / 16_000) for hz in rng.uniform(350, 5000, (24, 3)).sum(0)]
    samples = np.concatenate([rng.normal(size=2000) * np.hanning(2000) + note for note in notes] * 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((3000 * samples).astype("<i2").tobytes())
    return path


@pytest.fixture
def two(tmp_path):
    """Corpora that share one file under two names; a tone and a short film cannot be decided."""
    media = tmp_path / "media"
    shared, mine, yours = (tune(media / f"{n}.wav", n) for n in (1, 2, 3))
    tone, film = fake_wav(media / "tone.wav"), fake_video(media / "film.mp4")
    a = corpus(tmp_path / "a", first=shared, second=mine, tone=tone)
    b = corpus(tmp_path / "b", second=yours, other=shared, film=film)
    return a, b


def run(capsys, *words):
    code = cli.main(["leaks", *map(str, words)])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_shared_clips_are_not_fine_and_the_document_says_which(two, capsys):
    a, b = two
    code, out, err = run(capsys, a.folder, b.folder, "--json")
    assert code == 1
    document = json.loads(out)
    (pair,) = document["pairs"]
    assert (pair["a"], pair["b"], pair["offset_s"]) == ("first", "other", 0.0)
    assert pair["evidence"]["digest"] is True
    assert pair["evidence"]["name"] is False
    assert pair["evidence"]["visual"] is None
    assert pair["evidence"]["audio"]["bit_error_rate"] == 0.0
    assert pair["false_positive_probability"] < 1e-6
    assert (document["clips_a"], document["clips_b"], document["shared"]) == (3, 3, 1)
    assert document["name_only"] == ["second"]
    assert {u["clip"] for u in document["undecidable"]} >= {"tone", "film"}
    assert document["seconds"] > 0
    assert "search: 3/3 clips" in err


def test_the_table_names_the_pair_and_the_margin(two, capsys):
    a, b = two
    code, out, _ = run(capsys, a.folder, b.folder, "--no-cache")
    assert code == 1
    assert "a and b share 1 of 3 clips" in out
    assert any("first" in line and "other" in line and "yes" in line for line in out.splitlines())
    assert "Same name, but no shared content found; not counted: second" in out
    assert "required" in out
    assert not (a.folder / "leaks-cache").exists()


def test_nothing_shared_is_fine(two, capsys):
    a, _ = two
    code, out, _ = run(capsys, a.folder, a.folder)
    assert code == 0
    assert "a holds twice 0 of 3 clips" in out


def test_seen_in_is_written_on_request_only(two, capsys):
    a, b = two
    run(capsys, a.folder, b.folder)
    assert Corpus.read(a.folder).seen_in == ()
    assert run(capsys, a.folder, b.folder, "--write-seen-in")[0] == 1
    noted = Corpus.read(a.folder)
    assert noted.seen_in == ("b",)
    assert {clip.name: clip.cells["seen_in"] for clip in noted.clips} == {"first": "b", "second": "", "tone": ""}


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--workers", "0"], "MER-C380"), (["--timeout", "-1"], "MER-C380"), (["--write-seen-in"], "MER-C381")],
)
def test_wrong_options_are_bad_input_before_anything_is_decoded(options, code, two, capsys):
    a, _ = two
    status, _, err = run(capsys, a.folder, a.folder, *options)
    assert status == 2
    assert code in err
    assert not (a.folder / "leaks-cache").exists()


def test_a_folder_that_is_no_corpus_is_bad_input(two, capsys, tmp_path):
    status, out, err = run(capsys, two[0].folder, tmp_path / "nowhere", "--json")
    assert status == 2
    assert json.loads(out)["error"]["code"] == "MER-C014"
    assert "Traceback" not in err
