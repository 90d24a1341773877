"""Causal language models as text embeddings: sum of the last four hidden states, one row per token.

Matrices are kept in 16 bit where the precision is 16 bit, straight from the file; norms, word vectors and the stream
of hidden states stay float32, so that sums of layers and means over tokens are not sums of rounded numbers. Every
token sees only those before it, so what fills a batch stands behind the text and changes nothing.

Two networks that exist only as code beside their weights are rebuilt in `feature_extractors.networks`; others of that
kind are refused. Weights that are published as a difference to LLaMA are refused too: they load without complaint and
embed nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal

from feature_extractors.base import Precision
from feature_extractors.pretrained import register_family
from feature_extractors.text.causal_checkpoints import CHECKPOINTS
from feature_extractors.text.token_model import TokenModel, TokenModelConfig
from mertools.errors import ExtractionError, MissingDependencyError

_REBUILT = ("baichuan", "chatglm")
_NOT_REBUILT = ("moss", "stablelm_alpha")
# switches of ChatGLM's configuration that are built in one position
_CHATGLM_AS_BUILT = {
    "multi_query_attention": True,
    "rmsnorm": True,
    "post_layer_norm": True,
    "add_bias_linear": False,
    "apply_residual_connection_post_layernorm": False,
    "rope_ratio": 1,
    "pre_seq_len": None,
    "quantization_bit": 0,
}


@dataclass(frozen=True)
class CausalConfig(TokenModelConfig):
    """Options of `CausalModel`.

    Attributes:
        shard: ``auto`` spreads a model that is larger than the free memory of its GPU over all GPUs of the machine;
            needs the package accelerate. ``never`` keeps it on one device.
    """

    shard: Literal["never", "auto"] = field(default="never", metadata={"recorded": False})


class CausalModel(TokenModel):
    """One row per token of a text, each from the tokens up to it; rows have no time."""

    Config = CausalConfig
    model_types = (
        *("llama", "mistral", "qwen2", "qwen3", "gpt2", "openai-gpt", "gpt_neo", "gpt_neox", "bloom", "falcon", "opt"),
        *("stablelm", *_REBUILT),
    )
    checked = ("layers", "overlap", "spreading")
    # all hidden states of a pass are in memory at once: 41 of 5120 numbers for each token
    cpu_tokens = 512
    gpu_tokens = 4096
    config: CausalConfig

    @classmethod
    def published_architecture(cls, facts: Mapping[str, Any]) -> Any:
        """The configuration of a published model."""
        architecture = dict(facts["architecture"])
        if architecture["model_type"] not in _REBUILT:
            return super().published_architecture(facts)
        return _rebuilt(architecture.pop("model_type")).config_class(**architecture)

    @classmethod
    def network(cls, architecture: Any) -> Any:
        """The class that reads a folder with this configuration, without a head for words."""
        return (
            _rebuilt(architecture.model_type) if architecture.model_type in _REBUILT else super().network(architecture)
        )

    @cached_property
    def architecture(self) -> Any:
        """The model's configuration, read without its parameters.

        Raises:
            ExtractionError: if the folder holds a model of another kind, or one that cannot be computed.
        """
        stated = self.weights.read_json("config.json")
        kind = stated.get("model_type", "")
        self._refuse(stated)
        if kind in _REBUILT:
            return _rebuilt(kind).config_class.from_dict(stated)
        return super().architecture

    def _refuse(self, stated: Mapping[str, Any]) -> None:
        folder, kind = self.weights.folder, stated.get("model_type", "")
        if kind in _NOT_REBUILT:
            raise ExtractionError(
                "MER-E215",
                f"{self.name}: {folder} holds a model of type '{kind}'; its network is published only as code beside "
                "the weights, which is never run, and is not rebuilt here, as nothing was found to check it against.",
                "Take another model; `mertools list extractors 'text/*'` shows them.",
            )
        if "delta" in f"{self.weights.name} {folder.name}".replace("\\", "/").lower().rsplit("/", 1)[-1]:
            raise ExtractionError(
                "MER-E216",
                f"{self.name}: {self.weights.name} is, by its name, a difference to LLaMA's weights, not a model.",
                "Add it to LLaMA's weights with the publisher's script and give the folder of the result, with a name "
                f"without 'delta': {self.name}:weights=FOLDER.",
            )
        wrong = [
            f"{name}={stated[name]}"
            for name, built in _CHATGLM_AS_BUILT.items()
            if kind == "chatglm" and stated.get(name, built) not in (built, None)
        ]
        wrong += ["quantization_config"] if stated.get("quantization_config") else []
        if kind == "opt" and stated.get("word_embed_proj_dim", stated.get("hidden_size")) != stated.get("hidden_size"):
            wrong.append(f"word_embed_proj_dim={stated['word_embed_proj_dim']}, hidden_size={stated['hidden_size']}")
        if wrong:
            raise ExtractionError(
                "MER-E218",
                f"{self.name}: {folder / 'config.json'} asks for a variant that is not computed: {'; '.join(wrong)}.",
                "Take another checkpoint of the family, in 16 or 32 bit.",
            )

    @cached_property
    def spreading(self) -> bool:
        """Whether the model may be spread over several GPUs.

        Raises:
            MissingDependencyError: if that needs a package that is not installed.
        """
        if self.config.shard == "auto" and find_spec("accelerate") is None:
            raise MissingDependencyError(
                "MER-O001",
                f"{self.name}: shard=auto needs accelerate, which is not installed.",
                "Install it with: pip install 'mertools[llm]'",
            )
        return self.config.shard == "auto"

    def load(self, device: str, precision: Precision) -> None:
        """Read the parameters in their stored type, and bring them to a device or, if asked and needed, to several.

        Args:
            device: as torch names it.
            precision: of matrix products; fp32 reads everything as float32.

        Raises:
            ExtractionError: if files are missing, damaged, or lack parameters, an option does not fit the model, or the
                model does not fit on the GPUs.
        """
        import torch

        for attribute in self.checked:
            getattr(self, attribute)
        kind = torch.float32 if precision == "fp32" else "auto"
        spread = self.spreading and device.startswith("cuda") and self._is_too_large(device, precision)
        options = {"device_map": "auto", "max_memory": _free_memory()} if spread else {}
        model = self.from_folder(self.network(self.architecture), dtype=kind, **options)
        if spread and {"cpu", "disk"} & set(map(str, getattr(model, "hf_device_map", {}).values())):
            raise ExtractionError(
                "MER-E217",
                f"{self.name}: {self.weights.folder} does not fit on the GPUs of this machine together.",
                "Free their memory, or choose a smaller model or precision.",
            )
        model.eval().requires_grad_(False)
        if precision != "fp32":
            _narrow_matrices(model, {"bf16": torch.bfloat16, "fp16": torch.float16}[precision])
        self._model = model if spread else model.to(device)
        self.device, self.precision = str(model.device) if spread else device, precision
        self._learn_inputs()

    def _is_too_large(self, device: str, precision: Precision) -> bool:
        import torch

        stored = sum((self.weights.folder / name).stat().st_size for name in self.weights.files)
        needed = stored * (2 if precision == "fp32" else 1)  # published in 16 bit
        return bool(needed * 1.1 > torch.cuda.mem_get_info(device)[0])


def _rebuilt(kind: str) -> Any:
    if kind == "baichuan":
        from feature_extractors.networks.baichuan import BaichuanModel

        return BaichuanModel
    from feature_extractors.networks.chatglm2 import ChatGlm2Model

    return ChatGlm2Model


def _free_memory() -> dict[int, int]:
    import torch

    return {i: int(0.9 * torch.cuda.mem_get_info(i)[0]) for i in range(torch.cuda.device_count())}


def _narrow_matrices(model: Any, dtype: Any) -> None:
    """Matrices of products in 16 bit, everything else in float32, each module where it lies."""
    import torch
    from transformers.pytorch_utils import Conv1D

    matrices = {m for m in model.modules() if isinstance(m, torch.nn.Linear | Conv1D)}
    for module in model.modules():
        wanted = dtype if module in matrices else torch.float32
        for values in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if values.is_floating_point():
                values.data = values.data.to(wanted)


register_family(CausalModel, "text/causal", "causal language model", CHECKPOINTS)
