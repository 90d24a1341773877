"""``attention_topn``: `attention` over the best n spaces of each modality (the MER2024-MER2026 baseline).

The published model is written out for up to 18 spaces; this one takes any number. It is `attention` in all but name:
what is new is which spaces are named, and that is ranked from unimodal runs. In the published code a pair of modalities
still fills three lists, so that spaces of one of them come twice; here a space is named once.
"""

from __future__ import annotations

from typing import ClassVar

from baselines import MODELS
from baselines.models.attention import Attention


@MODELS.register("attention_topn", summary="attention over the best n spaces of each modality")
class AttentionTopN(Attention):
    """With M spaces: an MLP encoder each, MLP([H_1; …; H_M]) -> M scores, weighted sum. Utterance level only."""

    levels: ClassVar = ("utterance",)
    deviations: ClassVar = ""
