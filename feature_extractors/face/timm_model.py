"""Image models of timm (Wightman), without their classifier: the pooled output, of every frame. EVA-02 is one of them.

Weights are a folder as timm publishes it (``config.json`` beside the parameters), or a file of parameters with the
architecture named by ``model=``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_extractors.base import PublishedShape
from feature_extractors.checkpoint_files import load_state, one_file, read_states, without_prefixes
from feature_extractors.face.image_model import ImageModel, ImageModelConfig
from feature_extractors.face.preprocessing import ImagePreprocessing
from feature_extractors.pretrained import Checkpoint, n_parameters, register_family
from feature_extractors.weights import Weights, find_weights
from mertools.errors import ExtractionError, did_you_mean

if TYPE_CHECKING:
    import torch

_PREFIXES = ("module.", "model.")
_FACTORY = ("pretrained", "checkpoint_path", "cache_dir", "pretrained_cfg", "pretrained_cfg_overlay", "num_classes")


@dataclass(frozen=True)
class TimmConfig(ImageModelConfig):
    """Options of `TimmModel`.

    Attributes:
        model: name of the architecture, as timm knows it; needed where ``config.json`` does not say it.
    """

    model: str = ""


class TimmModel(ImageModel):
    """One pooled output per crop."""

    Config = TimmConfig
    checked = ("preprocessing",)
    config: TimmConfig

    @classmethod
    def fake_weights(cls, folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
        """A tiny random EVA-02; see `Extractor.fake_weights`."""
        import json

        import timm
        import torch
        from safetensors.torch import save_file

        from feature_extractors.fakes import roughen

        name = facts["architecture"].get("model", "eva02_base_patch14_224")
        sizes: dict[str, Any] = {"embed_dim": 32, "depth": 3, "num_heads": 4, "img_size": 42}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = roughen(timm.create_model(name, num_classes=0, **sizes))
        save_file(model.state_dict(), folder / "model.safetensors")
        config = {"architecture": name, "model_args": sizes, "pretrained_cfg": {"input_size": [3, 42, 42]}}
        (folder / "config.json").write_text(json.dumps(config))
        return {"weights": str(folder)}

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """Two frames through the model; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import timm
        import torch

        with torch.device("meta"):
            model = timm.create_model(facts["architecture"]["model"], num_classes=0).eval()
            rows, dim = model(torch.zeros(2, 3, 224, 224)).shape
        return PublishedShape(dim, rows, 2, len(model.blocks), n_parameters(model))

    @cached_property
    def weights(self) -> Weights:
        """A folder or a file."""
        return one_file(self.config.weights, self.name) or find_weights(
            self.config.weights, extractor=self.name, needed=("config.json",), download=self.config.download
        )

    @cached_property
    def architecture(self) -> dict[str, Any]:
        """What ``config.json`` says, with the name of the model under ``architecture``.

        Raises:
            ExtractionError: if nothing says which model it is, or timm does not know it.
        """
        import timm

        found = self.weights.read_json("config.json") if "config.json" in self.weights.others else {}
        name = self.config.model or found.get("architecture") or self.facts["architecture"].get("model", "")
        if not name:
            raise ExtractionError(
                "MER-E180",
                f"{self.name}: {self.weights.name} does not say which model of timm it is.",
                f"Name it: {self.name}:weights=...:model=eva02_base_patch14_224.",
            )
        if not isinstance(name, str) or not timm.is_model(name):
            raise ExtractionError(
                "MER-E181",
                f"{self.name}: timm has no model '{name}'.{did_you_mean(str(name), timm.list_models())}",
                "`python -c 'import timm; print(timm.list_models())'` lists those it has.",
            )
        for key in ("model_args", "pretrained_cfg"):
            if not isinstance(found.get(key, {}), dict):
                raise ExtractionError(
                    "MER-E183",
                    f"{self.name}: {self.weights.folder / 'config.json'} has {key} {found[key]!r}.",
                    "Expected an object, as timm writes it, or no such entry.",
                )
        return {**found, "architecture": name}

    @cached_property
    def skeleton(self) -> Any:
        """The model without parameters, for its facts: width, input size, statistics."""
        import torch

        with torch.device("meta"):
            return self._create()

    @property
    def dim(self) -> int:
        """Width of the pooled output."""
        return int(getattr(self.skeleton, "head_hidden_size", None) or self.skeleton.num_features)

    @cached_property
    def preprocessing(self) -> ImagePreprocessing:
        """What timm does to an image before this model at evaluation.

        Raises:
            ExtractionError: if the model wants something other than resizing and cropping a colour image.
        """
        from timm.data.config import resolve_model_data_config

        found = resolve_model_data_config(self.skeleton)
        numbers = [*found["input_size"], found["crop_pct"], *found["mean"], *found["std"]]
        if len(numbers) != 10 or not all(isinstance(number, int | float) for number in numbers):
            raise ExtractionError(
                "MER-E182",
                f"{self.name}: {self.weights.folder / 'config.json'} has the preprocessing {found}.",
                "Expected input_size, mean and std of three numbers each, and the number crop_pct.",
            )
        channels, height, width = found["input_size"]
        crop, mode, interpolation = (height, width), found["crop_mode"], found["interpolation"]
        resized = (int(height / found["crop_pct"]), int(width / found["crop_pct"]))
        size = resized if mode == "squash" else resized[0]
        known = mode == "squash" or (mode == "center" and height == width)
        if channels != 3 or interpolation not in ("bilinear", "bicubic") or not known:
            raise ExtractionError(
                "MER-E182",
                f"{self.name}: {self.architecture['architecture']} wants {channels} channels of {height} x {width} "
                f"pixels, {interpolation} interpolation and crop mode {mode}.",
                "Expected 3 channels, bilinear or bicubic, squash, or center of a square.",
            )
        return ImagePreprocessing(size, interpolation, crop, 1 / 255, tuple(found["mean"]), tuple(found["std"]))

    def build(self) -> Any:
        """The model with its parameters, without the classifier."""
        model = self._create()
        state = without_prefixes(read_states(self.weights, self.name), _PREFIXES)
        classifier = model.pretrained_cfg.get("classifier") or ()
        heads = tuple(f"{head}." for head in ([classifier] if isinstance(classifier, str) else classifier))
        convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
        if convert is not None and not set(model.state_dict()) <= set(state):
            # files in the layout of a model's first authors; of what is none, `load_state` says what does not fit
            with suppress(KeyError, IndexError, RuntimeError, ValueError, AttributeError, NotImplementedError):
                state = convert(state, model)
        path = self.weights.folder / self.weights.files[0]
        load_state(model, state, path=path, extractor=self.name, unused=heads)
        return model

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """The pooled output, ``(B, D)``."""
        pooled: torch.Tensor = self.model(frames)
        return pooled

    def _create(self) -> Any:
        """The model with random parameters, as ``config.json`` describes it; nothing is fetched."""
        import timm

        found = self.architecture
        options = {key: value for key, value in found.get("model_args", {}).items() if key not in _FACTORY}
        published = {key: value for key, value in found.get("pretrained_cfg", {}).items() if value is not None}
        try:
            return timm.create_model(
                found["architecture"], pretrained=False, pretrained_cfg_overlay=published, num_classes=0, **options
            )
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise ExtractionError(
                "MER-E183",
                f"{self.name}: timm cannot make {found['architecture']} as {self.weights.folder / 'config.json'} "
                f"describes it: {' '.join(str(error).split())[:200]}",
                "Mend or remove its entries model_args and pretrained_cfg.",
            ) from None


register_family(
    TimmModel,
    "face/timm",
    "image model of timm, pooled output",
    [
        Checkpoint(
            "face/eva02-base",
            "timm/eva02_base_patch14_224.mim_in22k",
            768,
            "MIT",
            ("ImageNet-22k, 14 million images, with EVA-CLIP as teacher",),
            n_layers=12,
            architecture={"model": "eva02_base_patch14_224"},
            summary="EVA-02 base image encoder",
        ),
    ],
)
