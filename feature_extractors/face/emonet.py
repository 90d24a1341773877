"""EmoNet (Toisoul et al., 2021): eight emotions, valence and arousal of AffectNet, read where landmarks are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feature_extractors.checkpoint_files import Release
from feature_extractors.face.image_cnn import ImageCnn, PublishedCnn, register_cnn
from feature_extractors.face.preprocessing import ImagePreprocessing

if TYPE_CHECKING:
    import torch


class EmoNet(ImageCnn):
    """The pooled trunk before the two layers of the head.

    The authors enlarge crops with OpenCV, which rounds other than PIL: a pixel may differ by one grey level.
    """

    preprocessing = ImagePreprocessing((256, 256), "bilinear", None, 1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    side = 256
    fake_width = 4
    unused = ("emo_fc_2.",)

    @classmethod
    def network(cls, facts: Mapping[str, Any], width: int, config: Any) -> torch.nn.Module:
        """EmoNet without its head."""
        from feature_extractors.networks.emonet import EmoNet as Network

        return Network(width=width)


register_cnn(
    EmoNet,
    PublishedCnn(
        "face/emonet",
        256,
        "CC BY-NC-ND 4.0 (not for commercial use)",
        ("affectnet", "AffectNet with emotions, valence and arousal"),
        "EmoNet, emotions, valence and arousal of AffectNet",
        Release(("emonet_8.pth",), "https://github.com/face-analysis/emonet/tree/master/pretrained"),
    ),
)
