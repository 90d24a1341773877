"""MERTools' folders of npy files come in and go out with all their names and shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mertools.errors import StoreError
from mertools.store import SpaceSpec, Store
from mertools.store.folders import folder_of, parse_folder


@pytest.mark.parametrize(
    ("name", "extractor", "level", "separator", "variants"),
    [
        ("chinese-hubert-large-UTT", "audio/chinese-hubert-large", "utterance", "-", {}),
        ("chinese-hubert-large-FRA", "audio/chinese-hubert-large", "frame", "-", {}),
        ("chinese-hubert-base-noise10-UTT", "audio/chinese-hubert-base", "utterance", "-", {"noise": "10"}),
        ("chinese-hubert-base-ttseng-UTT", "audio/chinese-hubert-base", "utterance", "-", {"tts": "eng"}),
        ("wav2vec-large-z-UTT", "audio/wav2vec-large-z", "utterance", "-", {}),
        ("emotion2vec-UTT", "audio/emotion2vec", "utterance", "-", {}),
        ("emotion2vec-finetune-UTT", "audio/emotion2vec-finetuned", "utterance", "-", {}),
        ("data2vec-audio-base-960h-FRA", "audio/data2vec-audio-base", "frame", "-", {}),
        ("whisper-large-v2-noise5-UTT", "audio/whisper-large-v2", "utterance", "-", {"noise": "5"}),
        ("vggish_UTT", "audio/vggish", "utterance", "_", {}),
        ("eGeMAPS_UTT", "audio/egemaps", "utterance", "_", {}),
        ("eGeMAPS_noise5_UTT", "audio/egemaps", "utterance", "_", {"noise": "5"}),
        ("IS09_FRA", "audio/is09", "frame", "_", {}),
        ("eva02_base_patch14_224-UTT", "face/eva02-base", "utterance", "-", {}),
        ("data2vec-vision-base-ft1k-FRA", "face/data2vec-vision-base", "frame", "-", {}),
        ("dinov2-giant-UTT", "face/dinov2-giant", "utterance", "-", {}),
        ("sunlicai-videomae-base-UTT", "face/videomae-base", "utterance", "-", {"sampling": "two-windows"}),
        ("videomae-base-K400-mer2023-299-UTT", "face/videomae-base-k400-mer2023", "utterance", "-", {}),
        ("videomae-base-VoxCeleb2-99-FRA", "face/videomae-base-voxceleb2", "frame", "-", {}),
        ("clip-vit-large-patch14-FRA", "face/clip-vit-large-patch14", "frame", "-", {}),
        ("manet_UTT", "face/manet", "utterance", "_", {}),
        ("manet-UTT", "face/manet", "utterance", "-", {}),
        ("resnet50face_FRA", "face/resnet50-ferplus", "frame", "_", {}),
        ("senet50face_UTT", "face/senet50-ferplus", "utterance", "_", {}),
        ("msceleb_UTT", "face/msceleb-resnet18", "utterance", "_", {}),
        ("chinese-roberta-wwm-ext-4-UTT", "text/chinese-roberta-wwm-ext", "utterance", "-", {"last_layers": "4"}),
        ("Baichuan-13B-Base-puncon-UTT", "text/baichuan-13b-base", "utterance", "-", {"punctuation": "on"}),
        ("Baichuan-13B-Base-langeng-UTT", "text/baichuan-13b-base", "utterance", "-", {"language": "eng"}),
        ("Llama-2-13b-hf-UTT", "text/llama-2-13b-hf", "utterance", "-", {}),
        ("taiyi-clip-roberta-chinese-FRA", "text/taiyi-clip-roberta-chinese", "frame", "-", {}),
        ("chinese-lert-base-UTT", "text/chinese-lert-base", "utterance", "-", {}),
        ("wenzhong2-gpt2-chinese-4-UTT", "text/wenzhong2-gpt2-chinese", "utterance", "-", {"last_layers": "4"}),
        ("mystery-UTT", "imported/mystery", "utterance", "-", {}),
    ],
)
def test_every_name_of_a_folder_is_understood_and_made_again(
    store: Store, tmp_path: Path, name: str, extractor: str, level: str, separator: str, variants: dict[str, str]
) -> None:
    parsed = parse_folder(name)
    assert (parsed.extractor, parsed.level, parsed.separator, parsed.variants) == (
        extractor,
        level,
        separator,
        variants,
    )
    folder = tmp_path / name
    folder.mkdir()
    np.save(folder / "a.npy", np.ones(3, np.float32) if level == "utterance" else np.ones((2, 3), np.float32))
    imported = store.import_npy(folder)
    assert imported.space.extractor == extractor
    assert folder_of(imported.space, imported.space.level) == name


@pytest.mark.parametrize(
    ("extractor", "settings", "folder"),
    [
        ("face/dinov2-large", {}, "dinov2-large-UTT"),
        ("face/data2vec-vision-base", {}, "data2vec-vision-base-ft1k-UTT"),
        ("face/videomae-large", {"sampling": "uniform"}, "videomae-large-UTT"),
        ("face/videomae-large", {"sampling": "two-windows"}, "sunlicai-videomae-large-UTT"),
        ("face/videomae-base-voxceleb2", {}, "videomae-base-VoxCeleb2-99-UTT"),
        ("face/eva02-base", {}, "eva02_base_patch14_224-UTT"),
        ("face/manet", {}, "manet_UTT"),
        ("face/emonet", {}, "emonet_UTT"),
        ("face/resnet50-ferplus", {}, "resnet50face_UTT"),
        ("audio/egemaps", {}, "eGeMAPS_UTT"),
        ("audio/chinese-hubert-large", {}, "chinese-hubert-large-UTT"),
        ("text/ngram", {}, "ngram-UTT"),
        ("audio/data2vec-audio-base", {}, "data2vec-audio-base-960h-UTT"),
        ("audio/emotion2vec-finetuned", {}, "emotion2vec-finetune-UTT"),
        ("audio/vggish", {}, "vggish_UTT"),
        ("audio/whisper-large-v2", {}, "whisper-large-v2-UTT"),
    ],
)
def test_our_own_spaces_get_the_name_that_mertools_looks_for(
    extractor: str, settings: dict[str, str], folder: str
) -> None:
    from mertools.store import Space

    space = Space.of(SpaceSpec(extractor, "utterance", 3, 1, settings))
    assert folder_of(space, "utterance") == folder
    assert folder_of(space, "utterance", "_")[-4:] == "_UTT"


@pytest.mark.parametrize(
    ("extractor", "settings", "folder"),
    [
        (
            "text/baichuan-13b-base",
            {"column": "text", "edition": "merbench", "layers": "last4"},
            "Baichuan-13B-Base-UTT",
        ),
        ("text/baichuan-13b-base", {"column": "text_en", "edition": "merbench"}, "Baichuan-13B-Base-langeng-UTT"),
        (
            "text/chinese-macbert-large",
            {"column": "text", "edition": "mer2023", "layers": "last4"},
            "chinese-macbert-large-4-UTT",
        ),
        (
            "text/chinese-macbert-large",
            {"column": "text", "edition": "mer2023", "layers": "last"},
            "chinese-macbert-large-UTT",
        ),
        ("text/chinese-macbert-large", {"column": "text_asr"}, "chinese-macbert-large-UTT"),
        (
            "text/roberta-base",
            {"column": "english", "edition": "mer2023", "layers": "last4"},
            "roberta-base-langeng-UTT",
        ),
    ],
)
def test_text_spaces_are_exported_under_the_name_of_their_edition_and_language(
    extractor: str, settings: dict[str, str], folder: str
) -> None:
    from mertools.store import Space

    assert folder_of(Space.of(SpaceSpec(extractor, "utterance", 3, 1, settings)), "utterance") == folder


def test_a_folder_whose_name_says_nothing_needs_a_level(store: Store, tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "a.npy", np.ones((2, 3), np.float16))
    with pytest.raises(StoreError) as caught:
        store.import_npy(tmp_path / "features")
    assert caught.value.code == "MER-V040"
    found = store.import_npy(tmp_path / "features", level="frame", name="face/mine")
    assert (found.space.extractor, found.space.level, found.space.dim, found.n_ok) == ("face/mine", "frame", 3, 1)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_every_shape_becomes_rows(store: Store, tmp_path: Path, dtype: str) -> None:
    folder = tmp_path / "manet_FRA"
    folder.mkdir()
    rows = np.arange(1, 13).reshape(4, 3).astype(dtype)
    shapes = {"flat": rows[0], "one": rows[:1], "many": rows, "lead": rows[None], "mid": rows[:, None], "c": rows}
    for clip, values in shapes.items():
        np.save(folder / f"{clip}.npy", np.asfortranarray(values) if clip == "c" else values)
    (folder / "frames").mkdir()
    for n in (2, 0, 3, 1):
        np.save(folder / "frames" / f"frame_{n:03d}.npy", rows[n])
    found = store.import_npy(folder)
    assert (found.n_ok, found.failures, found.space.dim) == (7, {}, 3)
    for clip, embedding in store.read_all(found.space).items():
        expected = rows[:1] if clip in ("flat", "one") else rows
        np.testing.assert_array_equal(embedding.values, expected)
        assert embedding.values.dtype == np.dtype(dtype).newbyteorder("=")
        assert np.isnan(embedding.times_s).all()


def test_a_dimension_of_one_keeps_its_rows(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "pitch-FRA"
    folder.mkdir()
    np.save(folder / "a.npy", np.ones((5, 1), np.float32))
    np.save(folder / "b.npy", np.ones((2, 1), np.float32))
    store.import_npy(folder)
    assert store.read("imported/pitch", "a").values.shape == (5, 1)


def test_zeros_and_unusable_files_become_failures_with_reasons(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "chinese-hubert-large-UTT"
    folder.mkdir()
    np.save(folder / "good.npy", np.ones(4, np.float32))
    np.save(folder / "good2.npy", np.ones(4, np.float32))
    np.save(folder / "zeros.npy", np.zeros(4))
    np.save(folder / "empty.npy", np.zeros((0, 4)))
    np.save(folder / "wide.npy", np.ones(5, np.float32))
    np.save(folder / "long.npy", np.ones((2, 4), np.float32))
    np.save(folder / "integers.npy", np.ones(4, np.int64))
    np.save(folder / "scalar.npy", np.float32(1))
    np.save(folder / "objects.npy", np.array([{"a": 1}] * 4, dtype=object), allow_pickle=True)
    (folder / "text.npy").write_text("hello")
    (folder / "nothing.npy").write_bytes(b"")
    content = (folder / "good.npy").read_bytes()
    (folder / "short.npy").write_bytes(content[:-1])
    (folder / "claims.npy").write_bytes(content.replace(b"(4,), }         ", b"(9999999999,), }"))
    assert b"(9999999999,)" in (folder / "claims.npy").read_bytes()
    (folder / "nofiles").mkdir()
    found = store.import_npy(folder)
    assert found.n_ok == 2
    status = store.status(found.space)
    missing = {clip for clip, (state, _) in status.items() if state == "missing"}
    broken = {clip for clip, (state, _) in status.items() if state == "decode_error"}
    assert missing == {"zeros", "empty"}
    assert broken == {
        *("wide", "long", "integers", "scalar", "objects", "text", "nothing", "short", "claims", "nofiles"),
    }
    assert all(reason for state, reason in status.values() if state != "ok")
    assert store.import_npy(folder, keep_zeros=True).n_ok == 1
    assert store.read(found.space, "zeros").values.tolist() == [[0, 0, 0, 0]]


def test_importing_again_changes_nothing_and_other_values_are_refused(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "manet_UTT"
    folder.mkdir()
    for n in range(3):
        np.save(folder / f"c{n}.npy", np.full(4, n + 1, np.float32))
    assert store.import_npy(folder).n_ok == 3
    np.save(folder / "c3.npy", np.full(4, 9, np.float32))
    again = store.import_npy(folder)
    assert (again.n_ok, again.n_unchanged) == (1, 3)
    np.save(folder / "c1.npy", np.full(4, 7, np.float32))
    np.save(folder / "c4.npy", np.full(4, 7, np.float32))
    with pytest.raises(StoreError, match="c1") as caught:
        store.import_npy(folder)
    assert caught.value.code == "MER-V042"
    assert "c4" not in store.rows("face/manet")
    assert store.import_npy(folder, replace=True).n_ok == 2
    assert store.read("face/manet", "c1").values.max() == 7


def test_nothing_to_import_is_an_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "manet_UTT").mkdir()
    for folder in (tmp_path / "manet_UTT", tmp_path / "absent_UTT"):
        with pytest.raises(StoreError) as caught:
            store.import_npy(folder)
        assert caught.value.code == "MER-V041"
    assert store.spaces() == []


@pytest.mark.parametrize("layout", ["file", "folder"])
@pytest.mark.parametrize("level", ["frame", "utterance"])
def test_what_goes_out_comes_back(store: Store, tmp_path: Path, layout: str, level: str) -> None:
    rng = np.random.default_rng(1)
    rows = 1 if level == "utterance" else 5
    arrays = {f"c{n}": rng.standard_normal((rows, 6)).astype(np.float16) for n in range(4)}
    space = store.declare(SpaceSpec("face/clip-vit-base", level, 6, 1, {"a": 1}))
    with store.writer(space) as writer:
        for clip, values in arrays.items():
            writer.add(clip, values, np.arange(float(rows)))
        writer.fail("gone", "no_face", "")
    out = store.export_npy(space, tmp_path / "features", layout=layout)
    assert out.folder.name == "clip-vit-base-" + ("UTT" if level == "utterance" else "FRA")
    assert out.absent == ["gone"]
    assert {path.stem for path in out.folder.iterdir()} == set(arrays)
    if layout == "file":
        shape = np.load(out.folder / "c0.npy").shape
        assert shape == ((6,) if level == "utterance" else (5, 6))
    back = store.import_npy(out.folder)
    assert back.space != space
    assert back.n_ok == 4
    for clip, values in arrays.items():
        np.testing.assert_array_equal(store.read(back.space, clip).values, values)
    assert [path.name for path in (tmp_path / "features").iterdir()] == [out.folder.name]


def test_an_utterance_folder_is_the_mean_of_the_rows_and_zeros_fill_in(store: Store, tmp_path: Path) -> None:
    space = store.declare(SpaceSpec("face/manet", "frame", 3, 1, {}))
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    with store.writer(space) as writer:
        writer.add("a", values, np.zeros(4))
        writer.fail("b", "no_face", "")
    out = store.export_npy(space, tmp_path, level="utterance", zeros=True)
    assert out.folder.name == "manet_UTT"
    np.testing.assert_allclose(np.load(out.folder / "a.npy"), [4.5, 5.5, 6.5])
    np.testing.assert_array_equal(np.load(out.folder / "b.npy"), [0, 0, 0])
    with pytest.raises(StoreError) as caught:
        store.export_npy(space, tmp_path, level="utterance")
    assert caught.value.code == "MER-V044"


@pytest.mark.parametrize(
    ("have", "rule", "want"),
    [("utterance", "own", "frame"), ("frame", "own", "utterance"), ("geometry", "mean", None)],
)
def test_a_level_that_cannot_be_made_is_refused(
    store: Store, tmp_path: Path, have: str, rule: str, want: str | None
) -> None:
    space = store.declare(SpaceSpec("face/x", have, 3, 1, {}, utterance=rule))
    with pytest.raises(StoreError) as caught:
        store.export_npy(space, tmp_path, level=want)
    assert caught.value.code == "MER-V043"


@pytest.mark.parametrize("name", ["../out", "a/b", "..", ".hidden", "x" * 300])
def test_a_name_that_would_leave_the_folder_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    space = store.declare(SpaceSpec("face/x", "utterance", 1, 1, {}))
    with store.writer(space) as writer:
        writer.add(name, np.ones((1, 1), np.float32), np.zeros(1))
    with pytest.raises(StoreError) as caught:
        store.export_npy(space, tmp_path / "out")
    assert caught.value.code == "MER-V045"
    assert not (tmp_path / "out").exists()


def test_an_export_that_fails_leaves_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from mertools.errors import MachineError

    space = store.declare(SpaceSpec("face/x", "utterance", 1, 1, {}))
    with store.writer(space) as writer:
        writer.add("a", np.ones((1, 1), np.float32), np.zeros(1))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(MachineError) as caught:
        store.export_npy(space, tmp_path / "out")
    assert caught.value.code == "MER-O002"
    assert list((tmp_path / "out").iterdir()) == []


def published_reading(root: Path, name: str) -> np.ndarray:
    """One clip as the published training code reads it: a file, or a folder of files in sorted order; squeezed."""
    if (root / f"{name}.npy").exists():
        array = np.load(root / f"{name}.npy").squeeze()
    else:
        array = np.array([np.load(file).squeeze() for file in sorted((root / name).iterdir())]).squeeze()
    return array[None] if array.ndim == 1 else array


@pytest.mark.parametrize("layout", ["file", "folder"])
@pytest.mark.parametrize(("level", "rows"), [("frame", 5), ("frame", 1), ("utterance", 1)])
def test_the_published_training_code_reads_what_goes_out(
    store: Store, tmp_path: Path, layout: str, level: str, rows: int
) -> None:
    values = np.random.default_rng(2).standard_normal((rows, 6)).astype(np.float32)
    space = store.declare(SpaceSpec("audio/chinese-hubert-large", level, 6, 1, {}))
    with store.writer(space) as writer:
        writer.add("clip", values, np.arange(float(rows)))
    out = store.export_npy(space, tmp_path / "features", layout=layout)
    read = published_reading(out.folder, "clip")
    np.testing.assert_array_equal(read, values)
    np.testing.assert_allclose(read.mean(axis=0), values.mean(axis=0))  # what it takes for an utterance
