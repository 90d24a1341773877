"""Published models at their real size, without their parameters: declared facts against the architecture itself.

Configurations are written by hand from the published ones (only what differs from the class defaults matters here). The
model is made on the meta device and run there, so that shapes are computed and numbers are not.
"""

import json

import pytest

from feature_extractors import EXTRACTORS, create_extractor

_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
_STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
_BERT = {"model_type": "bert", "vocab_size": 21128}


def _clip(patch, width, layers, heads, projection):
    vision = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "patch_size": patch}
    vision |= {"intermediate_size": 4 * width, "image_size": 224}
    return {"model_type": "clip", "projection_dim": projection, "vision_config": vision}


PUBLISHED = {
    "face/clip-vit-base-patch32": _clip(32, 768, 12, 12, 512),
    "face/clip-vit-large-patch14": _clip(14, 1024, 24, 16, 768),
    "audio/chinese-hubert-base": {"model_type": "hubert"},
    "audio/chinese-hubert-large": {"model_type": "hubert", **_LARGE, **_STABLE},
    "audio/chinese-wav2vec2-base": {"model_type": "wav2vec2"},
    "audio/chinese-wav2vec2-large": {"model_type": "wav2vec2", **_LARGE, **_STABLE},
    "audio/wav2vec2-base-960h": {"model_type": "wav2vec2"},
    "audio/wav2vec2-large-960h": {"model_type": "wav2vec2", **_LARGE},
    "audio/wavlm-base": {"model_type": "wavlm"},
    "audio/wavlm-large": {"model_type": "wavlm", **_LARGE, **_STABLE},
    "text/bert-base-chinese": _BERT,
    "text/chinese-roberta-wwm-ext": _BERT,
    "text/chinese-roberta-wwm-ext-large": {**_BERT, **_LARGE},
    "text/chinese-macbert-base": _BERT,
    "text/chinese-macbert-large": {**_BERT, **_LARGE},
}
PUBLISHED_NAMES = [e.name for e in EXTRACTORS.entries() if e.facts["hub_id"]]


@pytest.fixture(params=PUBLISHED_NAMES)
def extractor(request, tmp_path):
    assert request.param in PUBLISHED, f"write the published configuration of {request.param} into {__file__}"
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED[request.param]))
    for name in ("model.safetensors", "vocab.txt", "preprocessor_config.json"):
        (tmp_path / name).write_bytes(b"")  # there, but not read
    return create_extractor(request.param, weights=str(tmp_path))


def meta_output(extractor):
    import torch
    from transformers import AutoModel, CLIPVisionModelWithProjection

    with torch.device("meta"):
        if extractor.modality == "face":
            model = CLIPVisionModelWithProjection(extractor.image_architecture)
            return model(torch.zeros(2, 3, 224, 224), output_hidden_states=True)
        model = AutoModel.from_config(extractor.architecture).eval()
        inputs = torch.zeros(2, 16_000) if extractor.modality == "audio" else torch.zeros(2, 9, dtype=torch.long)
        return model(inputs, output_hidden_states=True)


def test_dimension_and_layers_are_those_of_the_architecture(extractor):
    output = meta_output(extractor)
    if extractor.modality == "face":
        assert tuple(output.image_embeds.shape) == (2, extractor.dim)
    else:
        rows = {"audio": 49, "text": 9}[extractor.modality]
        assert tuple(output.last_hidden_state.shape) == (2, rows, extractor.dim)
        assert len(output.hidden_states) == extractor.architecture.num_hidden_layers + 1
        assert extractor.layers == (-4, -3, -2, -1)
    assert extractor.dim == extractor.facts["dim"]


def test_padding_is_declared_as_the_front_end_is(extractor):
    assert extractor.padding_invariant == extractor.facts["padding_invariant"]


def test_rate_is_declared_as_the_front_end_is(extractor):
    if extractor.modality == "audio":
        assert 16_000 / extractor.frontend.hop == extractor.facts["rate_hz"]


def test_weights_default_to_the_published_ones(extractor):
    assert extractor.facts["defaults"] == {"weights": extractor.facts["hub_id"]}
