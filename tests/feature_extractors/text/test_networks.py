"""Rebuilt networks against independent computations, and their parameters against the published names."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from feature_extractors.fakes import roughen
from feature_extractors.networks.baichuan import BaichuanConfig, BaichuanModel, slopes
from feature_extractors.networks.chatglm2 import ChatGlm2Config, ChatGlm2Model

IDS = torch.tensor([[5, 17, 3, 60, 41, 9, 22, 22, 8, 30]])


def baichuan(*, rotary):
    sizes = {"vocab_size": 64, "num_hidden_layers": 3, "intermediate_size": 40}
    sizes |= {"hidden_size": 32, "num_attention_heads": 4} if rotary else {"hidden_size": 48, "num_attention_heads": 6}
    torch.manual_seed(1)
    config = BaichuanConfig(**sizes, max_position_embeddings=64 if rotary else None)
    return roughen(BaichuanModel(config)).eval()


def chatglm2():
    torch.manual_seed(1)
    config = ChatGlm2Config(
        padded_vocab_size=64,
        hidden_size=32,
        ffn_hidden_size=40,
        num_layers=3,
        num_attention_heads=4,
        kv_channels=16,
        multi_query_group_num=2,
    )
    return roughen(ChatGlm2Model(config)).eval()


def states(model, ids=IDS, **more):
    with torch.inference_mode():
        return model(ids, output_hidden_states=True, **more).hidden_states


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1.0, float(other.abs().max())))


def test_baichuan_7b_is_llama_with_one_matrix_for_query_key_and_value():
    from transformers import LlamaConfig, LlamaModel

    model = baichuan(rotary=True)
    llama = LlamaModel(
        LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=40,
            num_hidden_layers=3,
            num_attention_heads=4,
            rms_norm_eps=1e-6,
            max_position_embeddings=64,
        )
    )
    state = {}
    for name, values in model.state_dict().items():
        if "W_pack" in name:
            for part, rows in zip("qkv", values.chunk(3), strict=True):
                state[name.replace("W_pack", f"{part}_proj")] = rows
        else:
            state[name] = values
    llama.load_state_dict(state)
    expected = states(llama.eval())
    same(states(model), expected)
    assert expected[-1].abs().max() > 0.1


def slow_alibi(model, ids):
    """The 13B kind, one head, one token and one number at a time where it matters, in float64."""
    config = model.config
    n_heads = config.num_attention_heads
    width = config.hidden_size // n_heads
    p = {name: values.double() for name, values in model.state_dict().items()}

    def norm(x, weight):
        return x / torch.sqrt((x * x).mean() + config.rms_norm_eps) * weight

    xs = [p["embed_tokens.weight"][i] for i in ids]
    entries = [torch.stack(xs)]
    for n in range(config.num_hidden_layers):
        layer = f"layers.{n}."
        packed = [p[layer + "self_attn.W_pack.weight"] @ norm(x, p[layer + "input_layernorm.weight"]) for x in xs]
        q, k, v = ([one[i * config.hidden_size : (i + 1) * config.hidden_size] for one in packed] for i in range(3))
        attended = []
        for i in range(len(xs)):
            heads = []
            for h in range(n_heads):
                part = slice(h * width, (h + 1) * width)
                scores = [
                    float(q[i][part] @ k[j][part]) / math.sqrt(width) + published_slope(h, n_heads) * (j - i)
                    for j in range(i + 1)
                ]
                weights = [math.exp(s - max(scores)) for s in scores]
                heads.append(sum(w / sum(weights) * v[j][part] for j, w in enumerate(weights)))
            attended.append(p[layer + "self_attn.o_proj.weight"] @ torch.cat(heads))
        xs = [x + a for x, a in zip(xs, attended, strict=True)]
        inner = [norm(x, p[layer + "post_attention_layernorm.weight"]) for x in xs]
        gate, up, down = (p[f"{layer}mlp.{name}_proj.weight"] for name in ("gate", "up", "down"))
        xs = [x + down @ (functional.silu(gate @ y) * (up @ y)) for x, y in zip(xs, inner, strict=True)]
        entries.append(torch.stack(xs))
    entries[-1] = torch.stack([norm(x, p["norm.weight"]) for x in xs])
    return [entry[None].float() for entry in entries]


def published_slope(head, n_heads):
    """As transformers builds them for BLOOM."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    return float(build_alibi_tensor(torch.ones(1, 2), n_heads, torch.float32)[head, 0, 1])


@pytest.mark.parametrize("n_heads", [1, 4, 6, 32, 40])
def test_slopes_are_those_of_the_paper(n_heads):
    assert slopes(n_heads) == pytest.approx([published_slope(head, n_heads) for head in range(n_heads)])


def test_baichuan_13b_is_a_slow_loop_with_distances():
    model = baichuan(rotary=False)
    same(states(model), slow_alibi(model, IDS[0]))


def test_chatglm2_is_the_glm_of_transformers_without_its_last_norm():
    from transformers import GlmConfig, GlmModel

    model = chatglm2()
    glm = GlmModel(
        GlmConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=40,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            attention_bias=True,
            rms_norm_eps=1e-5,
            pad_token_id=0,
            rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5},
        )
    ).eval()
    renamed = {
        "embedding.word_embeddings": "embed_tokens",
        "encoder.layers": "layers",
        "self_attention.dense": "self_attn.o_proj",
        "dense_h_to_4h": "gate_up_proj",
        "dense_4h_to_h": "down_proj",
    }
    state = {"norm.weight": torch.ones(32)}
    for name, values in model.state_dict().items():
        for ours, theirs in renamed.items():
            name = name.replace(ours, theirs)
        if "query_key_value" in name:
            for part, rows in zip("qkv", values.split([64, 32, 32]), strict=True):
                state[name.replace("self_attention.query_key_value", f"self_attn.{part}_proj")] = rows
        else:
            state[name] = values
    glm.load_state_dict(state)
    raw = []
    glm.layers[-1].register_forward_hook(lambda _, __, output: raw.append(output))
    expected = list(states(glm))
    expected[-1] = raw[0] if torch.is_tensor(raw[0]) else raw[0][0]
    same(states(model), expected)


def slow_chatglm2(model, ids):
    """Token by token in float64; turns as products of complex numbers."""
    config = model.config
    width, n_heads, n_groups = config.kv_channels, config.num_attention_heads, config.multi_query_group_num
    p = {name: values.double() for name, values in model.state_dict().items()}

    def norm(x, weight):
        return x / torch.sqrt((x * x).mean() + config.layernorm_epsilon) * weight

    def turn(head, place):
        half = width // 2
        pairs = torch.view_as_complex(head[:half].reshape(-1, 2).contiguous())
        angles = torch.tensor([place * 10_000 ** (-2 * i / half) for i in range(half // 2)], dtype=torch.float64)
        return torch.cat(
            [torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(), head[half:]]
        )

    xs = [p["embedding.word_embeddings.weight"][i] for i in ids]
    entries = [torch.stack(xs)]
    for n in range(config.num_layers):
        layer = f"encoder.layers.{n}."
        weight, bias = (p[f"{layer}self_attention.query_key_value.{name}"] for name in ("weight", "bias"))
        mixed = [weight @ norm(x, p[layer + "input_layernorm.weight"]) + bias for x in xs]
        attended = []
        for i in range(len(xs)):
            heads = []
            for h in range(n_heads):
                group = h // (n_heads // n_groups)
                key, value = n_heads + group, n_heads + n_groups + group
                query = turn(mixed[i][h * width : (h + 1) * width], i)
                keys = [turn(mixed[j][key * width : (key + 1) * width], j) for j in range(i + 1)]
                shares = torch.softmax(torch.stack([query @ k for k in keys]) / math.sqrt(width), 0)
                heads.append(sum(s * mixed[j][value * width : (value + 1) * width] for j, s in enumerate(shares)))
            attended.append(p[layer + "self_attention.dense.weight"] @ torch.cat(heads))
        xs = [x + a for x, a in zip(xs, attended, strict=True)]
        after = []
        for x in xs:
            both = p[layer + "mlp.dense_h_to_4h.weight"] @ norm(x, p[layer + "post_attention_layernorm.weight"])
            gate, content = both[: len(both) // 2], both[len(both) // 2 :]
            after.append(x + p[layer + "mlp.dense_4h_to_h.weight"] @ (gate * torch.sigmoid(gate) * content))
        xs = after
        entries.append(torch.stack(xs))
    return [entry[None].float() for entry in entries]


def test_chatglm2_is_a_slow_loop():
    model = chatglm2()
    same(states(model), slow_chatglm2(model, IDS[0]))


@pytest.mark.parametrize("make", [lambda: baichuan(rotary=True), lambda: baichuan(rotary=False), chatglm2])
def test_filling_behind_the_tokens_changes_nothing(make):
    model = make()
    padded = torch.cat([IDS, torch.zeros(1, 4, dtype=torch.long)], 1)
    mask = (torch.arange(14) < 10).long()[None]
    found = states(model, padded, attention_mask=mask)
    assert all(torch.isfinite(entry).all() for entry in found)
    same([entry[:, :10] for entry in found], states(model))


def test_parameters_are_named_as_the_released_files_name_them():
    """Names read from public code that converts or serves the released files."""
    per_layer = {
        *("self_attn.W_pack.weight", "self_attn.o_proj.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight"),
        *("mlp.down_proj.weight", "input_layernorm.weight", "post_attention_layernorm.weight"),
    }
    expected = {"embed_tokens.weight", "norm.weight"} | {f"layers.{i}.{name}" for i in range(3) for name in per_layer}
    assert set(baichuan(rotary=True).state_dict()) == set(baichuan(rotary=False).state_dict()) == expected
    per_layer = {
        *("input_layernorm.weight", "self_attention.query_key_value.weight", "self_attention.query_key_value.bias"),
        *("self_attention.dense.weight", "post_attention_layernorm.weight", "mlp.dense_h_to_4h.weight"),
        "mlp.dense_4h_to_h.weight",
    }
    expected = {f"encoder.layers.{i}.{name}" for i in range(3) for name in per_layer}
    assert set(chatglm2().state_dict()) == {"embedding.word_embeddings.weight"} | expected
