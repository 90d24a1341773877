"""A small corpus with a store of embeddings in which the class can be found, and in which it cannot."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines import train
from baselines.runs import Run
from mertools.corpus import Clip, Corpus, Split
from mertools.store import SpaceSpec, open_store
from mertools.targets import Target

EMOTIONS = ("angry", "happy", "sad")
SPEAKERS = ("anna", "ben", "carl", "dora", "emil", "fay")
FACE, AUDIO, NOISE = "face/made-up", "audio/made-up", "audio/noise"


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="baselines")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """72 training clips of six speakers, 12 test clips, 6 candidates; a store with three spaces beside them."""
    return make_corpus(tmp_path_factory.mktemp("made-up") / "corpus")


@pytest.fixture(scope="session")
def trained(original: Corpus) -> Run:
    """Both targets, two spaces, three folds, two seeds, on `original`."""
    return train(
        original,
        [FACE, AUDIO],
        "attention",
        original.folder.parent / "run",
        target=["discrete", "valence"],
        folds="3",
        repeats=2,
        **FAST,
    )


@pytest.fixture
def corpus(original: Corpus, tmp_path: Path) -> Corpus:
    """A copy of `original` to change at will."""
    return Corpus.read(shutil.copytree(original.folder, tmp_path / "corpus"))


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    """A copy of `trained` to change at will."""
    return Run.read(shutil.copytree(trained.folder, tmp_path / "run"))


def make_corpus(folder: Path, *, per_speaker: int = 12, seed: int = 0) -> Corpus:
    rng = np.random.default_rng(seed)
    clips, classes = [], []
    plan = [("train", s) for s in SPEAKERS for _ in range(per_speaker)] + [("test1", "gus")] * 12
    plan += [("candidate", "hal")] * 6
    for number, (split, speaker) in enumerate(plan):
        label = number % len(EMOTIONS)
        cells = {"name": f"clip{number:03d}", "split": split, "speaker": speaker}
        if split != "candidate":
            cells |= {"discrete": EMOTIONS[label], "valence": f"{(label - 1) * 2 + rng.uniform(-0.5, 0.5):.3f}"}
        clips.append(Clip(cells["name"], split, cells=cells))
        classes.append(label)
    made = Corpus(
        "made-up",
        folder,
        tuple(clips),
        folder,
        (Split("train"), Split("test1", "test"), Split("candidate", "candidate")),
        (Target("discrete", "classes", EMOTIONS), Target("valence", "value", range=(-5.0, 5.0))),
    )
    made.write()
    centres = rng.normal(size=(3, 8))
    with open_store(folder / "store", create=True) as store:
        for name, dim, signal in ((FACE, 8, 1.5), (AUDIO, 5, 1.5), (NOISE, 6, 0.0)):
            space = store.declare(SpaceSpec(name, "utterance", dim, 1, {"size": dim}))
            with store.writer(space) as writer:
                for clip, label in zip(clips, classes, strict=True):
                    values = signal * centres[label, :dim] if signal else 0.0
                    row = (values + rng.normal(size=dim)).astype(np.float32)
                    writer.add(clip.name, row[None], np.zeros(1))
    return Corpus.read(folder)


FAST = {"epochs": 12, "patience": 4, "hidden_dim": 16, "batch_size": 16, "lr": 3e-3, "dropout": 0.2}
QUICK = {"epochs": 2, "hidden_dim": 8, "selection": "last", "folds": "2"}


@pytest.fixture
def fast() -> dict[str, Any]:
    """Options under which a training learns something in a moment."""
    return dict(FAST)


@pytest.fixture
def quick() -> dict[str, Any]:
    """Options under which a training is over at once and learns next to nothing."""
    return dict(QUICK)


def corrupted(corpus: Corpus, folder: Path, *, shift: float = 3.0, spaces: tuple[str, ...] = (FACE, AUDIO)) -> Corpus:
    """The corpus as `mertools corrupt` and `mertools extract` would leave it: other media, the same spaces."""
    cells = {"snr_db": "5.0", "blur": "1", "corruption_status": "ok"}
    clips = tuple(Clip(c.name, c.split, cells={**c.cells, **cells}) for c in corpus.clips)
    made = Corpus(f"{corpus.name}-noise", folder, clips, folder, corpus.splits, corpus.targets)
    made.write()
    with (
        open_store(corpus.folder / "store", read_only=True) as clean,
        open_store(folder / "store", create=True) as store,
    ):
        for name in spaces:
            space = store.declare(clean.space(name).spec)
            with store.writer(space) as writer:
                for clip in corpus.clips:
                    found = clean.read(name, clip.name)
                    writer.add(clip.name, (found.values + shift).astype(np.float32), found.times_s)
    return Corpus.read(folder)


@pytest.fixture
def corrupt_as() -> Any:
    """`corrupted`, for test modules."""
    return corrupted


ROW_SPACES = {"face/rows": (6, 25.0), "audio/rows": (5, 50.0), "text/rows": (4, None)}


@pytest.fixture(scope="session")
def framed(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """As `original`, with three spaces of level frame: 1 to 60 rows a clip, words without times; some are missing."""
    made = make_corpus(tmp_path_factory.mktemp("framed") / "corpus")
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(len(EMOTIONS), 8))
    with open_store(made.folder / "store") as store:
        for name, (dim, rate_hz) in ROW_SPACES.items():
            space = store.declare(SpaceSpec(name, "frame", dim, 1, {"size": dim}))
            with store.writer(space) as writer:
                for number, clip in enumerate(made.clips):
                    if name == "face/rows" and number % 10 == 3:
                        writer.fail(clip.name, "no_face", "nobody there.")
                        continue
                    n_rows = int(rng.integers(1, 60 if rate_hz else 9))
                    rows = 1.5 * centres[number % len(EMOTIONS), :dim] + rng.normal(size=(n_rows, dim))
                    times = np.arange(n_rows) / rate_hz if rate_hz else np.full(n_rows, np.nan)
                    writer.add(clip.name, rows.astype(np.float32), times)
    return Corpus.read(made.folder)


@pytest.fixture
def rows_corpus(framed: Corpus, tmp_path: Path) -> Corpus:
    """A copy of `framed` to change at will."""
    return Corpus.read(shutil.copytree(framed.folder, tmp_path / "corpus"))
