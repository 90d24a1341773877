"""FaceNet (Schroff et al., 2015) as facenet-pytorch 2.5.3 publishes it: Inception-ResNet v1, identities of VGGFace2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feature_extractors.checkpoint_files import Release
from feature_extractors.face.image_cnn import ImageCnn, ImageCnnConfig, PublishedCnn, register_cnn
from feature_extractors.face.preprocessing import ImagePreprocessing

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class FaceNetConfig(ImageCnnConfig):
    """Options of `FaceNet`.

    Attributes:
        normalised: whether rows have unit length, as the package gives them.
    """

    normalised: bool = True


class FaceNet(ImageCnn):
    """The embedding by which faces are told apart: who it is, rather than what they feel."""

    Config = FaceNetConfig
    preprocessing = ImagePreprocessing((160, 160), "bilinear", None, 1.0, (127.5, 127.5, 127.5), (128.0, 128.0, 128.0))
    side = 160
    first = "conv2d_1a.conv.weight"
    width = 32
    fake_width = 4
    unused = ("logits.",)

    @classmethod
    def network(cls, facts: Mapping[str, Any], width: int, config: FaceNetConfig) -> torch.nn.Module:
        """Inception-ResNet v1 without its head."""
        from feature_extractors.networks.inception_resnet_v1 import InceptionResnetV1

        return InceptionResnetV1(normalised=config.normalised, width=width)


register_cnn(
    FaceNet,
    PublishedCnn(
        "face/facenet-vggface2",
        512,
        "MIT (code; the terms of VGGFace2 hold for what was learned)",
        ("VGGFace2 with identities",),
        "FaceNet, identities of VGGFace2",
        Release(
            ("20180402-114759-vggface2.pt", "facenet_20180402_114759_vggface2.pth"),
            "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
            "py-feat/facenet",
        ),
    ),
)
