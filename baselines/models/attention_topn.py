"""``attention_topn``: `attention` over the best n spaces of each modality (MER2024-MER2026).

The network is that of ``attention`` for M spaces, at utterance level only: an MLP encoder per space, MLP(M h → h),
Linear(h, M), the weighted sum. What differs is the choice of spaces: the reference takes the last n of hand-ordered
lists of audio, text and image features, M = 3 n ≤ 18. Here M is free and the spaces are those that ``--features``
names; which are best is for a ranking of earlier runs to say.
"""

from __future__ import annotations

from typing import ClassVar

from baselines import MODELS
from baselines.models.attention import Attention


@MODELS.register("attention_topn", summary="attention over the best n spaces of each modality, utterance level")
class AttentionTopN(Attention):
    """`Attention` at level utterance, meant for many spaces."""

    levels: ClassVar = ("utterance",)
    deviations: ClassVar = ""
