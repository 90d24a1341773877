"""Curves of trainings under ``RUN/logs``: TensorBoard, Weights & Biases, MLflow, or none.

The rule for ``logger=`` left empty: trainings at level frame keep TensorBoard curves where tensorboard is installed;
trainings at utterance level keep none, for a run has many and each is over in seconds.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mertools.errors import MissingDependencyError

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

    from baselines.options import TrainOptions

PACKAGES = ("tensorboard", "wandb", "mlflow")


def logger_name(options: TrainOptions) -> str:
    """What `options` amount to: ``none`` or one of `PACKAGES`.

    Raises:
        MissingDependencyError: if a logger is asked for whose package is not installed.
    """
    if not options.logger:
        return "tensorboard" if options.level == "frame" and find_spec("tensorboard") else "none"
    if options.logger != "none" and find_spec(options.logger) is None:
        raise MissingDependencyError(
            "MER-T088",
            f"logger={options.logger} needs the package {options.logger}, which is not installed.",
            f"Install it with: pip install 'mertools[{options.logger}]'. Or use logger=none.",
        )
    return options.logger


def make_logger(options: TrainOptions, folder: Path, name: str) -> Logger | None:
    """The logger of one training; None = no curves.

    Args:
        options: say which.
        folder: where curves lie; made when the first is written.
        name: of the training.
    """
    chosen = logger_name(options)
    if chosen == "none":
        return None
    from lightning.pytorch import loggers

    if chosen == "tensorboard":
        return loggers.TensorBoardLogger(folder, name=name, version="")
    folder.mkdir(parents=True, exist_ok=True)
    if chosen == "wandb":
        return loggers.WandbLogger(project="mertools", name=name, save_dir=folder, reinit=True)
    return loggers.MLFlowLogger("mertools", run_name=name, tracking_uri=(folder / "mlruns").absolute().as_uri())


def close_logger(logger: Logger | None) -> None:
    """End what a service takes for one run: the next training is another."""
    from lightning.pytorch.loggers import WandbLogger

    if isinstance(logger, WandbLogger):
        logger.experiment.finish()
