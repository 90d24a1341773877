"""Level and alignment of a training: what the options leave open, and the table that fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from baselines.alignment import Alignment
from baselines.data import ClipTable, load_table
from baselines.frames import load_frames
from mertools.errors import ConfigError

if TYPE_CHECKING:
    from baselines.models.base import FusionModel
    from baselines.options import TrainOptions
    from baselines.spaces import Feature
    from mertools.corpus import Clip, Corpus
    from mertools.store import Store
    from mertools.targets import Target


def settle(options: TrainOptions, model: str, model_class: type[FusionModel]) -> TrainOptions:
    """The same options with level and alignment spelt out, so that a recipe says what was done.

    Raises:
        ConfigError: if the model does not work at that level, or not with that alignment.
    """
    level: Literal["utterance", "frame"] = options.level or model_class.levels[0]  # type: ignore[assignment]
    if level not in model_class.levels:
        raise ConfigError(
            "MER-T002",
            f"{model} works at level {' or '.join(model_class.levels)}, not '{level}'.",
            "Leave level out, or choose another model.",
        )
    alignment = options.alignment
    if level == "utterance":
        if alignment:
            raise ConfigError(
                "MER-T080",
                f"alignment={alignment} is about rows over time, and {model} is trained at level utterance.",
                "Add level=frame, or leave alignment out."
                if "frame" in model_class.levels
                else "Leave alignment out, or choose a model of level frame.",
            )
        return replace(options, level=level)
    if model_class.aligned and alignment == "none":
        raise ConfigError(
            "MER-T081",
            f"{model} reads all spaces step by step together; with alignment=none they would differ in length.",
            "Use alignment=time (the default) or alignment=reference.",
        )
    if model_class.aligned and alignment == "reference":
        alignment = "reference_aligned"
    return replace(options, level=level, alignment=alignment or ("time" if model_class.aligned else "none"))


def alignment_of(options: TrainOptions, features: Sequence[Feature]) -> Alignment | None:
    """How rows of `features` are brought together; None at level utterance.

    Args:
        options: settled ones.
        features: spaces; the first text leads under ``reference_aligned``.
    """
    if options.level != "frame":
        return None
    texts = [m for m, feature in enumerate(features) if feature.name.startswith("text/")]
    return Alignment(
        "reference" if options.alignment == "reference_aligned" else options.alignment or "none",
        options.alignment in ("time", "reference_aligned"),
        options.step_s,
        options.max_rows,
        texts[0] if texts else None,
    )


def load_clips(
    store: Store,
    features: Sequence[Feature],
    corpus: Corpus,
    clips: Sequence[Clip],
    targets: Sequence[Target],
    alignment: Alignment | None,
) -> ClipTable:
    """Embeddings and annotations of `clips`: one row each, or many where there is an `alignment`.

    Raises:
        TrainingError: if embeddings hold NaN or infinity, or do not have the space's dimension.
    """
    if alignment is None:
        return load_table(store, features, corpus, clips, targets)
    return load_frames(store, features, corpus, clips, targets, alignment)
