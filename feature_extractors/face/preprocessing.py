"""What a checkpoint's image processor does to frames, a stack at once: resize, centre crop, scale, normalise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch

_FILTERS = {2: "bilinear", 3: "bicubic"}  # PIL's numbers


@dataclass(frozen=True)
class ImagePreprocessing:
    """Preprocessing as read from ``preprocessor_config.json``.

    Attributes:
        size: ``(height, width)`` to resize to; a single number for the shortest side; None to leave the size.
        filter: ``bilinear`` or ``bicubic``, antialiased.
        crop: ``(height, width)`` of the centre crop, or None.
        scale: factor of pixel values.
        mean: per channel, after scaling.
        std: per channel, after scaling.
    """

    size: tuple[int, int] | int | None
    filter: str
    crop: tuple[int, int] | None
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, config: Mapping[str, Any], where: str) -> ImagePreprocessing:
        """Read an image processor's configuration.

        Args:
            config: the JSON object.
            where: the file, for messages.

        Raises:
            ExtractionError: if a needed entry is missing or of a kind that is not known.
        """
        try:
            normalise = config.get("do_normalize", True)
            return cls(
                size=_size(config["size"]) if config.get("do_resize", True) else None,
                filter=_FILTERS[config.get("resample", 3)],
                crop=_pair(config["crop_size"]) if config.get("do_center_crop", False) else None,
                scale=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
                mean=tuple(config["image_mean"]) if normalise else (0.0, 0.0, 0.0),
                std=tuple(config["image_std"]) if normalise else (1.0, 1.0, 1.0),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ExtractionError(
                "MER-E118",
                f"{where}: the entry {error} is missing or of an unknown kind.",
                "Expected size, resample (2 or 3), crop_size, image_mean, image_std, as image processors write them.",
            ) from None

    def __call__(self, pixels: np.ndarray) -> torch.Tensor:
        """Preprocess a stack of frames of one size.

        Resizing rounds to whole grey levels, as image processors do, and always runs on the CPU: the numbers do not
        depend on the device.

        Args:
            pixels: ``(T, H, W, 3)`` uint8, RGB.

        Returns:
            ``(T, 3, height, width)`` uint8, resized and cropped; `normalise` does the rest.
        """
        import torch
        from torchvision.transforms.v2 import functional

        frames = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        size = self._target(frames.shape[-2], frames.shape[-1])
        if size != tuple(frames.shape[-2:]):
            frames = functional.resize(frames, list(size), functional.InterpolationMode(self.filter), antialias=True)
        return _centre_crop(frames, *self.crop) if self.crop else frames

    def normalise(self, frames: torch.Tensor) -> torch.Tensor:
        """Scale and normalise: uint8 in, float32 out, on the device of `frames`."""
        import torch

        mean, std = (torch.tensor(v, device=frames.device).view(3, 1, 1) for v in (self.mean, self.std))
        return (frames.float() * self.scale - mean) / std

    def _target(self, height: int, width: int) -> tuple[int, int]:
        if self.size is None:
            return height, width
        if isinstance(self.size, tuple):
            return self.size
        if height <= width:
            return self.size, int(self.size * width / height)
        return int(self.size * height / width), self.size


def _centre_crop(frames: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The middle of each frame, black where the frame is smaller; an odd margin is larger below and on the right."""
    from torch.nn.functional import pad

    missing = [max(height - frames.shape[-2], 0), max(width - frames.shape[-1], 0)]
    if any(missing):
        (above, left), (below, right) = [m // 2 for m in missing], [(m + 1) // 2 for m in missing]
        frames = pad(frames, (left, right, above, below))
    top, side = (frames.shape[-2] - height) // 2, (frames.shape[-1] - width) // 2
    return frames[..., top : top + height, side : side + width]


def _size(value: Any) -> tuple[int, int] | int:
    """A single number of old files means the shortest side."""
    if isinstance(value, int):
        return value
    return int(value["shortest_edge"]) if "shortest_edge" in value else _pair(value)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value["height"]), int(value["width"]))
