"""What holds for all models that fuse sequences."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import pad

from baselines import MODELS
from baselines.models.base import Batch, config_fields
from baselines.models.sequences import aligned, in_published_order, reversed_rows, squared_error, unaligned
from mertools.errors import ConfigError

NAMES = ("ef_lstm", "mfn", "graph_mfn", "mfm", "mctn", "mult")
WITH_REFERENCE = [name for name in NAMES if MODELS.get(name).deviations]
TRAINING_OPTIONS = {"lr", "grad_clip"}
every_model = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("ef_lstm", {}, 1_657_863),
        ("mfn", {}, 2_290_951),
        ("graph_mfn", {"reference": True}, 2_102_882),
        ("graph_mfn", {}, 2_102_882 + 205_712),  # the networks of vertices are trained
        ("mfm", {"reference": True}, 4_865_614),
        ("mfm", {}, 4_865_614 - 74_375),  # without the inner network's output layers and heads
        ("mctn", {}, 4_845_831),
        ("mult", {}, 15_830_023),
    ],
)
def test_models_have_the_parameters_of_the_reference(
    make_model, name: str, options: dict[str, bool], expected: int
) -> None:
    model = make_model(name, (1024, 1024, 768), hidden_dim=128, **options)
    assert sum(p.numel() for p in model.parameters()) == expected


@every_model
def test_the_published_search_space_can_be_drawn_from(make_model, name: str) -> None:
    space = MODELS.get(name).search_space
    assert set(space) - TRAINING_OPTIONS <= set(config_fields(MODELS.get(name)))
    assert "lr" in space
    smallest = {key: min(values) for key, values in space.items() if key not in TRAINING_OPTIONS}
    for key, values in space.items():
        for value in values if key not in TRAINING_OPTIONS | {"hidden_dim"} else ():
            assert getattr(make_model(name, **smallest | {key: value}).config, key) == value


@pytest.mark.parametrize(
    ("name", "size"), [("ef_lstm", 96), ("mfn", 16), ("graph_mfn", 16), ("mfm", 3072), ("mctn", 720), ("mult", 432)]
)
def test_the_search_space_has_as_many_points_as_published(name: str, size: int) -> None:
    assert len(list(itertools.product(*MODELS.get(name).search_space.values()))) == size


@every_model
def test_rows_behind_clips_change_neither_predictions_nor_the_auxiliary_loss(
    frame_clips, make_model, name: str
) -> None:
    model, clips = make_model(name), frame_clips()
    longer = Batch(
        tuple(torch.where(pad(m, (0, 3)).unsqueeze(-1), pad(e, (0, 0, 0, 3)), float("nan")) for e, m in _spaces(clips)),
        clips.present,
        tuple(pad(mask, (0, 3)) for mask in clips.masks),
    )
    before, after = model(clips), model(longer)
    torch.testing.assert_close(after.fused, before.fused, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after.auxiliary, before.auxiliary, rtol=1e-5, atol=1e-6)


@every_model
def test_a_clip_without_rows_is_one_row_of_zeros(frame_clips, make_model, name: str) -> None:
    model, clips = make_model(name), frame_clips()
    none = torch.tensor([True, True, False, True])
    empty = Batch(
        tuple(torch.where(none[:, None, None], e, float("nan")) for e in clips.embeddings),
        clips.present,
        tuple(mask & none[:, None] for mask in clips.masks),
    )
    zero = torch.zeros(1, 1)
    one_row = Batch(
        tuple(zero.expand(1, 1, dim) for dim in model.dims), torch.ones(1, 3, dtype=torch.bool), (zero == 0,) * 3
    )
    torch.testing.assert_close(model(empty).fused[2:3], model(one_row).fused, rtol=1e-5, atol=1e-6)


@every_model
def test_the_auxiliary_loss_is_blind_to_what_stands_in_missing_places(frame_clips, make_model, name: str) -> None:
    model, clips = make_model(name), frame_clips()
    clips.present[1, 0] = clips.present[2] = clips.present[0, 2] = False
    spoilt = tuple(
        torch.where(here[:, None, None], e, float("inf"))
        for e, here in zip(clips.embeddings, clips.present.unbind(1), strict=True)
    )
    assert torch.equal(model(clips).auxiliary, model(replace(clips, embeddings=spoilt)).auxiliary)
    assert torch.isfinite(model(clips).auxiliary)
    clips.present[:] = False
    assert torch.isfinite(model(clips).auxiliary)


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_the_reference_runs_through_padding_and_else_computes_the_same(frame_clips, make_model, name: str) -> None:
    model, reference = make_model(name), make_model(name, reference=True)
    reference.load_state_dict(model.state_dict(), strict=False)
    same, other = frame_clips(lengths=(5, 5, 5)), frame_clips()
    torch.testing.assert_close(reference(same).fused, model(same).fused)
    torch.testing.assert_close(reference(same).auxiliary, model(same).auxiliary)
    difference = (reference(other).fused - model(other).fused).abs().amax(dim=1)
    assert difference[2] < 1e-6  # the longest clip has no padding
    assert (difference[[0, 1, 3]] > 1e-5).all()


@every_model
def test_half_precision_comes_close(frame_clips, make_model, name: str) -> None:
    model, clips = make_model(name), frame_clips()
    exact = model(clips)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(clips)
        (output.fused.float().square().sum() + output.auxiliary).backward()
    torch.testing.assert_close(output.fused.float(), exact.fused, rtol=0.1, atol=0.05)
    torch.testing.assert_close(output.auxiliary.float(), exact.auxiliary, rtol=0.1, atol=0.05)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ef_lstm", {"n_layers": 0}, "n_layers must be at least 1"),
        ("mfn", {"mem_dim": 0}, "mem_dim must be at least 1"),
        ("mfn", {"hidden_dim": 7}, "hidden_dim must be even"),
        ("graph_mfn", {"hidden_dim": 7}, "hidden_dim must be even"),
        ("mfm", {"recon_weight_2": -1.0}, "recon_weight_2 must be at least 0"),
        ("mfm", {"noise_seed": -1}, "noise_seed must be at least 0"),
        ("mctn", {"teacher_forcing": 1.5}, "teacher_forcing must lie in"),
        ("mctn", {"loss_weight": -0.1}, "loss_weight must be at least 0"),
        ("mctn", {"reference": True}, "reference is not offered"),
        ("mult", {"kernel": 0}, "kernel must be at least 1"),
        ("mult", {"hidden_dim": 60}, "multiple of n_heads"),
        ("mult", {"level": "utterance"}, "level frame"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MODELS.get(name)(dims=(5, 3, 4), heads={"discrete": 6}, **options)


@every_model
def test_training_leaves_the_global_generator_alone(frame_clips, make_model, name: str) -> None:
    from baselines.models.dropout import dropout_layers, seed_dropout

    model, clips = make_model(name, dropout=0.3).train(), frame_clips()
    before = torch.random.get_rng_state()
    for seed in (1, 1, 2):
        seed_dropout(dropout_layers(model), seed=seed, step=0)
        model(clips).auxiliary.add(model(clips).fused.sum()).backward()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_sequences_are_cleaned_and_ordered(frame_clips) -> None:
    clips = frame_clips(extra=(0, 1, 2))
    clips.present[3, 2] = False
    audio, text, video = ((e, m.sum(1).tolist()) for e, m in _spaces(clips))
    spaces = unaligned(clips)
    assert [mask.sum(1).tolist() for _, mask in spaces] == [text[1], audio[1], [*video[1][:3], 1]]
    assert torch.equal(spaces[0][0], text[0])
    assert torch.equal(spaces[2][0][3], torch.zeros_like(video[0][3]))
    assert in_published_order("avt"[:2]) == ["a", "v"]


def test_published_padding_stands_before_clips(frame_clips) -> None:
    clips = frame_clips(lengths=(2, 3))
    sequences = aligned(clips, through_padding=True)
    assert sequences.mask.all()
    assert torch.equal(sequences.rows[1][0], pad(clips.embeddings[0][0, :2], (0, 0, 1, 0)))


def test_rows_are_reversed_within_each_clip() -> None:
    x = torch.arange(1.0, 9.0).view(2, 4, 1)
    mask = torch.tensor([[True, True, True, False], [True, False, False, False]])
    turned = reversed_rows(x, mask)
    assert turned[0, :3, 0].tolist() == [3, 2, 1]
    assert turned[1, 0].item() == 5


def test_squared_errors_are_averaged_over_rows_that_count() -> None:
    x, y = torch.tensor([[[1.0, 2.0], [9.0, 9.0]]]), torch.zeros(1, 2, 2)
    assert squared_error(x, y, torch.tensor([[True, False]])).item() == 2.5
    assert squared_error(x, y, torch.tensor([[False, False]])).item() == 0


def test_predictions_of_most_models_depend_on_all_spaces(make_model) -> None:
    reads = {name: make_model(name).predicts_from for name in NAMES}
    assert reads == dict.fromkeys(NAMES, (0, 1, 2)) | {"mctn": (1,)}
    assert make_model("mctn", (5, 3)).predicts_from == (0,)


def _spaces(clips: Batch) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(zip(clips.embeddings, clips.masks, strict=True))
