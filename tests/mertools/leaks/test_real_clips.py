"""Real clips: recordings that look and sound alike do not pair, damaged copies under other names do."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mertools.corpus import Corpus
from mertools.leaks import find_shared
from mertools.media import read_audio

pytestmark = pytest.mark.slow

NO, FACE_NO, NO_FACE, FACE = (f"pyfeat_{name}" for name in ("no_face", "face_noface", "noface_face", "single_face"))
FOOTAGE = {frozenset(p) for p in ((NO, FACE_NO), (NO, NO_FACE), (FACE_NO, NO_FACE), (FACE, FACE_NO), (FACE, NO_FACE))}
"""Two of these clips were cut together from the other two by their makers: they do share footage, as one sees."""


def link_corpus(making, folder: Path, clips: dict[str, Path]) -> Corpus:
    folder.mkdir(parents=True)
    for name, path in clips.items():
        (folder / name).symlink_to(path)
    column = "audio" if next(iter(clips)).endswith(".wav") else "video"
    making.write_corpus(folder, [{"name": Path(name).stem, column: name} for name in clips])
    return Corpus.read(folder)


@pytest.fixture(scope="module")
def clips(real_data):
    return sorted(p for p in (real_data / "clips").iterdir() if p.suffix in (".mp4", ".mov", ".mpg"))


@pytest.fixture(scope="module")
def originals(clips, making, tmp_path_factory):
    return link_corpus(making, tmp_path_factory.mktemp("originals") / "a", {p.name: p for p in clips})


def degraded(making, clips, noises, damage, folder):
    """Copies of all clips under meaningless names, each under the noise of two voices."""

    def make(number: int) -> None:
        rng = np.random.default_rng(number)
        others = [sound for path, sound in noises if path != clips[number]]
        making.degrade(clips[number], folder / f"m{number:03d}.mp4", damage, making.babble(others, 600_000, rng))

    folder.mkdir(parents=True)
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as threads:
        list(threads.map(make, range(len(clips))))
    names = [f"m{n:03d}" for n in range(len(clips))]
    making.write_corpus(folder, [{"name": name, "video": f"{name}.mp4"} for name in names])
    return Corpus.read(folder), dict(zip(names, (p.stem for p in clips), strict=True))


def check(found, origin):
    """Recall of copies; no pair but copies and shared footage."""
    pairs = {(p.a, origin[p.b]) for p in found.pairs}
    strangers = {(a, b) for a, b in pairs if a != b and frozenset((a, b)) not in FOOTAGE}
    assert not strangers
    return len({a for a, b in pairs if a == b}) / len(origin)


def test_the_originals_share_the_footage_they_share_and_nothing_else(originals):
    found = find_shared(originals, originals, workers=2)
    assert {frozenset((p.a, p.b)) for p in found.pairs} == FOOTAGE
    assert found.strongest_unrelated < found.required_exponent / 2


@pytest.mark.parametrize(
    "changes",
    [
        {"trim_s": 0.3},
        {"trim_s": 0.13, "crop": 0.05, "scale": 0.75, "fps": 25.0, "options": (("b", "150000"),)},
        {"trim_s": 0.3, "scale": 0.6, "letterbox": 0.08, "codec": "libx264", "options": (("crf", "30"),)},
    ],
    ids=["trimmed", "cropped", "letterboxed"],
)
def test_copies_blurred_by_four_under_speech_at_5_db_are_found(changes, originals, clips, making, real_data, tmp_path):
    spoken = sorted((real_data / "emodb" / "wav").glob("*.wav"))[::12]
    noises = [(path, read_audio(path).samples) for path in spoken]
    copies, origin = degraded(making, clips, noises, making.Damage(**changes), tmp_path / "b")
    found = find_shared(originals, copies, workers=2)
    assert check(found, origin) >= 0.95
    assert not found.sound_only


def test_clips_used_as_noise_for_each_other_do_not_pair(originals, clips, making, tmp_path):
    sounds = [(path, read_audio(path)) for path in clips]
    noises = [(path, sound.samples) for path, sound in sounds if sound.rms > 0.03]
    copies, origin = degraded(making, clips, noises, making.Damage(), tmp_path / "b")
    assert check(find_shared(originals, copies, workers=2), origin) >= 0.95


def test_the_same_words_by_the_same_voice_are_not_the_same_recording(making, real_data, tmp_path):
    wavs = sorted((real_data / "emodb" / "wav").glob("*.wav"))
    said_again = itertools.groupby(wavs, key=lambda p: p.name[:5])  # EmoDB: speaker and sentence
    assert sum(len(list(group)) > 1 for _, group in said_again) > 50
    corpus = link_corpus(making, tmp_path / "emodb", {p.name: p for p in wavs})
    found = find_shared(corpus, corpus, workers=2)
    assert not found.pairs
    assert found.strongest_unrelated < found.required_exponent / 2
