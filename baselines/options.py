"""Options of training, and how words of the command line find their place among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from baselines.levels import settle
from baselines.loggers import logger_name
from baselines.losses import ClassWeights
from baselines.models.base import FusionModel, config_fields
from baselines.streams import Stream, Streams
from baselines.trainer_options import gather
from mertools.config import from_mapping
from mertools.errors import ConfigError, did_you_mean

PUBLISHED: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 32,
    "lr": 1e-3,
    "weight_decay": 1e-5,
    "standardise": False,
    "standardise_values": False,
}
"""What ``protocol=published`` sets where nothing else is given."""

SEARCHABLE = (
    "epochs", "patience", "batch_size", "lr", "weight_decay", "value_weight", "standardise", "standardise_values",
    "pca", "whiten", "grad_clip", "label_smoothing", "focal", "class_weights", "modality_dropout",
)  # fmt: skip
"""Options of training that a sweep may search over; the others say what is trained on, or what with."""


@dataclass(frozen=True)
class TrainOptions:
    """How to train; every field is recorded in the run's recipe.

    Attributes:
        store: folder of the embedding store; empty = ``CORPUS_DIR/store``.
        folds: ``track`` (k folds inside the track's training splits), a number of folds, or a column of which one value
            is left out at a time; empty = ``track`` if there is a track, else 5.
        group: column whose values never stand on both sides of a fold, if the corpus has it; empty = none.
        train_splits: splits to train on; empty = the track's, else all splits of role train and validation.
        test_splits: splits to predict afterwards; empty = the track's, else all labelled splits of role test.
        labels: ``candidates`` also predicts the splits of role candidate.
        allow_seen: train although an extractor was trained on clips that are scored here.
        seed: first seed; repeat r uses ``seed + r``.
        repeats: how often each fold is trained, with its own initialisation, order and dropout.
        fold_seed: seed of the folds; None = `seed`.
        selection_seed: seed of the inner splits of every repeat; None = the repeat's seed. Likewise `init_seed`,
            `order_seed` and `dropout_seed`.
        init_seed: of the initial weights.
        order_seed: of the order of clips.
        dropout_seed: of dropout.
        protocol: ``nested`` uses the left-out part of a fold once, for scoring; ``published`` does as the published
            baselines do: folds without regard to classes and speakers, the epoch that is best on the left-out part and
            its weights, logits averaged over folds, and `PUBLISHED` for what is not given. For reproducing numbers
            only: its scores are optimistic, and marked so.
        gap: with ``protocol=published``, whether to train the same folds with an inner selection, too, and to tell the
            gap between the scores; None = yes in a training, no in a sweep.
        selection: how the number of epochs is chosen with ``protocol=nested``: ``inner`` holds out a part of the
            training part of the fold (grouped likewise), takes the best epoch there, and trains anew on the whole
            training part for so many epochs; ``last`` trains `epochs` epochs.
        select_by: which epoch and options are best: a metric of the track or the targets, or ``loss``, the joint loss;
            empty = the primary metric, except that epochs alone are chosen by the loss, which is steadier on a small
            inner part (a training with ``protocol=nested``).
        inner_parts: into how many parts the training part is dealt for that; one of them is held out.
        epochs: most epochs.
        patience: epochs without a better one on the inner split before the search for the epoch ends.
        batch_size: clips per step.
        lr: step size of Adam.
        weight_decay: L2 penalty inside Adam, as the reference has it.
        grad_clip: largest absolute value of a gradient's elements; negative = any.
        trainer: further arguments of ``lightning.Trainer``, see `baselines.trainer_options`.
        logger: curves under ``RUN/logs``: ``none``, ``tensorboard``, ``wandb`` or ``mlflow``; empty = ``tensorboard``
            for level frame where it is installed, else ``none``.
        value_weight: weight of the squared error of standardised values beside the cross-entropy.
        class_weights: of the cross-entropy, from the training part: ``none``, ``balanced`` (N / (C n_c)), ``sqrt`` (its
            root). These three shape what is learned; epochs are chosen by the plain loss.
        label_smoothing: share of each class label that is spread over all classes, in [0, 1).
        focal: exponent of the focal loss; 0 = cross-entropy.
        augment_corpus: folders of further versions of the training clips, made with ``mertools corrupt`` and extracted
            with the same extractors: in each step a clip is seen clean or in one of them, all equally likely.
        self_training: rounds in which the most certain labels of clips without labels are trained on, too; how many is
            chosen on inner parts. Needs ``selection=inner``.
        teacher: mean teacher: decay of the running mean of weights that teaches on clips without labels, e.g. 0.99;
            0 = none.
        consistency: weight of the teacher's loss.
        unlabelled_splits: splits of clips without labels; empty = all of role candidate and unlabelled.
        modality_dropout: probability that a space is hidden from a clip in training, in [0, 1); never all of them.
        level: what a clip is to the model: ``utterance`` (one row) or ``frame`` (rows over time); empty = the model's
            first level.
        alignment: at level frame, how rows of several spaces are brought together: ``time`` (common windows of `step_s`
            seconds), ``none`` (each space by itself), ``reference`` and ``reference_aligned`` (by position and with
            zero rows, as the published code does; see `baselines.alignment`); empty = ``time`` for models that need one
            length for all spaces, else ``none``.
        step_s: length of a window in seconds; the default is about one spoken word.
        max_rows: most rows of a clip; longer ones are averaged (``none``) or get longer windows (``time``).
        bucketed: at level frame, whether batches are made of clips alike in length: less padding, less chance.
        standardise: whether embeddings are standardised, dimension by dimension, on the training part.
        standardise_values: whether value targets are standardised on the training part; without, errors count in their
            own unit, and a clip without any embedding gets 0.
        pca: principal components kept per space, fitted on the training part; 0 = all dimensions.
        whiten: whether each space is turned so that clips of one class (of the first class target; without one, all
            clips) have uncorrelated dimensions of equal variance; fitted on the training part.
        standardise_by: column (the speaker) within whose values each space is standardised before anything else, in
            every split by itself, without labels; empty = not. Scores are then *transductive*: predicting a clip takes
            all clips of its speaker, so they stand apart from scores that need one clip.
        stack: most networks that are trained together, stacked along an axis; 0 = as many as `memory` allows, and short
            trainings one by one; 1 = all one by one. Any two numbers above 1 give the same networks to the last bit on
            CPU; one by one differs from them by rounding.
        memory: GB that a stack may take; 0 = half of what the machine (or its GPU) has.
        threads: threads on CPU; 0 = all cores for a stack, which shares its members among them, and 1 for a network
            trained alone, which is fastest with it. They change no number of a stack.
        device: ``cpu`` or ``cuda``.
    """

    store: str = ""
    folds: str = ""
    group: str = "speaker"
    train_splits: tuple[str, ...] = ()
    test_splits: tuple[str, ...] = ()
    labels: Literal["known", "candidates"] = "known"
    allow_seen: bool = False
    seed: int = 0
    repeats: int = 1
    fold_seed: int | None = None
    selection_seed: int | None = None
    init_seed: int | None = None
    order_seed: int | None = None
    dropout_seed: int | None = None
    protocol: Literal["nested", "published"] = "nested"
    gap: bool | None = None
    selection: Literal["inner", "last"] = "inner"
    select_by: str = ""
    inner_parts: int = 5
    epochs: int = 100
    patience: int = 15
    batch_size: int = 64
    lr: float = 5e-4
    weight_decay: float = 1e-3
    grad_clip: float = -1.0
    trainer: dict[str, Any] = field(default_factory=dict)
    logger: Literal["", "none", "tensorboard", "wandb", "mlflow"] = ""
    value_weight: float = 1.0
    class_weights: ClassWeights = "none"
    label_smoothing: float = 0.0
    focal: float = 0.0
    modality_dropout: float = 0.0
    augment_corpus: tuple[str, ...] = ()
    self_training: int = 0
    teacher: float = 0.0
    consistency: float = 1.0
    unlabelled_splits: tuple[str, ...] = ()
    level: Literal["", "utterance", "frame"] = ""
    alignment: Literal["", "time", "reference", "reference_aligned", "none"] = ""
    step_s: float = 0.25
    max_rows: int = 128
    bucketed: bool = False
    standardise: bool = True
    standardise_values: bool = True
    pca: int = 0
    whiten: bool = False
    standardise_by: str = ""
    stack: int = 0
    memory: float = 0.0
    threads: int = 0
    device: Literal["cpu", "cuda"] = "cpu"

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ValueError: if a value is out of range (reported as a wrong option).
        """
        for name in ("repeats", "epochs", "patience", "batch_size", "max_rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in (
            "seed",
            "fold_seed",
            "selection_seed",
            "init_seed",
            "order_seed",
            "dropout_seed",
            "pca",
            "stack",
            "threads",
        ):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.memory < 0:
            raise ValueError("memory must not be negative")
        if self.inner_parts < 2:
            raise ValueError("inner_parts must be at least 2")
        if self.step_s <= 0:
            raise ValueError("step_s must be positive")
        if self.grad_clip == 0:
            raise ValueError("grad_clip must be positive, or negative for none")
        if self.grad_clip > 0 and "gradient_clip_val" in self.trainer:
            raise ValueError("grad_clip and trainer.gradient_clip_val exclude each other")
        if self.lr <= 0 or self.weight_decay < 0 or self.value_weight < 0:
            raise ValueError("lr must be positive, weight_decay and value_weight not negative")
        self._check_learning()

    def _check_learning(self) -> None:
        """Check what shapes the loss and learns without labels."""
        for name in ("label_smoothing", "modality_dropout", "teacher"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1)")
        if self.focal < 0 or self.consistency < 0 or self.self_training < 0:
            raise ValueError("focal, consistency and self_training must not be negative")
        if self.self_training and (self.selection != "inner" or self.protocol != "nested"):
            raise ValueError(
                "self_training needs selection=inner and protocol=nested: shares are chosen on inner parts"
            )

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed per repeat."""
        return tuple(range(self.seed, self.seed + self.repeats))

    def streams(self, seed: int) -> Streams:
        """The random streams of the repeat with `seed`; folds are those of the first seed for every repeat."""
        given: dict[Stream, int | None] = {
            "fold": self.seed if self.fold_seed is None else self.fold_seed,
            "selection": self.selection_seed,
            "initialisation": self.init_seed,
            "order": self.order_seed,
            "dropout": self.dropout_seed,
        }
        return Streams(seed, {stream: s for stream, s in given.items() if s is not None})


def split_options(
    values: Mapping[str, Any], model: str, model_class: type[FusionModel]
) -> tuple[TrainOptions, dict[str, Any]]:
    """Tell options of training from options of the model.

    Returns:
        Options of training, and the complete configuration of the model as plain data.

    Raises:
        ConfigError: for a key that neither has, or a value of the wrong type or range.
    """
    values = gather(values)
    if values.get("protocol") == "published":
        values = {**PUBLISHED, **values}
    of_training = [f.name for f in fields(TrainOptions)]
    of_model = config_fields(model_class)
    for key in values:
        if key not in of_training and key not in of_model:
            known = [*of_model, *of_training]
            raise ConfigError(
                "MER-T001",
                f"neither training nor model {model} has an option '{key}'.{did_you_mean(key, known)}",
                f"Options of {model}: {', '.join(of_model)}; of training: {', '.join(of_training)}.",
            )
    options = from_mapping(TrainOptions, {k: _listed(k, v) for k, v in values.items() if k in of_training}, "train")
    config = from_mapping(model_class.Config, {k: v for k, v in values.items() if k in of_model}, f"model {model}")
    logger_name(options)  # one that is not installed is found out before anything is read
    return settle(options, model, model_class), {f.name: getattr(config, f.name) for f in fields(config)}


def _listed(key: str, value: Any) -> Any:
    if key in ("train_splits", "test_splits", "augment_corpus", "unlabelled_splits") and isinstance(value, str):
        return [part for part in value.split(",") if part]
    return str(value) if key in ("store", "folds") and value is not None else value
