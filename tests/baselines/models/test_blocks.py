"""The transformer layer computes what PyTorch's does, and takes clips without any token."""

import torch

from baselines.models.blocks import TransformerLayer, published_order


def pair() -> tuple[TransformerLayer, torch.nn.TransformerEncoderLayer]:
    """Ours and PyTorch's with the same weights."""
    torch.manual_seed(0)
    ours, theirs = TransformerLayer(8, 2, 16, 0.1), torch.nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True)
    for parameter in theirs.parameters():  # biases and norms, too, unlike a fresh layer's
        torch.nn.init.normal_(parameter, std=0.5)
    mine = (ours.query_key_value, ours.out, ours.widen, ours.narrow, ours.norm1, ours.norm2)
    other = (theirs.self_attn.out_proj, theirs.linear1, theirs.linear2, theirs.norm1, theirs.norm2)
    mine[0].load_state_dict({"weight": theirs.self_attn.in_proj_weight, "bias": theirs.self_attn.in_proj_bias})
    for to, source in zip(mine[1:], other, strict=True):
        to.load_state_dict(source.state_dict())
    return ours.eval(), theirs.eval()


def test_masked_tokens_are_attended_to_as_in_pytorch() -> None:
    ours, theirs = pair()
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    x = torch.randn(6, 5, 8)
    present = torch.rand(6, 5) < 0.6
    present[:, 0] = True
    found, expected = ours(x, present), theirs(x, src_key_padding_mask=~present)
    torch.testing.assert_close(found[present], expected[present], rtol=1e-4, atol=1e-5)


def test_a_clip_without_tokens_is_finite_and_so_are_its_gradients() -> None:
    ours, _ = pair()
    found = ours(torch.randn(2, 3, 8), torch.zeros(2, 3, dtype=torch.bool))
    assert torch.isfinite(found).all()
    found.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in ours.parameters())


def test_fresh_layers_are_drawn_as_pytorch_draws_them() -> None:
    torch.manual_seed(0)
    ours, theirs = TransformerLayer(64, 2, 128, 0.1), torch.nn.TransformerEncoderLayer(64, 2, 128, 0.1)
    for mine, other in (
        (ours.query_key_value.weight, theirs.self_attn.in_proj_weight),
        (ours.out.weight, theirs.self_attn.out_proj.weight),
        (ours.widen.weight, theirs.linear1.weight),
    ):
        torch.testing.assert_close(mine.std(), other.std(), rtol=0.05, atol=0)
    assert not ours.query_key_value.bias.any()
    assert not ours.out.bias.any()


def test_only_as_many_spaces_as_published_stand_in_the_published_order() -> None:
    assert published_order(3, (1, 2, 0)) == (1, 2, 0)
    assert published_order(4, (1, 2, 0)) == (0, 1, 2, 3)
    assert published_order(1, (1, 2, 0)) == (0,)
