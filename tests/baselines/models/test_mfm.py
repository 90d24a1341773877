from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from baselines.models.dropout import dropout_layers, seed_dropout
from baselines.models.mfm import Normal, mmd

SILENT = {"mmd_weight": 0.0, "recon_weight_1": 0.0, "recon_weight_2": 0.0, "recon_weight_3": 0.0}


def test_the_discrepancy_is_the_published_one() -> None:
    generator = torch.Generator().manual_seed(0)
    z, g = 5 * torch.randn(4, 3, generator=generator), torch.randn(4, 3, generator=generator)

    def mean_kernel(xs: Tensor, ys: Tensor) -> float:
        values = [torch.exp(-((x - y) ** 2).mean() / 3).item() for x in xs for y in ys]
        return sum(values) / len(values)

    expected = mean_kernel(g, g) + mean_kernel(z, z) - 2 * mean_kernel(g, z)
    assert mmd(z, g, torch.ones(4, dtype=torch.bool)).item() == pytest.approx(expected, abs=1e-6)
    here = torch.tensor([True, False, True, False])
    expected = mean_kernel(g[here], g[here]) + mean_kernel(z[here], z[here]) - 2 * mean_kernel(g[here], z[here])
    assert mmd(z, g, here).item() == pytest.approx(expected, abs=1e-6)
    assert mmd(z, g, here & ~here).item() == 0


@pytest.mark.parametrize("weighted", [0, 1, 2])
def test_each_space_is_rebuilt_step_by_step_with_a_weight_of_its_own(frame_clips, make_model, weighted: int) -> None:
    weights = SILENT | {f"recon_weight_{weighted + 1}": 0.7}
    model, clips = make_model("mfm", hidden_dim=6, mem_dim=3, **weights), frame_clips()
    state = model.state_dict()
    inner = (1, 0, 2).index(weighted)  # text, audio, video inside

    def network(x: Tensor, prefix: str) -> Tensor:
        x = (x @ state[f"{prefix}.0.0.weight"].T + state[f"{prefix}.0.0.bias"]).clamp(min=0)
        return (x @ state[f"{prefix}.0.3.weight"].T + state[f"{prefix}.0.3.bias"]).clamp(min=0)

    x = clips.embeddings[weighted]
    encoder, decoder = nn.LSTM(x.shape[-1], 6), nn.LSTMCell(6, 6)
    encoder.load_state_dict({n: state[f"lstms.{inner}.{n}"] for n in encoder.state_dict()})
    decoder.load_state_dict({n: state[f"decoders.{inner}.cell.{n}"] for n in decoder.state_dict()})
    shared_codes = []
    model.shared_factor.register_forward_hook(lambda _, inputs, __: shared_codes.append(inputs[0]))
    auxiliary = model(clips).auxiliary
    errors = []
    for clip, n_rows in enumerate(clips.masks[0].sum(1).tolist()):
        states, _ = encoder(x[clip, :n_rows])
        code = states[-1] @ state[f"codes.{inner}.weight"].T + state[f"codes.{inner}.bias"]
        shared = network(shared_codes[0][clip], "shared_factor")
        read = torch.cat([shared, network(code, f"factors.{inner}")])
        h = c = torch.zeros(6)
        for t in range(n_rows):
            h, c = decoder(read, (h, c))
            read = h
            row = h @ state[f"decoders.{inner}.rows.weight"].T + state[f"decoders.{inner}.rows.bias"]
            errors.append((row - x[clip, t]) ** 2)
    torch.testing.assert_close(auxiliary, 0.7 * torch.stack(errors).mean())


def test_the_shared_code_is_made_of_the_memory_and_predicts(frame_clips, make_model) -> None:
    model, clips = make_model("mfm", hidden_dim=6, mem_dim=3), frame_clips()
    mfn = make_model("mfn", hidden_dim=6, mem_dim=3)
    mfn.memory.load_state_dict(model.memory.state_dict())
    last = []
    mfn.memory.register_forward_hook(lambda *called: last.append(called[2]))
    mfn(clips)
    expected = model.output(model.shared_factor(model.shared_code(last[0])))
    torch.testing.assert_close(model(clips).fused, expected)


def test_codes_are_compared_with_the_same_noise_in_every_evaluation(frame_clips, make_model) -> None:
    weights = SILENT | {"mmd_weight": 100.0}
    model, clips = make_model("mfm", **weights), frame_clips()
    before = torch.random.get_rng_state()
    first = model(clips).auxiliary
    assert torch.equal(model(clips).auxiliary, first)
    assert torch.equal(torch.random.get_rng_state(), before)
    other = make_model("mfm", noise_seed=1, **weights)
    assert not torch.equal(other(clips).auxiliary, first)


def test_codes_are_compared_with_fresh_noise_in_training(frame_clips, make_model) -> None:
    model = make_model("mfm", dropout=0.0, **SILENT | {"mmd_weight": 100.0}).train()
    clips = frame_clips()
    seed_dropout(dropout_layers(model), seed=3, step=0)
    first, second = model(clips).auxiliary, model(clips).auxiliary
    assert not torch.equal(first, second)
    seed_dropout(dropout_layers(model), seed=3, step=0)
    assert torch.equal(model(clips).auxiliary, first)


def test_noise_is_standard_normal() -> None:
    noise = Normal(0).eval()(torch.empty(300, 300))
    assert abs(noise.mean().item()) < 0.02
    assert abs(noise.std().item() - 1) < 0.02


def test_a_space_that_a_clip_lacks_is_not_rebuilt(frame_clips, make_model) -> None:
    weights = SILENT | {"recon_weight_3": 1.0}
    model, clips = make_model("mfm", **weights), frame_clips(lengths=(4, 4))
    clips.present[1, 2] = False
    alone = clips.rows(slice(0, 1))
    torch.testing.assert_close(model(clips).auxiliary, model(alone).auxiliary)
    nobody = replace(clips, present=clips.present & torch.tensor([True, True, False]))
    assert model(nobody).auxiliary.item() == 0
