"""VideoMAE (Tong et al., 2022) as transformers holds it: 16 frames spread over the clip, one row per tubelet of two.

A row is the mean over the patches of a tubelet. With ``sampling=two-windows`` a clip is seen through two windows of
every fourth frame, its first and its last, as MERTools' folders that begin with ``sunlicai`` are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from feature_extractors.base import FaceCrops, Level, PublishedShape, Rows
from feature_extractors.face.image_model import ImageModelConfig
from feature_extractors.face.video_model import VideoModel
from feature_extractors.pretrained import Checkpoint, n_parameters, published_config, register_family
from feature_extractors.sampling import FrameSampler, TwoWindows, Uniform

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class VideoMaeConfig(ImageModelConfig):
    """Options of `VideoMae`.

    Attributes:
        sampling: ``uniform``, as many frames as the model sees, spread over the clip; or ``two-windows``.
    """

    sampling: Literal["uniform", "two-windows"] = "uniform"


class VideoMae(VideoModel):
    """One row per tubelet, at the mean time of its frames: 8 rows of a clip, or 16 with two windows."""

    Config = VideoMaeConfig
    model_types = ("videomae",)
    config: VideoMaeConfig

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape | None:
        """One window through the encoder; see `Extractor.published_shape`."""
        if not facts["architecture"]:
            return None
        import torch
        from transformers import VideoMAEModel

        with torch.device("meta"):
            model = VideoMAEModel(published_config(facts)).eval()
            rows, dim = _tubelets(model, torch.zeros(1, 16, 3, 224, 224))[0].shape
        return PublishedShape(dim, rows, 8, len(model.encoder.layer), n_parameters(model))

    @property
    def dim(self) -> int:
        """Width of the hidden layers."""
        return int(self.architecture.hidden_size)

    @property
    def fixed_rows(self) -> int:
        """Tubelets of one window, or of two."""
        n_windows = 1 if self.config.sampling == "uniform" else 2
        return n_windows * int(self.architecture.num_frames // self.architecture.tubelet_size)

    def sampler(self, level: Level) -> FrameSampler:
        """The frames it sees."""
        n = int(self.architecture.num_frames)
        return Uniform(n) if self.config.sampling == "uniform" else TwoWindows(n)

    def build(self) -> Any:
        """The encoder, without the decoder of pre-training."""
        from transformers import VideoMAEModel

        return self.from_folder(VideoMAEModel)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """The mean over patches of each tubelet, ``(B, tubelets, D)``."""
        return _tubelets(self.model, windows)

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per tubelet of each window."""
        n, tubelet = self.architecture.num_frames, self.architecture.tubelet_size
        windows = [crops.places(self.sampler(level)).reshape(-1, n) for crops in batch]
        found = self.outputs(batch, windows)
        times = [c.times_s[w].reshape(-1, tubelet).mean(1) for c, w in zip(batch, windows, strict=True)]
        return [Rows(values.reshape(len(t), -1), t) for values, t in zip(found, times, strict=True)]


def _tubelets(model: Any, windows: torch.Tensor) -> torch.Tensor:
    tokens = model(pixel_values=windows).last_hidden_state.float()  # (B, tubelets * patches, D)
    n_tubelets = windows.shape[1] // model.config.tubelet_size
    rows: torch.Tensor = tokens.unflatten(1, (n_tubelets, -1)).mean(2)
    return rows


def _published(size: str, dim: int, n_layers: int, heads: int, hidden: int) -> Checkpoint:
    sizes = {"hidden_size": dim, "num_hidden_layers": n_layers, "num_attention_heads": heads}
    return Checkpoint(
        f"face/videomae-{size}",
        f"MCG-NJU/videomae-{size}",
        dim,
        "CC-BY-NC-4.0",
        ("Kinetics-400, 240 thousand videos, without labels",),
        n_layers=n_layers,
        architecture={"model_type": "videomae", "intermediate_size": hidden, "use_mean_pooling": False, **sizes},
        summary=f"VideoMAE {size}, 16 frames in 8 rows",
    )


register_family(
    VideoMae,
    "face/videomae",
    "VideoMAE video encoder, 16 frames in 8 rows",
    [_published("base", 768, 12, 12, 3072), _published("large", 1024, 24, 16, 4096)],
)
