"""MA-Net (Zhao et al., 2021): local attention and global multi-scale branches, seven emotions of RAF-DB."""

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
class MaNetConfig(ImageCnnConfig):
    """Options of `MaNet`.

    Attributes:
        opposite: the second chain of a multi-scale block runs against the first, as in the authors' repository since
            it was last changed; by default both run the same way, as when MERTools took its copy. The parameters fit
            both, the numbers of the global branch differ.
    """

    opposite: bool = False


class MaNet(ImageCnn):
    """The pooled local branch, then the pooled global branch; not negative."""

    Config = MaNetConfig
    preprocessing = ImagePreprocessing((224, 224), "bilinear", None, 1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    side = 224
    fake_width = 4
    unused = ("fc_1.", "fc_2.")
    # The authors' training script keeps its curves, an object of its own with arrays, beside the parameters.
    records = (
        "__main__.RecorderMeter",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray._reconstruct",
        "numpy.ndarray",
        "numpy.dtype",
    )

    @classmethod
    def network(cls, facts: Mapping[str, Any], width: int, config: MaNetConfig) -> torch.nn.Module:
        """MA-Net without its two heads."""
        from feature_extractors.networks.manet import MaNet as Network

        return Network(width=width, opposite=config.opposite)


register_cnn(
    MaNet,
    PublishedCnn(
        "face/manet",
        1024,
        "MIT (code; the terms of RAF-DB and MS-Celeb-1M hold for what was learned)",
        ("rafdb", "RAF-DB with emotions", "MS-Celeb-1M with identities"),
        "MA-Net, emotions of RAF-DB",
        Release(("[02-08]-[21-19]-model_best-acc88.33.pth",), "https://github.com/zengqunzhao/MA-Net"),
    ),
)
