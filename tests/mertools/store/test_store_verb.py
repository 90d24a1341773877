"""``mertools store``: every sub-verb, its JSON document, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mertools.cli import main
from mertools.store import Space, SpaceSpec, Store, open_store


@pytest.fixture
def full(store: Store, arrays: dict[str, np.ndarray]) -> Store:
    for crop in ("aligned-112", "aligned-256"):
        space = store.declare(SpaceSpec("face/hog", "frame", 7, 1, {"crop": crop}, "face", facts={"licence": "MIT"}))
        with store.writer(space) as writer:
            for clip, values in arrays.items():
                shifted = values + np.float16(crop == "aligned-256" and clip == "clip_2")
                writer.add(clip, shifted, np.arange(len(values)) / 25, media="m")
            writer.fail("dark", "no_face", "none found")
    return store


def space_of(store: Store, crop: str) -> Space:
    return next(space for space in store.spaces() if space.spec.settings["crop"] == crop)


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    code = main(["store", *map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_ls_counts_clips_by_status(full: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = call(capsys, "ls", full.path)
    assert code == 0
    assert [one["statuses"] for one in document] == [{"ok": 9, "no_face": 1}] * 2
    assert main(["store", "ls", str(full.path)]) == 0
    assert "face/hog" in capsys.readouterr().out


def test_show_finds_broken_and_constant_dimensions(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    space = store.declare(SpaceSpec("audio/prosody", "frame", 4, 1, {"n": 3}))
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    values[:, 1], values[0, 2] = 5, np.nan
    with store.writer(space) as writer:
        writer.add("a", values, np.array([0.0, 0.5]))
        writer.add("b", values[:1], np.array([0.0]))
        writer.fail("c", "silent", "")
    code, document = call(capsys, "show", store.path, "audio/prosody")
    assert code == 0
    assert document["statuses"] == {"ok": 2, "silent": 1}
    assert document["not_finite"] == [2]
    assert document["constant"] == [1]
    assert document["n_rows"] == {"lowest": 1.0, "median": 1.5, "highest": 2.0, "total": 3.0}
    assert document["rate_hz"]["median"] == 2.0
    assert (document["lowest"], document["highest"]) == (0.0, 7.0)
    assert document["settings"] == {"n": 3}
    assert main(["store", "show", str(store.path), "audio/prosody"]) == 0
    assert "1 dimensions: 2" in capsys.readouterr().out


def test_show_of_a_space_without_values(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.declare(SpaceSpec("audio/prosody", "frame", 4, 1, {}))
    code, document = call(capsys, "show", store.path, "audio/prosody")
    assert (code, document["n_rows"], document["constant"], document["lowest"]) == (0, None, [], None)
    assert main(["store", "show", str(store.path), "audio/prosody"]) == 0


def test_show_names_the_clips_that_failed_and_why(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    space = store.declare(SpaceSpec("audio/prosody", "frame", 4, 1, {}, facts={"names": [f"n{i}" for i in range(90)]}))
    with store.writer(space) as writer:
        for i in range(30):
            writer.fail(f"clip{i}", "silent", "the sound is silent.")
    code, document = call(capsys, "show", store.path, "audio/prosody")
    assert (code, len(document["failures"]["silent"])) == (0, 30)
    assert main(["store", "show", str(store.path), "audio/prosody"]) == 0
    out = capsys.readouterr().out
    assert "  clip29: the sound is silent." in out
    assert "90 entries: n0, n1, n2 ..." in out


def test_verify_tells_sound_from_damaged(full: Store, capsys: pytest.CaptureFixture[str]) -> None:
    full.close()
    assert call(capsys, "verify", full.path, "--deep") == (0, {"ok": True, "deep": True, "problems": []})
    shard = next((full.path / "shards").rglob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-30] ^= 1
    shard.write_bytes(content)
    assert call(capsys, "verify", full.path)[0] == 0
    code, document = call(capsys, "verify", full.path, "--deep")
    assert code == 1
    assert [problem["code"] for problem in document["problems"]] == ["MER-V106"]
    assert main(["store", "verify", str(full.path), "--deep"]) == 1
    assert "MER-V106" in capsys.readouterr().out
    assert call(capsys, "gc", full.path, "--damaged")[0] == 0
    assert call(capsys, "verify", full.path, "--deep")[0] == 0


def test_verify_makes_a_garbled_index_anew(full: Store, capsys: pytest.CaptureFixture[str]) -> None:
    full.close()
    (full.path / "index.sqlite").write_bytes(b"x" * 5000)
    assert main(["store", "ls", str(full.path)]) == 2
    assert "--rebuild" in capsys.readouterr().err
    assert call(capsys, "verify", full.path, "--rebuild")[0] == 0
    assert len(call(capsys, "ls", full.path)[1]) == 2


def test_gc_says_what_it_would_do_and_does_it(full: Store, capsys: pytest.CaptureFixture[str]) -> None:
    orphan = full.layout.shards(full.spaces()[0].fingerprint) / f"{'a' * 32}.safetensors"
    orphan.write_bytes(next((full.path / "shards").rglob("*.safetensors")).read_bytes())
    code, planned = call(capsys, "gc", full.path, "--dry-run")
    assert (code, planned["orphans"]) == (0, [orphan.name])
    assert orphan.exists()
    assert call(capsys, "gc", full.path)[1] == {**planned, "dry_run": False}
    assert not orphan.exists()
    assert main(["store", "gc", str(full.path)]) == 0
    assert "freed 0 B" in capsys.readouterr().out


def test_compare_shows_settings_and_numbers(full: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = space_of(full, "aligned-112"), space_of(full, "aligned-256")
    code, document = call(capsys, "compare", full.path, first.fingerprint, f"face/hog@{second.fingerprint}")
    assert code == 0
    assert document["settings"] == {"settings.crop": ["aligned-112", "aligned-256"]}
    assert (document["n_common"], document["numbers"]["n_equal"]) == (9, 8)
    assert document["numbers"]["largest"] == pytest.approx(1, abs=2e-3)
    assert document["numbers"]["relative_clip"] == "clip_2"
    assert document["numbers"]["cosine_mean"] < 1
    assert main(["store", "compare", str(full.path), first.fingerprint, second.fingerprint]) == 0
    assert "settings.crop: 'aligned-112' | 'aligned-256'" in capsys.readouterr().out


def test_compare_across_stores_and_shapes(
    full: Store, tmp_path: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    first = space_of(full, "aligned-112")
    with open_store(tmp_path / "other", create=True) as other, other.writer(other.declare(first.spec)) as writer:
        writer.add("clip_1", arrays["clip_0"], np.zeros(1))
        writer.fail("clip_2", "silent", "")
        writer.add("extra", arrays["clip_0"], np.zeros(1))
    code, document = call(
        capsys, "compare", full.path, first.fingerprint, first.fingerprint, "--other", tmp_path / "other"
    )
    assert code == 0
    assert document["settings"] == {}
    assert document["shapes"] == {"clip_1": [[2, 7], [1, 7]]}
    assert document["statuses"] == {"clip_2": ["ok", "silent"]}
    assert document["only_second"] == ["extra"]
    assert document["numbers"] is None


def test_import_and_export(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("manet_UTT", "chinese-hubert-large-FRA"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.ones((1, 4) if name[-3:] == "UTT" else (3, 4), np.float32))
    folders = [tmp_path / "manet_UTT", tmp_path / "chinese-hubert-large-FRA"]
    code, document = call(capsys, "import", tmp_path / "store", *folders)
    assert code == 0
    assert [(one["ok"], one["level"]) for one in document] == [(1, "utterance"), (1, "frame")]
    code, document = call(
        capsys,
        *("export", tmp_path / "store", "audio/chinese-hubert-large", "--out", tmp_path / "out"),
        *("--level", "utterance", "--separator", "_"),
    )
    assert (code, document["clips"]) == (0, 1)
    assert document["folder"].endswith("chinese-hubert-large_UTT")
    np.save(folders[0] / "zero.npy", np.zeros(4, np.float32))
    code, document = call(capsys, "import", tmp_path / "store", folders[0])
    assert code == 1
    assert document[0]["failures"] == {"zero": "the file holds zeros only"}
    code, document = call(capsys, "export", tmp_path / "store", "face/manet", "--out", tmp_path / "out")
    assert (code, document["absent"]) == (1, ["zero"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["ls", "nowhere"], "MER-V001"),
        (["show", "nowhere", "face/hog"], "MER-V001"),
        (["import", "STORE", "a_UTT", "b_UTT", "--name", "face/x"], "MER-V046"),
        (["import", "STORE", "a_UTT", "b_UTT", "--level", "frame"], "MER-V046"),
        (["lss", "STORE"], "MER-R012"),
        (["ls", "STORE", "--dep"], "MER-R011"),
        (["show", "STORE", "face/hug"], "MER-V007"),
    ],
)
def test_wrong_use_is_one_paragraph_with_a_code(
    store: Store, tmp_path: Path, words: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store.declare(SpaceSpec("face/hog", "frame", 7, 1, {}))
    words = [str(store.path) if word == "STORE" else word for word in words]
    words = [str(tmp_path / word) if word == "nowhere" else word for word in words]
    assert main(["store", *words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_show_says_duration_and_coverage(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mertools.corpus import Clip, Corpus, Split
    from mertools.store import MediaFacts

    long, short = tmp_path / "long.mp4", tmp_path / "short.mp4"
    for path, digest, duration_s in ((long, "d-long", 10.0), (short, "d-short", 2.0)):
        path.write_bytes(digest.encode())
        store.remember_media(path, MediaFacts(digest, duration_s))
    one = store.declare(SpaceSpec("audio/prosody", "utterance", 2, 1, {}))
    two = store.declare(SpaceSpec("audio/other", "utterance", 2, 1, {}))
    media = {"a": "d-long", "b": "d-short", "c": "d-long[2.5:]", "d": "d-long[1:4.5]", "e": "unknown"}
    with store.writer(one) as writer, store.writer(two) as other:
        for clip, digest in media.items():
            writer.add(clip, np.ones((1, 2), np.float32), np.zeros(1), media=digest)
        writer.fail("f", "silent", "", media="d-short")
        other.fail("g", "silent", "")
    store.close()
    code, document = call(capsys, "show", store.path, "audio/prosody")
    assert code == 0
    assert document["duration_s"] == {"lowest": 2.0, "median": 5.5, "highest": 10.0, "total": 23.0}
    assert document["coverage"] == {"": [5, 7]}
    assert document["without_row"] == ["g"]
    clips = tuple(Clip(n, "test" if n in "ef" else "train", None, None, {}) for n in "abcefhij")
    corpus = Corpus("c", tmp_path / "corpus", clips, tmp_path, (Split("train"), Split("test", "test")))
    corpus.write()
    code, document = call(capsys, "show", store.path, "audio/prosody", "--corpus", tmp_path / "corpus")
    assert document["coverage"] == {"train": [3, 6], "test": [1, 2]}
    assert document["without_row"] == ["h", "i", "j"]
    assert main(["store", "show", str(store.path), "audio/prosody", "--corpus", str(tmp_path / "corpus")]) == 0
    out = capsys.readouterr().out
    assert "3 of 6 (50.0%) train" in out
    assert "3 never extracted: h, i, j" in out


def test_show_without_a_space_shows_all(full: Store, capsys: pytest.CaptureFixture[str]) -> None:
    code, document = call(capsys, "show", full.path)
    assert (code, len(document)) == (0, 2)
    assert main(["store", "show", str(full.path)]) == 0
    assert capsys.readouterr().out.count("coverage") == 2


def test_compare_says_libraries_dimensions_and_correlation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    for name, version, shift in (("a", "2.11", 0.0), ("b", "2.12", 0.5)):
        with open_store(tmp_path / name, create=True) as store:
            facts = {"libraries": {"torch": version, "numpy": "2.4"}}
            with store.writer(store.declare(SpaceSpec("face/hog", "frame", 3, 1, {}, facts=facts))) as writer:
                noise = np.random.default_rng(1).standard_normal(50).astype(np.float32) * np.float32(shift)
                writer.add("x", values + np.stack([0 * noise, noise, 0 * noise], axis=1), np.arange(50) / 25)
    words = ("compare", tmp_path / "a", "face/hog", "face/hog", "--other", tmp_path / "b")
    code, document = call(capsys, *words)
    assert (code, document["settings"]) == (0, {})
    assert document["facts"] == {"libraries.torch": ["2.11", "2.12"]}
    assert (document["numbers"]["n_dimensions"], document["numbers"]["dimension"]) == (1, 1)
    with open_store(tmp_path / "a") as one, open_store(tmp_path / "b") as two:
        pair = [store.read("face/hog", "x").values.astype(np.float64).ravel() for store in (one, two)]
    assert document["numbers"]["correlation"] == pytest.approx(np.corrcoef(*pair)[0, 1], abs=1e-12)
    assert main(["store", *map(str, words)]) == 0
    assert "libraries.torch: '2.11' | '2.12'" in capsys.readouterr().out
