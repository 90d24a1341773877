"""The scripts behind docs/results.md: files in, corpus out, floors, comparison; on made-up files and on real ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mertools.corpus import Corpus
from mertools.store import open_store

ROOT = Path(__file__).parents[2]


def script(name: str, *words: object) -> str:
    """What a script printed; it must end well."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "real_data" / name, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 clips of six actors in three folds, laid out as the published features are."""
    rng = np.random.default_rng(0)
    emotion = np.arange(48) % 2
    path = tmp_path_factory.mktemp("npz") / "features.npz"
    np.savez(
        path,
        name=np.array([f"clip{i:02d}" for i in range(48)]),
        au=rng.gamma(1, 1, (48, 35)) + 3 * emotion[:, None],
        mfcc=rng.normal(0, 20, (48, 259)),
        emotion=emotion,
        emotion_names=np.array(["neutral", "happy"]),
        actor=np.arange(48) % 6 + 1,
        fold=np.arange(48) % 6 // 2 + 1,
        statement=np.ones(48, int),
    )
    return path


def test_published_features_become_a_corpus_that_floors_and_comparisons_read(features: Path, tmp_path: Path) -> None:
    out = tmp_path / "corpus"
    script("ravdess.py", features, out)
    corpus = Corpus.read(out)
    assert len(corpus.clips) == 48
    data = np.load(features)
    with open_store(out / "store") as store:
        (units,) = store.read("face/action-units", "clip07").values
        (roots,) = store.read("face/action-units-root", "clip07").values
        assert store.space("audio/mfcc-statistics").dim == 50
    np.testing.assert_allclose(units, data["au"][7], rtol=1e-6)
    np.testing.assert_allclose(roots**2, data["au"][7], rtol=1e-5)
    spaces = ("--features", "face/action-units,audio/mfcc-statistics")
    script("floors.py", out, *spaces, "--model", "lda", "--out", tmp_path / "a.csv")
    script("floors.py", out, *spaces, "--model", "svc", "--standardise-by", "speaker", "--out", tmp_path / "b.csv")
    found = json.loads(script("compare.py", tmp_path / "a.csv", tmp_path / "b.csv", "--corpus", out))
    assert found["a.csv"]["n_groups"] == 6
    assert found["difference"]["value"] == pytest.approx(
        found["a.csv"]["mean_of_seeds"] - found["b.csv"]["mean_of_seeds"]
    )


def test_votes_become_shares_per_kind_of_raters(tmp_path: Path) -> None:
    rows = ["1,0,0,0,3,1,0,1001_IEO_HAP_HI,4", "1,0,0,0,0,2,2,1001_IEO_HAP_HI,4", "2,5,0,0,0,0,0,1001_IEO_HAP_HI,5"]
    rows += ["1,1,0,0,0,0,0,1091_TSI_ANG_XX,1", "2,1,1,0,0,0,0,1091_TSI_ANG_XX,2", "3,0,9,0,0,0,0,1091_TSI_ANG_XX,9"]
    table = "".join(f"{r[0]}0000{i},{r[2:]}\n" for i, r in enumerate(rows))
    (tmp_path / "votes.csv").write_text('"",A,D,F,H,N,S,fileName,numResponses\n' + table)
    script("cremad.py", tmp_path / "votes.csv", tmp_path / "out")
    corpus = Corpus.read(tmp_path / "out")
    cells = {clip.name: clip.cells for clip in corpus.clips}
    assert cells["1001_IEO_HAP_HI"]["discrete"] == "happiness"
    assert [cells[name]["fold"] for name in sorted(cells)] == ["1", "5"]
    with open_store(tmp_path / "out" / "store") as store:
        assert store.read("audio/votes", "1001_IEO_HAP_HI").values.tolist() == [[0, 0, 0, 0.375, 0.375, 0.25]]
        assert store.read("face/votes", "1091_TSI_ANG_XX").values.tolist() == [[0.5, 0.5, 0, 0, 0, 0]]


@pytest.mark.slow
def test_the_floor_of_published_features_is_what_it_is_known_to_be(real_data: Path, tmp_path: Path) -> None:
    script("ravdess.py", real_data / "ravdess_av_features" / "ravdess_au_mfcc.npz", tmp_path / "c")
    features = "face/action-units,audio/mfcc-contour"
    said = script("floors.py", tmp_path / "c", "--features", features, "--model", "lda", "--out", tmp_path / "o.csv")
    assert "accuracy 0.62" in said  # 62.2, measured apart
    clips = Corpus.read(tmp_path / "c").clips
    actors = {fold: {c.cells["speaker"] for c in clips if c.cells["fold"] == fold} for fold in "123456"}
    assert all(len(a) == 4 for a in actors.values())
    assert len(set().union(*actors.values())) == 24
