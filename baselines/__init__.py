"""Embeddings in, predictions out: `train` and `sweep` make a run folder, `predict` applies it.

`create_model` makes a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mertools.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from baselines.runs import Run
    from mertools.corpus import Corpus
    from mertools.predictions import Predictions

MODELS: Registry[Callable[..., nn.Module]] = Registry("model", ("baselines.models",))

__all__ = ["MODELS", "create_model", "list_models", "predict", "sweep", "train"]


def list_models(pattern: str = "*") -> list[str]:
    """Names of models that match a wildcard, in natural order."""
    return MODELS.names(pattern)


def create_model(name: str, **options: Any) -> nn.Module:
    """Make a model with freshly drawn weights.

    Args:
        name: e.g. ``attention``.
        **options: what the model takes; fusion models take `dims` (D of each space), `heads` (outputs per target) and
            the fields of their ``Config``.

    Raises:
        UnknownNameError: if there is no such model.
        ConfigError: for an unknown option or a value of the wrong type.

    Example:
        >>> model = create_model("attention", dims=(1024, 768), heads={"discrete": 6, "valence": 1}, hidden_dim=64)
        >>> model.targets
        ('discrete', 'valence')
    """
    return MODELS.get(name)(**options)


def train(
    corpus: Corpus,
    features: Sequence[str],
    model: str,
    out: Path | str,
    *,
    track: str | None = None,
    target: str | Sequence[str] = (),
    **options: Any,
) -> Run:
    """Train a model on embeddings of a corpus and write a run folder.

    Args:
        corpus: clips, splits and annotations.
        features: spaces, ``NAME[@FINGERPRINT][:key=value...]`` each.
        model: a name from `list_models`.
        out: run folder to make; must not exist yet (or be empty).
        track: a track id; gives targets, splits and metrics.
        target: names of targets; needed without `track`.
        **options: fields of `baselines.options.TrainOptions` and of the model's ``Config``.

    Returns:
        The run, as `Run.read(out)` would read it.

    Raises:
        MerToolsError: if data, targets, embeddings or options do not fit; no run folder is left then.
    """
    from baselines.training import train as train_run

    return train_run(corpus, features, model, Path(out), track=track, target=target, **options)


def sweep(
    corpus: Corpus,
    features: Sequence[str],
    model: str,
    out: Path | str,
    *,
    trials: int = 50,
    space: Mapping[str, Any] | Path | str | None = None,
    sampler: Literal["random", "tpe"] = "random",
    track: str | None = None,
    target: str | Sequence[str] = (),
    **options: Any,
) -> Run:
    """Search over options inside each fold's training part, and train the best ones with new seeds.

    Args:
        corpus: clips, splits and annotations.
        features: spaces, ``NAME[@FINGERPRINT][:key=value...]`` each.
        model: a name from `list_models`.
        out: run folder to make. The same call goes on where it was interrupted, and does nothing once it is done.
        trials: points to try, none twice; a smaller grid is tried whole.
        space: option -> values, or -> ``low``, ``high`` (and ``log``) of a range; or a YAML file with such a mapping.
            Default: the model's `search_space`.
        sampler: ``random``, or ``tpe`` (Tree-structured Parzen Estimator, in rounds of ten trials).
        track: a track id; gives targets, splits and metrics.
        target: names of targets; needed without `track`.
        **options: as for `train`; a list of values is searched over, a single one is fixed. `repeats` (default 6) is
            the number of seeds that the best options are trained with.

    Returns:
        The run, as `Run.read(out)` would read it; its folder also holds ``trials.csv`` and ``sweep.json``.

    Raises:
        MerToolsError: if data, targets, embeddings, options or space do not fit, `out` holds something else, or every
            trial failed.
    """
    from baselines.sweeping import sweep as sweep_options

    return sweep_options(
        corpus,
        features,
        model,
        Path(out),
        trials=trials,
        space=Path(space) if isinstance(space, str) else space,
        sampler=sampler,
        track=track,
        target=target,
        **options,
    )


def predict(run: Run | Path | str, corpus: Corpus, split: str, *, store: Path | str | None = None) -> Predictions:
    """Predict a split with the average of a run's models.

    Args:
        run: a run or its folder.
        corpus: holds the split.
        split: its name.
        store: store with the embeddings; default ``CORPUS_DIR/store``.

    Raises:
        TrainingError: if the run is not readable or the store lacks the spaces the run was trained on.
    """
    from baselines.prediction import predict as predict_split

    return predict_split(run, corpus, split, store=store)
