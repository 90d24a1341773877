"""Training on rows over time: what batches look like, what is fitted, what a run is, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines import frames, predict, train
from baselines.alignment import Alignment
from baselines.fitted import Projection, fit
from baselines.frames import FrameClips, FrameTable, Ragged, forward, load_frames
from baselines.levels import settle
from baselines.members import predict_table
from baselines.models.attention import Attention
from baselines.models.base import FusionModel
from baselines.module import Order
from baselines.options import TrainOptions
from baselines.order import BucketedOrder
from baselines.prediction import predict_clips
from baselines.runs import Run
from baselines.spaces import find_features
from mertools.cli import main
from mertools.corpus import Corpus
from mertools.errors import ConfigError, MerToolsError, TrainingError
from mertools.store import SpaceSpec, open_store

FACE, AUDIO, TEXT = SPACES = ("face/rows", "audio/rows", "text/rows")
SHORT = {"target": "discrete", "level": "frame", "epochs": 2, "hidden_dim": 8, "selection": "last", "folds": "2"}


@pytest.fixture(scope="module")
def trained_on_rows(framed: Corpus) -> Run:
    return train(
        framed,
        SPACES,
        "attention",
        framed.folder.parent / "run",
        target=["discrete", "valence"],
        level="frame",
        folds="3",
        epochs=12,
        patience=4,
        hidden_dim=16,
        batch_size=16,
        lr=1e-2,
        dropout=0.2,
    )


def table_of(corpus: Corpus, alignment: Alignment, names: tuple[str, ...] = SPACES) -> FrameTable:
    with open_store(corpus.folder / "store", read_only=True) as store:
        features = find_features(store, names, corpus.folder, level="frame")
        clips = corpus.select(["train"])
        return load_frames(store, features, corpus, clips, [corpus.target("discrete")], alignment)


def ragged(lengths: list[int], dim: int, seed: int = 0) -> Ragged:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(sum(lengths), dim)).astype(np.float32)
    counts = np.array(lengths, np.int64)
    return Ragged(values, np.cumsum(counts) - counts, counts)


def plain(dim: int) -> Projection:
    return Projection(np.full(dim, 0.5, np.float32), np.full(dim, 2.0, np.float32), np.zeros((0, dim), np.float32))


@pytest.mark.parametrize("aligned", [False, True])
def test_a_batch_is_padded_behind_each_clip_to_its_own_longest(aligned: bool) -> None:
    lengths = [[3, 0, 7, 1, 9], [3, 2, 7, 1, 9]] if aligned else [[3, 0, 7, 1, 9], [2, 5, 1, 4, 0]]
    spaces = tuple(ragged(n, dim, dim) for n, dim in zip(lengths, (2, 3), strict=True))
    present = torch.tensor([[n > 0 for n in clip] for clip in zip(*lengths, strict=True)])
    clips = FrameClips(spaces, (plain(2), plain(3)), present, aligned)
    chosen = [2, 1, 0]
    batch = clips.rows(torch.tensor(chosen))
    for m, space in enumerate(spaces):
        own = [max(n[i] for n in lengths) if aligned else lengths[m][i] for i in chosen]
        assert batch.embeddings[m].shape[1] == max(own)
        for b, i in enumerate(chosen):
            assert batch.masks[m][b].tolist() == [t < own[b] for t in range(max(own))]
            for t in range(max(own)):
                row = batch.embeddings[m][b, t].numpy()
                if t < lengths[m][i]:
                    np.testing.assert_array_equal(row, (space.values[space.starts[i] + t] - 0.5) / 2)
                else:
                    assert not row.any()
    assert batch.present.tolist() == present[chosen].tolist()
    if aligned:
        assert batch.masks[0] is batch.masks[1]


def test_tables_of_some_clips_share_the_rows(framed: Corpus) -> None:
    table = table_of(framed, Alignment())
    part = table.rows(np.array([5, 2]))
    assert part.names == (table.names[5], table.names[2])
    assert all(np.shares_memory(a.values, b.values) for a, b in zip(part.spaces, table.spaces, strict=True))
    assert part.dims == table.dims == (6, 5, 4)


def test_rows_come_out_as_the_store_has_them(framed: Corpus) -> None:
    table = table_of(framed, Alignment(max_rows=1000))
    with open_store(framed.folder / "store", read_only=True) as store:
        for m, name in enumerate(SPACES):
            found = store.read_all(store.space(name))
            for i, clip in enumerate(table.names):
                assert table.present[i, m] == (clip in found)
                rows = table.spaces[m].rows(np.array([i])).together()
                np.testing.assert_array_equal(
                    rows, found[clip].values if clip in found else np.zeros((0, table.dims[m]))
                )


def test_many_rows_lie_in_a_file_and_are_the_same(framed: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = table_of(framed, Alignment())
    monkeypatch.setattr(frames, "RESIDENT_BYTES", 1000)
    in_file = table_of(framed, Alignment())
    for a, b in zip(in_memory.spaces, in_file.spaces, strict=True):
        assert isinstance(b.values, np.memmap)
        np.testing.assert_array_equal(a.together(), b.together())


@pytest.mark.parametrize("chunk_bytes", [1, 200, 1 << 20])
def test_scaling_is_fitted_on_all_rows_of_the_clips_given(monkeypatch: pytest.MonkeyPatch, chunk_bytes: int) -> None:
    monkeypatch.setattr(frames, "CHUNK_BYTES", chunk_bytes)
    space = ragged([3, 0, 7, 1, 9, 4], 5)
    space.values[:] = space.values * np.arange(1, 6) + 1000  # far from zero, where one pass would lose digits
    space.values[:, 3] = 7.0
    chosen = np.array([0, 1, 2, 5])
    table = FrameTable(tuple("abcdef"), (space,), (space.lengths > 0)[:, None], {}).rows(chosen)
    rows = np.concatenate([space.values[0:3], space.values[3:10], space.values[20:24]]).astype(np.float64)
    (found,) = fit(table, (), standardise=True, pca=2).projections
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-6)
    deviation = rows.std(axis=0)
    deviation[3] = 1.0  # constant
    np.testing.assert_allclose(found.scale, deviation, rtol=1e-5)
    _, _, directions = np.linalg.svd((rows - rows.mean(axis=0)) / deviation, full_matrices=False)
    np.testing.assert_allclose(np.abs(found.components @ directions[:2].T), np.eye(2), atol=1e-4)


def test_a_space_that_no_training_clip_has_is_masked_everywhere() -> None:
    spaces = (ragged([2, 3], 2), ragged([0, 0], 4))
    table = FrameTable(("a", "b"), spaces, np.array([[True, False], [True, False]]), {})
    fitted = fit(table, (), standardise=True, pca=0)
    assert [p.seen for p in fitted.projections] == [True, False]
    full = FrameTable(("c",), (ragged([2], 2), ragged([3], 4)), np.array([[True, True]]), {})
    assert fitted.batch(full).present.tolist() == [[True, False]]


def test_a_run_learns_from_rows_and_records_level_and_alignment(trained_on_rows: Run) -> None:
    assert trained_on_rows.metrics["metrics"]["accuracy"] > 0.8
    document = json.loads((trained_on_rows.folder / "checkpoints" / "model.json").read_text())
    assert document["level"] == "frame"
    assert document["alignment"] == {"kind": "none", "aligned": False, "step_s": 0.25, "max_rows": 128, "leader": 2}
    assert trained_on_rows.recipe.options is not None
    assert trained_on_rows.recipe.options["level"] == "frame"
    assert trained_on_rows.recipe.options["alignment"] == "none"
    assert [f.level for f in trained_on_rows.design.features] == ["frame"] * 3


def test_the_same_seed_gives_the_same_bytes(trained_on_rows: Run, tmp_path: Path) -> None:
    recipe = trained_on_rows.recipe
    again = train(
        Corpus.read(recipe.corpus),
        recipe.features,
        recipe.model,
        tmp_path / "again",
        target=recipe.target,
        **(recipe.options or {}),
    )
    written = [p for p in trained_on_rows.folder.rglob("*") if p.is_file() and "logs" not in p.parts]
    assert len(written) > 10
    for path in written:
        if path.name != "looks.jsonl":  # holds the date
            other = again.folder / path.relative_to(trained_on_rows.folder)
            assert path.read_bytes() == other.read_bytes(), path.name


def test_predict_says_what_the_training_said(trained_on_rows: Run, framed: Corpus, tmp_path: Path) -> None:
    predict(trained_on_rows.folder, framed, "test1").write(tmp_path / "p.csv")
    written = trained_on_rows.folder / "predictions" / "test1.csv"
    assert (tmp_path / "p.csv").read_bytes() == written.read_bytes()


def test_out_of_fold_predictions_are_those_of_the_members(trained_on_rows: Run, framed: Corpus) -> None:
    table = table_of(framed, Alignment())
    oof = trained_on_rows.predictions()
    lines = (trained_on_rows.folder / "folds.csv").read_text().splitlines()[1:]
    fold_of = {line.split(",")[0]: int(line.split(",")[1]) for line in lines}
    for member in trained_on_rows.members:
        rows = np.array([i for i, name in enumerate(table.names) if fold_of[name] == member.fold])
        found = predict_table(member, table.rows(rows), trained_on_rows.design.targets)
        np.testing.assert_allclose(found["discrete"], oof.probabilities[rows], atol=1e-9)


@pytest.mark.parametrize("alignment", [Alignment(), Alignment("time", True), Alignment("reference")])
def test_a_clip_says_the_same_whatever_it_is_batched_with(
    trained_on_rows: Run, framed: Corpus, alignment: Alignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, table = trained_on_rows.members[0], table_of(framed, alignment)
    together = predict_table(member, table, trained_on_rows.design.targets)
    monkeypatch.setattr(frames, "EVALUATION_VALUES", 1)
    alone = predict_table(member, table, trained_on_rows.design.targets)
    for i in (0, 3, 7):
        one = predict_table(member, table.rows(np.array([i])), trained_on_rows.design.targets)
        np.testing.assert_allclose(one["discrete"][0], together["discrete"][i], atol=1e-5)
    np.testing.assert_allclose(alone["discrete"], together["discrete"], atol=1e-5)
    np.testing.assert_allclose(alone["valence"], together["valence"], atol=1e-4)


def test_passes_cover_every_clip_once_in_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = [5, 1, 40, 2, 2, 9, 0]
    clips = FrameClips((ragged(lengths, 3),), (plain(3),), torch.ones(7, 1, dtype=torch.bool))
    monkeypatch.setattr(frames, "EVALUATION_VALUES", 60)
    passes = list(clips.passes())
    assert sorted(torch.cat(passes).tolist()) == list(range(7))
    sizes = [len(p) * max(lengths[i] for i in p.tolist()) * 3 for p in passes]
    assert all(size <= 60 for size, p in zip(sizes, passes, strict=True) if len(p) > 1)


def test_no_clip_at_all_gives_no_output() -> None:
    model = Attention((3,), {"discrete": 6}, level="frame")
    clips = FrameClips((ragged([], 3),), (plain(3),), torch.ones(0, 1, dtype=torch.bool))
    assert forward(model, clips).heads["discrete"].shape == (0, 6)


def test_a_clip_without_any_embedding_gets_the_prior(trained_on_rows: Run, rows_corpus: Corpus) -> None:
    name = rows_corpus.select(["test1"])[0].name
    with open_store(rows_corpus.folder / "store") as store:
        for space in SPACES:
            with store.writer(store.space(space)) as writer:
                writer.fail(name, "missing", "gone.")
    found = predict(trained_on_rows, rows_corpus, "test1")
    prior = np.mean([m.fitted.priors["discrete"] for m in trained_on_rows.members], axis=0)
    np.testing.assert_allclose(found.probabilities[found.names.index(name)], prior)


def test_nothing_fitted_depends_on_clips_that_are_left_out(rows_corpus: Corpus, tmp_path: Path) -> None:
    options = {**SHORT, "folds": "speaker", "pca": 2}
    before = train(rows_corpus, SPACES, "attention", tmp_path / "before", **options)
    left_out = {c.name for c in rows_corpus.clips if c.cells["speaker"] == "ben" or c.split != "train"}
    with open_store(rows_corpus.folder / "store") as store:
        for name in SPACES:
            space = store.space(name)
            old = store.read_all(space)
            with store.writer(space) as writer:
                for clip in left_out & set(old):
                    writer.add(clip, np.array(old[clip].values) * 100 + 7, old[clip].times_s)
    after = train(rows_corpus, SPACES, "attention", tmp_path / "after", **options)
    name = "checkpoints/fold1-seed0.safetensors"  # ben is the second speaker
    assert (before.folder / name).read_bytes() == (after.folder / name).read_bytes()
    other = "checkpoints/fold0-seed0.safetensors"
    assert (before.folder / other).read_bytes() != (after.folder / other).read_bytes()


@pytest.mark.parametrize(
    "more",
    [
        {"alignment": "time"},
        {"alignment": "reference", "reference": True, "standardise": False},
        {"alignment": "reference_aligned"},
        {"bucketed": True, "grad_clip": 0.5, "pca": 3},
        {"max_rows": 4, "value_weight": 0.5},
    ],
    ids=str,
)
def test_every_alignment_trains_and_predicts_as_it_trained(
    framed: Corpus, tmp_path: Path, more: dict[str, Any]
) -> None:
    run = train(framed, SPACES, "attention", tmp_path / "run", **SHORT, **more)
    predict(run.folder, framed, "test1").write(tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_bytes() == (run.folder / "predictions" / "test1.csv").read_bytes()


def test_options_that_matter_change_the_weights(framed: Corpus, tmp_path: Path) -> None:
    base = train(framed, SPACES, "attention", tmp_path / "base", **SHORT, batch_size=8)
    name = "checkpoints/fold0-seed0.safetensors"
    for option in ({"alignment": "time"}, {"bucketed": True}, {"grad_clip": 1e-6}, {"max_rows": 3}):
        key = next(iter(option))
        other = train(framed, SPACES, "attention", tmp_path / key, **SHORT, batch_size=8, **option)
        assert (base.folder / name).read_bytes() != (other.folder / name).read_bytes(), option


@pytest.mark.parametrize(("n_clips", "batch_size"), [(100, 8), (7, 8), (1, 1), (33, 2)])
def test_bucketed_batches_hold_every_clip_once_and_less_padding(n_clips: int, batch_size: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 100, n_clips)

    def padding(batches: list[torch.Tensor]) -> int:
        return sum(int(lengths[b.numpy()].max()) * len(b) - int(lengths[b.numpy()].sum()) for b in batches)

    order = BucketedOrder(lengths, batch_size, torch.Generator().manual_seed(1))
    batches, later = list(order), list(order)
    assert len(batches) == len(order)
    assert sorted(torch.cat(batches).tolist()) == list(range(n_clips))
    again = list(BucketedOrder(lengths, batch_size, torch.Generator().manual_seed(1)))
    assert all(torch.equal(a, b) for a, b in zip(batches, again, strict=True))
    if n_clips > 2 * batch_size:
        assert not all(torch.equal(a, b) for a, b in zip(batches, later, strict=True))
        assert padding(batches) < padding(list(Order(n_clips, batch_size, torch.Generator().manual_seed(1))))


def test_spaces_of_level_utterance_are_refused_with_the_command_that_mends_it(framed: Corpus, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"MER-T082.*utterance level only") as refused:
        train(framed, ["face/made-up"], "attention", tmp_path / "run", **SHORT)
    assert refused.value.hint.endswith("--with face/made-up --level frame")
    with pytest.raises(TrainingError, match="MER-T006") as refused:
        train(framed, ["face/nobody"], "attention", tmp_path / "run", **SHORT)
    assert refused.value.hint.endswith("--level frame")


def test_rows_that_are_no_numbers_are_refused_with_the_clip(rows_corpus: Corpus, tmp_path: Path) -> None:
    with open_store(rows_corpus.folder / "store") as store, store.writer(store.space(AUDIO)) as writer:
        writer.add("clip005", np.array([[1, 2, 3, 4, 5], [1, 2, np.nan, 4, 5]], np.float32), np.arange(2.0))
    with pytest.raises(TrainingError, match=r"MER-T008.*audio/rows.* 1 clips, first 'clip005'"):
        train(rows_corpus, SPACES, "attention", tmp_path / "run", **SHORT)


def test_a_space_where_all_clips_failed_says_why(rows_corpus: Corpus, tmp_path: Path) -> None:
    with open_store(rows_corpus.folder / "store") as store, store.writer(store.space(TEXT)) as writer:
        for clip in rows_corpus.clips:
            writer.fail(clip.name, "no_text", "the transcript is empty.")
    with pytest.raises(TrainingError, match=r"MER-T041.* no_text"):
        train(rows_corpus, SPACES, "attention", tmp_path / "run", **SHORT)


def test_another_space_of_the_extractor_is_named_with_its_size(
    trained_on_rows: Run, rows_corpus: Corpus, tmp_path: Path
) -> None:
    with open_store(tmp_path / "other", create=True) as store:
        store.declare(SpaceSpec(FACE, "frame", 9, 1, {"size": 9}))
    with pytest.raises(
        TrainingError, match=r"MER-T050.*face/rows@\w+ \(frame, 6 dim.*face/rows@\w+ \(frame, 9 dim"
    ) as e:
        predict(trained_on_rows, rows_corpus, "test1", store=tmp_path / "other")
    assert e.value.hint.endswith("--level frame")


class Aligned(Attention):
    """A model that needs one length for all spaces."""

    levels = ("frame",)
    aligned = True


class OfClips(Attention):
    levels = ("utterance",)


@pytest.mark.parametrize(
    ("model", "given", "level", "alignment"),
    [
        (Attention, {}, "utterance", ""),
        (Attention, {"level": "frame"}, "frame", "none"),
        (Attention, {"level": "frame", "alignment": "reference"}, "frame", "reference"),
        (Aligned, {}, "frame", "time"),
        (Aligned, {"alignment": "reference"}, "frame", "reference_aligned"),
    ],
)
def test_level_and_alignment_follow_from_the_model(
    model: type[FusionModel], given: dict[str, Any], level: str, alignment: str
) -> None:
    found = settle(TrainOptions(**given), "m", model)
    assert (found.level, found.alignment) == (level, alignment)
    assert settle(found, "m", model) == found


@pytest.mark.parametrize(
    ("model", "given", "code"),
    [
        (Aligned, {"level": "utterance"}, "MER-T002"),
        (OfClips, {"level": "frame"}, "MER-T002"),
        (Attention, {"alignment": "time"}, "MER-T080"),
        (Aligned, {"alignment": "none"}, "MER-T081"),
    ],
)
def test_levels_and_alignments_that_do_not_fit_are_refused(
    model: type[FusionModel], given: dict[str, Any], code: str
) -> None:
    with pytest.raises(ConfigError, match=code):
        settle(TrainOptions(**given), "m", model)


@pytest.mark.parametrize("options", [{"step_s": 0.0}, {"max_rows": 0}, {"grad_clip": 0.0}, {"alignment": "late"}])
def test_values_out_of_range_are_refused(framed: Corpus, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(MerToolsError, match="MER-R004"):
        train(framed, SPACES, "attention", tmp_path / "run", **{**SHORT, **options})


def test_new_files_are_predicted_at_frame_level(tmp_path: Path) -> None:
    from feature_extractors import extract
    from mertools.corpus import Clip, Split
    from mertools.targets import Target

    clips = []
    for i in range(8):
        label = ("low", "high")[i % 2]
        path = tmp_path / f"t{i}.wav"
        write_tone(path, {"low": 120.0, "high": 440.0}[label], seconds=0.5 + 0.1 * i, seed=i)
        clips.append(
            Clip(path.stem, "train", audio=path, cells={"name": path.stem, "split": "train", "discrete": label})
        )
    targets = (Target("discrete", "classes", ("high", "low")),)
    corpus = Corpus("tones", tmp_path / "c", tuple(clips), tmp_path, (Split("train"),), targets)
    corpus.write()
    with open_store(corpus.folder / "store", create=True) as store:
        extract(corpus, ["audio/prosody"], store, quiet=True, device="cpu", level="frame")
    run = train(corpus, "audio/prosody", "attention", tmp_path / "run", **SHORT, alignment="time")
    found = predict_clips(run.folder, [clips[1].audio or "", clips[4].audio or ""])
    expected = predict(run, corpus, "train")
    np.testing.assert_allclose(found.probabilities, expected.probabilities[[1, 4]], atol=1e-5)
    out = tmp_path / "p.csv"
    assert main(["predict", str(run.folder), "--clips", str(clips[2].audio), "--out", str(out)]) == 0
    assert len(out.read_text().splitlines()) == 2


def write_tone(path: Path, hz: float, *, seconds: float, seed: int) -> None:
    import wave

    t = np.arange(int(16_000 * seconds)) / 16_000
    sound = 0.3 * np.sign(np.sin(2 * np.pi * hz * t)) + 0.01 * np.random.default_rng(seed).normal(size=len(t))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((sound * 20_000).astype("<i2").tobytes())
