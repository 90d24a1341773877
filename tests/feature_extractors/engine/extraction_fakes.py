"""Small extractors and corpora for the engine's tests; also imported by the processes that the tests kill.

The ``batchy`` extractors run "on torch" and put the composition of their batch into every row, so that two runs with
other batches cannot agree by accident.
"""

import os
import signal
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import BaseConfig, Extractor, FaceConfig, Rows, TextConfig, TooShortError
from mertools.corpus import Clip, Corpus, Split
from mertools.errors import ExtractionError

CALLS = []
"""Name of the extractor and lengths of the inputs, one entry per call of `embed`."""


def _signature(batch):
    """Two numbers that depend on every input of the batch and on their order."""
    lengths = [len(one) for one in batch]
    return [float(len(lengths)), float(sum(n * (i + 1) for i, n in enumerate(lengths)))]


class _Fake(Extractor):
    torch_model = True

    @property
    def dim(self):
        return 4

    def cost(self, length):
        return float(length)

    def embed(self, batch, level):
        CALLS.append((self.name, [len(one) for one in batch]))
        announce(self.name)
        return [self.rows(one, _signature(batch)) for one in batch]


def announce(name):
    """Replaced in processes that want to be seen at work."""


class BatchyFaces(_Fake):
    modality = "face"
    Config = FaceConfig
    chunk_rows = 4
    batch_cost = 10.0

    def rows(self, crops, signature):
        means = crops.pixels.reshape(len(crops), -1).mean(axis=1)
        values = [[mean, mean * mean, *signature] for mean in means]
        return Rows(np.array(values, np.float32), crops.times_s)


class PlainFaces(BatchyFaces):
    def rows(self, crops, signature):
        return super().rows(crops, [1.0, 1.0])


class BatchySounds(_Fake):
    modality = "audio"
    batch_cost = 30_000.0

    def rows(self, sound, signature):
        steps = np.array_split(sound.samples.astype(np.float64), 3)
        values = [[np.abs(step).mean(), len(step), *signature] for step in steps]
        return Rows(np.array(values, np.float32), np.arange(3) / 3)


class BatchyTexts(_Fake):
    modality = "text"
    Config = TextConfig
    batch_cost = 40.0
    padding_invariant = True

    def rows(self, text, signature):
        values = [[ord(letter), len(text), *signature] for letter in text]
        return Rows(np.array(values, np.float32), np.full(len(text), np.nan))


class SoloTexts(BatchyTexts):
    torch_model = False


@dataclass(frozen=True)
class TroubleConfig(BaseConfig):
    fits: int = 99
    """Inputs that fit into memory."""
    fails: str = ""
    """Letter that makes an input fail."""


class Trouble(_Fake):
    """Runs out of memory, finds inputs too short (``!``), breaks on a letter, gives NaN (``?``)."""

    modality = "text"
    Config = TroubleConfig
    utterance = "own"
    padding_invariant = True
    batch_cost = 1000.0

    def embed(self, batch, level):
        import torch

        CALLS.append((self.name, [len(one) for one in batch]))
        if len(batch) > self.config.fits:
            raise torch.OutOfMemoryError("out of memory")
        if any(text.startswith("!") for text in batch):
            raise TooShortError
        if self.config.fails and any(self.config.fails in text for text in batch):
            raise ValueError("cannot read this")
        return [
            Rows(np.array([[np.nan if "?" in text else len(text), ord(text[0]), 0, 0]], np.float32), np.zeros(1))
            for text in batch
        ]


@dataclass(frozen=True)
class HungryConfig(BaseConfig):
    seconds: float = 1e9
    """Sound that fits into the memory of the device."""


class Hungry(BatchySounds):
    """Runs out of the device's memory above so many seconds of sound; its rows do not depend on the batch."""

    Config = HungryConfig
    batch_cost = 64 * 16_000.0

    def embed(self, batch, level):
        import torch

        CALLS.append((self.name, [len(one) for one in batch]))
        if sum(len(one) for one in batch) > self.config.seconds * 16_000:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return [self.rows(one, [0.0, 0.0]) for one in batch]


class Narrow(BatchyTexts):
    """Computes in the precision that it was loaded with; a text with a ``Z`` goes far beyond half precision."""

    def load(self, device, precision):
        self.dtype = np.float16 if precision == "fp16" else np.float32

    def rows(self, text, signature):
        high = 1e6 if "Z" in text else 7.0
        with np.errstate(over="ignore"):
            values = np.full((len(text), 4), high + len(text), np.float64).astype(self.dtype)
        return Rows(values, np.full(len(text), np.nan))


@dataclass(frozen=True)
class DeadlyConfig(TextConfig):
    letter: str = field(default="", metadata={"recorded": False})
    """A text with this letter kills the process."""
    grave: str = field(default="", metadata={"recorded": False})
    """It does so only while fewer files than `lives` lie in this folder."""
    lives: int = field(default=1, metadata={"recorded": False})


class Deadly(BatchyTexts):
    """Kills its own process, as a driver or the system would, when it meets a letter."""

    Config = DeadlyConfig
    batch_cost = 60.0

    def embed(self, batch, level):
        config = self.config
        if config.letter and any(config.letter in text for text in batch):
            deaths = len(list(Path(config.grave).iterdir()))
            if deaths < config.lives:
                (Path(config.grave) / str(os.getpid())).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(batch, level)


class Unloadable(BatchyTexts):
    """Its weights cannot be read."""

    def load(self, device, precision):
        raise ExtractionError("MER-E116", f"the weights cannot be read on {device}.")


FAKES = {
    "face/batchy": BatchyFaces,
    "face/plain": PlainFaces,
    "audio/batchy": BatchySounds,
    "text/batchy": BatchyTexts,
    "text/solo": SoloTexts,
    "text/trouble": Trouble,
    "audio/hungry": Hungry,
    "text/narrow": Narrow,
    "text/deadly": Deadly,
    "text/unloadable": Unloadable,
}


def register():
    """Make the fakes known; the tests take them away again, since others are parametrised over the registry."""
    for name, cls in FAKES.items():
        EXTRACTORS.add(name, cls)


def write_wav(path: Path, seconds: float, level: float = 0.3, seed: int = 0, rate: int = 16_000) -> Path:
    """Noise of a given loudness as 16-bit PCM."""
    noise = np.random.default_rng(seed).uniform(-level, level, round(seconds * rate))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((noise * 32767).astype("<i2").tobytes())
    return path


def write_crops(folder: Path, name: str, n_frames: int, seed: int) -> None:
    """Crops that a data set ships, OpenFace's layout."""
    (folder / name).mkdir(parents=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (n_frames, 8, 8, 3), np.uint8)
    np.save(folder / name / f"{name}.npy", pixels)


def make_corpus(folder: Path, n_clips: int = 12, seed: int = 0) -> Corpus:
    """Clips with sound of few different lengths, shipped crops of many, texts; two splits; one has no text."""
    random = np.random.default_rng(seed)
    media = folder / "media"
    media.mkdir(parents=True)
    clips = []
    for i in range(n_clips):
        name = f"clip{i:02d}"
        sound = write_wav(media / f"{name}.wav", float(random.choice([0.25, 0.5, 0.75])), seed=i)
        write_crops(media / "faces", name, int(random.integers(1, 14)), seed=i)
        text = "" if i == 3 else "x" * int(random.integers(1, 25)) + chr(97 + i)
        split = "test" if i % 4 == 0 else "train"
        clips.append(Clip(name, split, None, sound, {"text": text, "text_en": "e" + text}))
    corpus = Corpus("tiny", folder, tuple(clips), media, (Split("train"), Split("test", "test")))
    corpus.write()
    return corpus.read(folder)


def names_of(corpus: Corpus) -> list[str]:
    """One extractor per modality; the faces come from shipped crops."""
    return [
        f"face/batchy:crop=openface-folder:folder={corpus.media_root / 'faces'}",
        "audio/batchy",
        "text/batchy",
    ]


def contents(store) -> dict:
    """Everything a store says about embeddings: status, reason, values and times, to the bit."""
    found = {}
    for space in store.spaces():
        for clip, (status, reason) in store.status(space).items():
            embedding = store.read(space, clip) if status == "ok" else None
            bits = (embedding.values.tobytes(), embedding.times_s.tobytes()) if embedding else None
            found[space.fingerprint, clip] = (status, reason, bits)
    return found
