"""ResNet-50 and SE-ResNet-50 of Albanie et al. (2018): identities of VGGFace2, then emotions of FER+.

MERTools reads the middle of the last block (512 numbers); ``layer=pool5_7x7_s1`` gives the pooled output (2048).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from feature_extractors.checkpoint_files import Release
from feature_extractors.face.image_cnn import ImageCnn, ImageCnnConfig, PublishedCnn, register_cnn
from feature_extractors.face.preprocessing import ImagePreprocessing

if TYPE_CHECKING:
    import torch

_MEAN = (131.0912, 103.8827, 91.4953)  # of VGGFace2, RGB, as the authors' modules state it


@dataclass(frozen=True)
class FerPlusConfig(ImageCnnConfig):
    """Options of `FerPlus`.

    Attributes:
        layer: whose output is averaged over its 7 x 7 places, by the authors' name.
    """

    layer: Literal["conv5_3_3x3_relu", "pool5_7x7_s1"] = "conv5_3_3x3_relu"


class FerPlus(ImageCnn):
    """Embeddings before the classifier of eight emotions; not negative."""

    Config = FerPlusConfig
    preprocessing = ImagePreprocessing(256, "bilinear", (224, 224), 1.0, _MEAN, (1.0, 1.0, 1.0))
    side = 224
    first = "conv1_7x7_s2.weight"
    unused = ("classifier.",)

    @classmethod
    def network(cls, facts: Mapping[str, Any], width: int, config: FerPlusConfig) -> torch.nn.Module:
        """SE-ResNet-50 or ResNet-50, as the name of the published file says."""
        from feature_extractors.networks.ferplus import FerPlusResNet50

        return FerPlusResNet50(squeeze=facts["files"][0].startswith("senet"), layer=config.layer, width=width)


def _published(kind: str, title: str) -> PublishedCnn:
    file = f"{kind}_ferplus_dag.pth"
    return PublishedCnn(
        f"face/{kind}-ferplus",
        512,
        "not stated by its authors (trained on VGGFace2 and FER2013)",
        ("fer2013", "ferplus", "FER2013 with the labels of FER+", "VGGFace2 with identities"),
        f"{title}, emotions of FER+",
        Release((file,), f"https://www.robots.ox.ac.uk/~albanie/models/pytorch-mcn/{file}"),
    )


register_cnn(FerPlus, _published("resnet50", "ResNet-50"), _published("senet50", "SE-ResNet-50"))
