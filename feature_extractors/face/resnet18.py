"""ResNet-18 (He et al., 2016), of faces (MS-Celeb-1M) and of things (ImageNet)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feature_extractors.checkpoint_files import Release
from feature_extractors.face.image_cnn import IMAGENET, ImageCnn, PublishedCnn, register_cnn
from feature_extractors.face.preprocessing import ImagePreprocessing

if TYPE_CHECKING:
    import torch


class ResNet18(ImageCnn):
    """The pooled last stage before the classifier; not negative.

    Crops are brought to 224 x 224 as a whole, as MERTools does, not to 256 with a crop from the middle.
    """

    preprocessing = ImagePreprocessing((224, 224), "bilinear", None, 1 / 255, **IMAGENET)
    side = 224
    unused = ("fc.",)

    @classmethod
    def network(cls, facts: Mapping[str, Any], width: int, config: Any) -> torch.nn.Module:
        """ResNet-18 without its head."""
        from feature_extractors.networks.resnet18 import ResNet18 as Network

        return Network(width=width)


register_cnn(
    ResNet18,
    PublishedCnn(
        "face/msceleb-resnet18",
        512,
        "not stated by its authors (MS-Celeb-1M was withdrawn in 2019)",
        ("MS-Celeb-1M with identities",),
        "ResNet-18, identities of MS-Celeb-1M",
        Release(("resnet18_msceleb.pth",), "https://github.com/yaoing/DAN"),
    ),
    PublishedCnn(
        "face/imagenet-resnet18",
        512,
        "BSD-3-Clause",
        ("ImageNet-1k with objects",),
        "ResNet-18, objects of ImageNet",
        Release(
            ("resnet18-f37072fd.pth", "resnet18-5c106cde.pth"),
            "https://download.pytorch.org/models/resnet18-f37072fd.pth",
            "timm/resnet18.tv_in1k",
        ),
        {"resnet18-f37072fd.pth": "f37072fd", "resnet18-5c106cde.pth": "5c106cde"},
    ),
)
