import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from baselines.models.base import Batch
from baselines.models.mult import MultiHeadAttention, may_attend, sinusoids

DIMS = (5, 3, 4)


def attended(state: dict[str, Tensor], prefix: str, rows: tuple[Tensor, Tensor, Tensor], n_heads: int) -> Tensor:
    """Attention row by row and head by head; row i sees row j if j <= i + abs(n - s)."""
    weights, biases = state[f"{prefix}.joint.weight"].chunk(3), state[f"{prefix}.joint.bias"].chunk(3)
    q, k, v = (x @ w.T + b for x, w, b in zip(rows, weights, biases, strict=True))
    n, s, d = len(q), len(k), q.shape[1] // n_heads
    mixed = torch.zeros(n, q.shape[1])
    for head in range(n_heads):
        part = slice(head * d, (head + 1) * d)
        for i in range(n):
            seen = [j for j in range(s) if j <= i + abs(n - s)]
            scores = torch.stack([q[i, part] @ k[j, part] / math.sqrt(d) for j in seen]).exp()
            mixed[i, part] = sum(w * v[j, part] for w, j in zip(scores / scores.sum(), seen, strict=True))
    return mixed @ state[f"{prefix}.output.weight"].T + state[f"{prefix}.output.bias"]


def transformed(state: dict[str, Tensor], prefix: str, x: Tensor, source: Tensor | None, n_layers: int) -> Tensor:
    def normed(x: Tensor, name: str) -> Tensor:
        return layer_norm(x, x.shape[-1:], state[f"{prefix}.{name}.weight"], state[f"{prefix}.{name}.bias"])

    x = x * math.sqrt(x.shape[1])
    source = None if source is None else source * math.sqrt(source.shape[1])
    for n in range(n_layers):
        q = normed(x, f"layers.{n}.norm_rows")
        k = q if source is None else normed(source, f"layers.{n}.norm_rows")
        x = x + attended(state, f"{prefix}.layers.{n}.attention", (q, k, k), 2)
        inner = normed(x, f"layers.{n}.norm_inner") @ state[f"{prefix}.layers.{n}.inner.weight"].T
        inner = (inner + state[f"{prefix}.layers.{n}.inner.bias"]).clamp(min=0)
        x = x + inner @ state[f"{prefix}.layers.{n}.outer.weight"].T + state[f"{prefix}.layers.{n}.outer.bias"]
    return normed(x, "norm")


@pytest.mark.parametrize("kernel", [1, 2])
def test_mult_computes_the_published_formula_clip_by_clip(frame_clips, make_model, kernel: int) -> None:
    model = make_model("mult", hidden_dim=4, n_heads=2, n_layers=2, kernel=kernel)
    for parameter in model.parameters():  # so that biases and norms are tested, too
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
    clips = frame_clips(lengths=(4, 2, 6, 3), extra=(3, 0, -1))
    state, fused = model.state_dict(), model(clips).fused
    for clip in range(4):
        lengths = [int(mask[clip].sum()) for mask in clips.masks]
        audio, text, video = (x[clip, :n] for x, n in zip(clips.embeddings, lengths, strict=True))
        rows = []
        for m, x in enumerate((text, audio, video)):
            weight = state[f"projections.{m}.weight"]  # (h, D, kernel)
            if len(x) < kernel:
                x = torch.cat([x, torch.zeros(kernel - len(x), x.shape[1])])
            steps = range(len(x) - kernel + 1)
            rows.append(torch.stack([sum(weight[:, :, k] @ x[t + k] for k in range(kernel)) for t in steps]))
        last = []
        for m, others in enumerate(((1, 2), (0, 2), (0, 1))):
            crossed = [transformed(state, f"crossings.{m}.{n}", rows[m], rows[o], 2) for n, o in enumerate(others)]
            last.append(transformed(state, f"own.{m}", torch.cat(crossed, dim=1), None, 3)[-1])
        combined = torch.cat(last)
        inner = (state["inner.weight"] @ combined + state["inner.bias"]).clamp(min=0)
        combined = combined + state["outer.weight"] @ inner + state["outer.bias"]
        expected = state["output.weight"] @ combined + state["output.bias"]
        torch.testing.assert_close(fused[clip], expected, rtol=1e-4, atol=1e-5)


def test_attention_is_the_same_with_and_without_the_fused_kernel() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2, 1e-12)  # drops nothing, but takes the way that could
    q, k, allowed = torch.randn(3, 4, 8), torch.randn(3, 6, 8), torch.rand(3, 1, 4, 6) < 0.5
    allowed[..., 0] = True
    plain = attention.train()(q, k, k, allowed)
    torch.testing.assert_close(attention.eval()(q, k, k, allowed), plain)


def test_rows_see_what_is_not_in_the_future_of_the_clip() -> None:
    queries = torch.tensor([[True, True, True, False], [True, True, True, True]])
    keys = torch.tensor([[True, True], [True, False]])
    assert may_attend(queries, keys)[:, 0].int().tolist() == [
        [[1, 1], [1, 1], [1, 1], [1, 1]],  # 3 rows, 2 rows: j <= i + 1
        [[1, 0], [1, 0], [1, 0], [1, 0]],
    ]
    assert may_attend(keys[:1], queries[:1])[0, 0].int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    same = torch.ones(1, 3, dtype=torch.bool)
    assert torch.equal(may_attend(same, same)[0, 0], torch.ones(3, 3).tril().bool())


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("n_spaces", [1, 2, 3, 4])
def test_unaligned_clips_are_predicted_alike_alone_and_among_others(
    frame_clips, make_model, n_spaces: int, kernel: int
) -> None:
    dims = (5, 3, 4, 2)[:n_spaces]
    model = make_model("mult", dims, hidden_dim=16, n_layers=2, kernel=kernel)
    clips = frame_clips(dims, extra=(0, 2, 5, 1)[:n_spaces])
    together = model(clips).fused
    for clip, one in enumerate(clips.rows(slice(n, n + 1)) for n in range(4)):
        lengths = [int(mask.sum()) for mask in one.masks]
        trimmed = Batch(
            tuple(x[:, :n] for x, n in zip(one.embeddings, lengths, strict=True)),
            one.present,
            tuple(mask[:, :n] for mask, n in zip(one.masks, lengths, strict=True)),
        )
        torch.testing.assert_close(model(trimmed).fused[0], together[clip], rtol=1e-5, atol=1e-6)


def test_a_missing_space_is_one_row_of_zeros_whatever_its_mask(frame_clips, make_model) -> None:
    model, clips = make_model("mult", hidden_dim=16), frame_clips()
    clips.present[0, 1] = False
    none = tuple(mask.clone() for mask in clips.masks)
    none[1][0] = False
    assert torch.equal(model(clips).fused, model(replace(clips, masks=none)).fused)


def test_order_is_known_with_positions(frame_clips, make_model) -> None:
    clips = frame_clips(lengths=(5,))
    turned = replace(clips, embeddings=tuple(x[:, [1, 0, 2, 3, 4]] for x in clips.embeddings))
    plain, told = (make_model("mult", hidden_dim=16, n_layers=1, positions=p) for p in (False, True))
    assert not torch.allclose(plain(clips).fused, told(clips).fused)
    assert not torch.allclose(told(clips).fused, told(turned).fused)


def test_positions_are_sines_and_cosines() -> None:
    table = sinusoids(7, 6, torch.device("cpu"))
    for row in range(7):
        for column in range(3):
            angle = row / 10_000 ** (column / 3)
            assert table[row, column].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[row, 3 + column].item() == pytest.approx(math.cos(angle), abs=1e-6)
