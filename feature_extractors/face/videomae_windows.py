"""VideoMAE pre-trained on faces, from the authors' checkpoints: a row per frame, seen in a window of 16 around it.

The published utterance embedding is the mean of two windows of every fourth frame. MERTools computed each window of the
frame level four times over, and let windows of short clips wrap around to the clip's end; here every distinct window is
computed once and windows end at the clip's edges. The published numbers were made with blue and red exchanged, which
``channels=bgr`` repeats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import FaceCrops, Level, PublishedShape, Rows
from feature_extractors.checkpoint_files import load_state, one_file, read_states, without_prefixes
from feature_extractors.face.image_model import ImageModelConfig
from feature_extractors.face.preprocessing import ImagePreprocessing
from feature_extractors.face.video_model import VideoModel
from feature_extractors.pretrained import n_parameters
from feature_extractors.sampling import FrameSampler, TwoWindows
from feature_extractors.weights import Weights, find_weights
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch

    from feature_extractors.networks.videomae import VideoMaeEncoder, VideoMaeShape

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WINDOW = 16
"""Frames that the model sees at once."""
_EDGE = 10  # frames at either end of a clip that share the first or the last window
_PREFIXES = ("module.", "model.", "backbone.", "encoder.")
_UNUSED = ("decoder.", "encoder_to_decoder.", "mask_token", "head.", "fc_norm.")  # of pre-training and of tuning


@dataclass(frozen=True)
class VideoMaeWindowsConfig(ImageModelConfig):
    """Options of `VideoMaeWindows`.

    Attributes:
        size: side in pixels that crops are brought to; None for that of the published model.
        channels: ``rgb``, or ``bgr`` to repeat the published numbers.
    """

    size: int | None = None
    channels: Literal["rgb", "bgr"] = "rgb"


class VideoMaeWindows(VideoModel):
    """The mean over all tokens of a window: a row per frame, or one row of two windows for the clip."""

    Config = VideoMaeWindowsConfig
    utterance = "own"
    needed = ()
    optional = ("config.json",)
    checked = ("shape",)
    config: VideoMaeWindowsConfig

    @classmethod
    def fake_weights(cls, folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
        """A tiny random encoder under the authors' names; see `Extractor.fake_weights`."""
        import json

        import torch
        from safetensors.torch import save_file

        from feature_extractors.fakes import roughen
        from feature_extractors.networks.videomae import VideoMaeEncoder, VideoMaeShape

        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = roughen(VideoMaeEncoder(VideoMaeShape(32, 3, 4, 48, size=32)))
        save_file(
            {f"encoder.{name}": value for name, value in model.state_dict().items()}, folder / "model.safetensors"
        )
        (folder / "config.json").write_text(json.dumps({"image_size": 32, "num_attention_heads": 4}))
        return {"weights": str(folder)}

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """One window through the encoder; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch

        from feature_extractors.networks.videomae import VideoMaeEncoder, VideoMaeShape

        size = facts["architecture"]["size"]
        with torch.device("meta"):
            model = VideoMaeEncoder(VideoMaeShape(size=size)).eval()
            rows, dim = model(torch.zeros(1, WINDOW, 3, size, size))[0].shape
        return PublishedShape(dim, rows, 8 * (size // 16) ** 2, len(model.blocks), n_parameters(model))

    @cached_property
    def weights(self) -> Weights:
        """The authors' file, or a folder that has it or ``model.safetensors``.

        Raises:
            ExtractionError: if nothing was named; says where the file is published.
        """
        name, expected = self.config.weights, self.facts.get("file", "")
        if not name and expected:
            raise ExtractionError(
                "MER-E175",
                f"{self.name} was given no weights.",
                f"Fetch {expected} from {self.facts['url']} and name it: {self.name}:weights=FILE.",
            )
        inside = Path(name).expanduser() / expected
        return one_file(str(inside) if expected and inside.is_file() else name, self.name) or find_weights(
            name, extractor=self.name, needed=(), optional=self.optional, download=self.config.download
        )

    @cached_property
    def architecture(self) -> dict[str, int]:
        """Sizes that parameters do not tell: those of a ``config.json`` beside them, else the published ones.

        Raises:
            ExtractionError: if such a size is no whole number above 0.
        """
        found = self.weights.read_json("config.json") if "config.json" in self.weights.others else {}
        sizes = {key: found[key] for key in ("image_size", "num_attention_heads") if key in found}
        for key, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ExtractionError(
                    "MER-E179",
                    f"{self.name}: {self.weights.folder / 'config.json'} has {key} {value!r}.",
                    "Expected a whole number above 0.",
                )
        return {"image_size": self.facts["architecture"].get("size", 224), **sizes}

    @cached_property
    def size(self) -> int:
        """Side in pixels of what the model sees."""
        return self.config.size if self.config.size is not None else self.architecture["image_size"]

    @cached_property
    def shape(self) -> VideoMaeShape:
        """The sizes of the encoder.

        Raises:
            ExtractionError: if the file holds another model, or the size of the frames is no multiple of the patches.
        """
        return self._shape(self._state())

    @property
    def dim(self) -> int:
        """Width of the tokens."""
        return self.shape.dim

    def settings(self) -> dict[str, Any]:
        """As those of the base, with the size that is used."""
        return {**super().settings(), "size": self.size}

    def sampler(self, level: Level) -> FrameSampler | None:
        """Two windows for the clip; all frames for a row per frame."""
        return TwoWindows(WINDOW) if level == "utterance" else None

    @cached_property
    def preprocessing(self) -> ImagePreprocessing:
        """Squares of one size, statistics of ImageNet."""
        size = (self.size, self.size)
        return ImagePreprocessing(size, "bilinear", None, 1 / 255, IMAGENET_MEAN, IMAGENET_STD)

    def build(self) -> VideoMaeEncoder:
        """The encoder, without the decoder of pre-training."""
        from feature_extractors.networks.videomae import VideoMaeEncoder

        state = self._state()
        model = VideoMaeEncoder(self._shape(state))
        path = self.weights.folder / self.weights.files[0]
        load_state(model, state, path=path, extractor=self.name, unused=_UNUSED)
        return model

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """The mean over all tokens, ``(B, 1, D)``."""
        rows: torch.Tensor = self.model(windows).float().mean(1, keepdim=True)
        return rows

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """A row per frame, at its time; at the utterance level the mean of both windows, at the clip's start."""
        if self.config.channels == "bgr":  # before normalisation: its statistics keep their order, as published
            batch = [replace(crops, pixels=crops.pixels[..., ::-1]) for crops in batch]
        if level == "utterance":
            sampler = TwoWindows(WINDOW)
            found = self.outputs(batch, [crops.places(sampler).reshape(2, WINDOW) for crops in batch])
            return [Rows(values.mean(0), np.zeros(1)) for values in found]
        found = self.outputs(batch, [windows_around(len(crops)) for crops in batch])
        return [Rows(values[:, 0], crops.times_s) for values, crops in zip(found, batch, strict=True)]

    def _state(self) -> dict[str, torch.Tensor]:
        return without_prefixes(read_states(self.weights, self.name), _PREFIXES)

    def _shape(self, state: Mapping[str, torch.Tensor]) -> VideoMaeShape:
        from feature_extractors.networks.videomae import VideoMaeShape

        where = self.weights.folder / self.weights.files[0]
        try:
            shape = VideoMaeShape.of_state(state, size=self.size, heads=self.architecture.get("num_attention_heads"))
        except ValueError as error:
            raise ExtractionError(
                "MER-E172",
                f"{self.name}: {where} is no VideoMAE: it lacks {error}.",
                "Name the file that belongs to this extractor.",
            ) from None
        if self.size < shape.patch or self.size % shape.patch:
            raise ExtractionError(
                "MER-E176",
                f"{self.name}: frames of {self.size} pixels cannot be cut into patches of {shape.patch}.",
                f"Expected a size that is a multiple of {shape.patch}, e.g. size=224.",
            )
        if shape.dim % shape.heads:
            raise ExtractionError(
                "MER-E179",
                f"{self.name}: {shape.dim} numbers cannot be shared among {shape.heads} heads of attention.",
                "Mend num_attention_heads in config.json.",
            )
        return shape


def windows_around(n_frames: int) -> np.ndarray:
    """The window of every frame: from 8 before it to 7 behind it; frames near an end share the window there.

    Args:
        n_frames: frames of the clip, at least 1.

    Returns:
        ``(n_frames, 16)`` places in ``[0, n_frames)``; the last window leaves the last frame out, as the published one.
    """
    frame = np.arange(n_frames)
    start = np.where(frame < _EDGE, 0, np.where(frame > n_frames - _EDGE, n_frames - WINDOW - 1, frame - WINDOW // 2))
    return np.clip(start[:, None] + np.arange(WINDOW), 0, n_frames - 1)


def _register(name: str, summary: str, **facts: Any) -> None:
    known = {"hub_id": "", "padding_invariant": True, "rate_hz": None, "defaults": {}, **facts}
    EXTRACTORS.add(name, VideoMaeWindows, summary=summary, **known)


_LICENCE = "not stated; MERTools is for non-commercial use"

_register(
    "face/videomae-base-voxceleb2",
    "VideoMAE base pre-trained on faces of VoxCeleb2, a window around every frame",
    licence=_LICENCE,
    dim=768,
    n_layers=12,
    trained_on=["VoxCeleb2, without labels"],
    architecture={"size": 160},
    file="checkpoint-99.pth",
    url="https://drive.google.com/file/d/1sg-sI8QgFJwfPfWC1fQkVXDVvoQiGbxY/view",
)
_register(
    "face/videomae-base-k400-mer2023",
    "VideoMAE base pre-trained on Kinetics-400, then on faces of MER2023, a window around every frame",
    licence=_LICENCE,
    dim=768,
    n_layers=12,
    trained_on=["Kinetics-400, without labels", "MER2023, without labels"],
    architecture={"size": 224},
    file="checkpoint-299.pth",
    url="https://drive.google.com/file/d/14TpZHsdICfce36rw6j3oB_hdbpdX6DHK/view",
)
_register(
    "face/videomae-windows",
    "VideoMAE from its authors' code, a window around every frame; any checkpoint, by weights=FILE",
    licence="as published with the weights",
    dim=None,
    n_layers=None,
    trained_on=None,
    architecture={},
)
