"""The VideoMAE encoder against transformers' own, with parameters carried over by name."""

import numpy as np
import torch

from feature_extractors.fakes import roughen
from feature_extractors.networks.videomae import VideoMaeEncoder, VideoMaeShape, sine_positions

SHAPE = VideoMaeShape(dim=32, depth=3, heads=4, hidden=48, size=48)


def theirs(ours):
    """The transformers model with the parameters of `ours`."""
    from transformers import VideoMAEConfig, VideoMAEModel

    config = VideoMAEConfig(
        image_size=48,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        layer_norm_eps=1e-6,
        use_mean_pooling=False,
    )
    model = VideoMAEModel(config).eval()
    names = {
        "attn.proj": "attention.output.dense",
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    }
    state = {}
    for name, value in ours.state_dict().items():
        if name.startswith("patch_embed.proj."):
            state[name.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")] = value
        elif name.startswith("norm."):
            state[name.replace("norm", "layernorm")] = value
        else:
            _, block, rest = name.split(".", 2)
            place = f"encoder.layer.{block}."
            if rest == "attn.qkv.weight":
                parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
                state |= {f"{place}attention.attention.{part}.weight": piece for part, piece in parts}
            elif rest in ("attn.q_bias", "attn.v_bias"):
                part = {"attn.q_bias": "query", "attn.v_bias": "value"}[rest]
                state[f"{place}attention.attention.{part}.bias"] = value
            else:
                head, _, kind = rest.rpartition(".")
                state[f"{place}{names[head]}.{kind}"] = value
    model.load_state_dict(state)
    return model


def test_tokens_equal_those_of_an_independent_implementation():
    ours = roughen(VideoMaeEncoder(SHAPE)).eval()
    frames = torch.randn(2, 16, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found, expected = ours(frames), theirs(ours)(frames).last_hidden_state
    assert found.shape == (2, SHAPE.n_tokens, 32)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_positions_are_sines_and_cosines_and_not_stored():
    found = sine_positions(7, 10).numpy()
    expected = np.array(
        [[(np.cos if c % 2 else np.sin)(token / 10_000 ** ((c - c % 2) / 10)) for c in range(10)] for token in range(7)]
    )
    np.testing.assert_allclose(found, expected, atol=1e-7)
    assert not [name for name in VideoMaeEncoder(SHAPE).state_dict() if "position" in name]


def test_sizes_are_read_from_parameters():
    state = VideoMaeEncoder(SHAPE).state_dict()
    assert VideoMaeShape.of_state(state, size=48, heads=4) == SHAPE


def test_names_are_those_of_the_authors():
    names = set(VideoMaeEncoder(SHAPE).state_dict())
    block = ["norm1.weight", "norm1.bias", "attn.q_bias", "attn.v_bias", "attn.qkv.weight", "attn.proj.weight"]
    block += ["attn.proj.bias", "norm2.weight", "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight"]
    block += ["mlp.fc2.bias"]
    outside = {"patch_embed.proj.weight", "patch_embed.proj.bias", "norm.weight", "norm.bias"}
    assert names == outside | {f"blocks.{i}.{name}" for i in range(3) for name in block}


def test_gradients_reach_every_parameter():
    model = VideoMaeEncoder(SHAPE)
    model(torch.randn(1, 16, 3, 48, 48)).square().mean().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()]
