"""Denoised sound: what is taken off, what a program may do, and what the manifest says afterwards."""

import json
import sys

import numpy as np
import pytest

from feature_extractors.audio.denoise import Command, SpectralGate, wav_bytes
from mertools.cli import main
from mertools.corpus import Clip, Corpus, Split, Terms
from mertools.errors import ConfigError, MediaError
from mertools.media import read_audio

RATE_HZ = 16_000
COPY = f"{sys.executable} -c 'import shutil, sys; shutil.copy(*sys.argv[1:])' {{input}} {{output}}"


def bursts(n=2 * RATE_HZ):
    """A voice that comes and goes, and steady noise."""
    t = np.arange(n) / RATE_HZ
    spoken = 0.3 * np.sin(2 * np.pi * 300 * t) * (np.sin(2 * np.pi * 1.5 * t) > 0)
    return spoken, np.random.default_rng(0).normal(0, 0.03, n)


def test_the_gate_takes_steady_noise_off_and_leaves_the_voice():
    spoken, noise = bursts()
    clean = SpectralGate().denoise((spoken + noise).astype(np.float32))
    silent = spoken == 0
    assert clean.shape == spoken.shape
    assert clean.dtype == np.float32
    assert clean[silent].std() < 0.4 * noise[silent].std()
    assert np.corrcoef(clean[~silent], spoken[~silent])[0, 1] > 0.99
    assert clean[~silent].std() > 0.9 * spoken[~silent].std()


@pytest.mark.parametrize("n", [0, 1, 600, 1024, 5001])
def test_the_gate_keeps_every_length_and_silence_stays_silent(n):
    assert len(SpectralGate().denoise(np.ones(n, np.float32))) == n
    assert not SpectralGate().denoise(np.zeros(n, np.float32)).any()


def test_a_program_is_run_without_a_shell():
    sound = (0.5 * np.sin(np.arange(8000) / 5)).astype(np.float32)
    np.testing.assert_allclose(Command(COPY).denoise(sound), sound, atol=1e-4)
    assert len(Command(COPY + " '; rm -rf $HOME'").origin) == len("command@") + 16


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit('no model')", "no model"),
        ("pass", "wrote no"),
        ("import sys; open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read()[:5000])", "."),
    ],
)
def test_a_program_that_fails_costs_one_clip(code, reason):
    command = Command(f'{sys.executable} -c "{code}" {{input}} {{output}}')
    with pytest.raises(MediaError, match=reason):
        command.denoise(np.ones(16_000, np.float32))


@pytest.mark.parametrize("line", ["prog {input}", "prog 'x {input} {output}", ""])
def test_a_line_that_is_no_command_is_refused(line):
    with pytest.raises(ConfigError) as caught:
        Command(line)
    assert caught.value.code == "MER-E233"


@pytest.fixture
def folder(tmp_path):
    spoken, noise = bursts()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.wav").write_bytes(wav_bytes(spoken + noise, RATE_HZ))
    clips = (
        Clip("a1", "train", None, tmp_path / "raw" / "a.wav", {"start": "0", "end": "1"}),
        Clip("a2", "train", None, tmp_path / "raw" / "a.wav", {"start": "1", "end": "2"}),
        Clip("gone", "train", None, tmp_path / "raw" / "gone.wav"),
    )
    Corpus("sounds", tmp_path / "corpus", clips, tmp_path / "raw", (Split("train"),)).write()
    return tmp_path / "corpus"


def test_the_column_is_what_extract_reads_and_a_second_run_makes_nothing(folder, capsys):
    assert main(["denoise", str(folder), "--json"]) == 1  # one clip has no sound
    document = json.loads(capsys.readouterr().out)
    assert (document["made"], document["status"]) == (1, {"ok": 2, "missing": 1})
    corpus = Corpus.read(folder)
    cells = [clip.cells["audio_denoised"] for clip in corpus.clips]
    assert cells[0] == cells[1] != ""
    assert cells[2] == ""
    assert corpus.clip("a1").cells["audio_denoised_origin"] == "gate@1"
    assert len(read_audio(corpus.media_root / cells[0])) == 2 * RATE_HZ
    options = ["--with", "audio/prosody", "--device", "cpu", "--json"]
    assert main(["extract", str(folder), "--column", "audio_denoised", *options]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == {"ok": 2, "no_audio_stream": 1}
    main(["denoise", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)["made"] == 0


def test_a_missing_program_and_a_licence_that_forbids_are_said_before_anything_is_written(folder, capsys):
    before = (folder / "clips.csv").read_bytes()
    line = "no-such-program-here {input} {output}"
    assert main(["denoise", str(folder), "--command", line]) == 2
    assert "MER-E234" in capsys.readouterr().err
    corpus = Corpus.read(folder)
    Corpus(corpus.name, folder, corpus.clips, corpus.media_root, corpus.splits, terms=Terms(may_edit=False)).write()
    assert main(["denoise", str(folder)]) == 2
    assert "MER-E239" in capsys.readouterr().err
    assert (folder / "clips.csv").read_bytes() == before


def test_hdemucs_refuses_what_is_no_state_dict(folder, tmp_path, capsys):
    (tmp_path / "w.pt").write_bytes(b"not a checkpoint")
    assert main(["denoise", str(folder), "--weights", str(tmp_path / "w.pt"), "--device", "cpu"]) == 2
    assert "MER-E232" in capsys.readouterr().err
