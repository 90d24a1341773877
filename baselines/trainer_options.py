"""Options that reach ``lightning.Trainer`` as its users know them: ``--trainer.NAME=VALUE``, ``trainer={NAME: VALUE}``.

Light on purpose: the command line reads the names from here, and Lightning's import takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mertools.errors import ConfigError, did_you_mean

PREFIX = "trainer."

PASSED = (
    "accumulate_grad_batches",
    "benchmark",
    "detect_anomaly",
    "deterministic",
    "devices",
    "enable_model_summary",
    "enable_progress_bar",
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "limit_train_batches",
    "log_every_n_steps",
    "max_epochs",
    "precision",
    "strategy",
    "sync_batchnorm",
)
"""Arguments of ``lightning.Trainer`` that may be given; ``max_epochs`` is another word for ``epochs``."""

_NO_LOOP = "trainings have no such loop: held-out clips are looked at after each epoch"
_EPOCHS = "trainings are counted in epochs, so that a run can be repeated; use epochs=N and patience=N"
OWNED = {
    "accelerator": "use device=cpu or device=cuda",
    "barebones": "use logger=none",
    "callbacks": "callbacks are Python objects",
    "check_val_every_n_epoch": _NO_LOOP,
    "default_root_dir": "curves go to RUN/logs",
    "enable_autolog_hparams": "RUN/recipe.yaml has every setting",
    "enable_checkpointing": "checkpoints are safetensors in RUN/checkpoints",
    "fast_dev_run": "use epochs=1 selection=last",
    "inference_mode": "held-out clips are always looked at without gradients",
    "limit_predict_batches": _NO_LOOP,
    "limit_test_batches": _NO_LOOP,
    "limit_val_batches": _NO_LOOP,
    "logger": "use logger=tensorboard, wandb, mlflow or none",
    "max_steps": _EPOCHS,
    "max_time": _EPOCHS,
    "min_epochs": _EPOCHS,
    "min_steps": _EPOCHS,
    "model_registry": "checkpoints are safetensors in RUN/checkpoints",
    "num_nodes": "one machine trains a run",
    "num_sanity_val_steps": _NO_LOOP,
    "overfit_batches": "use limit_train_batches",
    "plugins": "plugins are Python objects",
    "profiler": "profile the command from outside, e.g. with py-spy",
    "reload_dataloaders_every_n_epochs": "embeddings lie in memory",
    "use_distributed_sampler": "each batch is dealt out over the processes as it is",
    "val_check_interval": _NO_LOOP,
}
"""Arguments that belong to the training itself, and what to do instead."""

PRECISIONS = ("32", "32-true", "16-mixed", "bf16-mixed")
STRATEGIES = {
    "auto": "ddp_spawn",
    "ddp": "ddp_spawn",
    "ddp_spawn": "ddp_spawn",
    "ddp_fork": "ddp_fork",
    "ddp_find_unused_parameters_true": "ddp_spawn_find_unused_parameters_true",
}
"""What may be asked for when there are several devices, and what Lightning is told.

A training is one step of a longer program (folds, seeds, predictions), so processes are started for it and end with it;
Lightning's plain ``ddp`` would start the whole command anew in each of them.
"""


def gather(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options in which all that is meant for the trainer stands under the one key ``trainer``, checked.

    Args:
        values: options as typed: ``trainer.NAME`` keys and the mapping ``trainer`` may both occur; the former win.

    Raises:
        ConfigError: for a name that the trainer does not have or that is ours, a value that cannot work here, or two
            values for one thing.
    """
    given = values.get("trainer") or {}
    if not isinstance(given, Mapping):
        raise ConfigError(
            "MER-T083",
            f"trainer: {given!r} is not a mapping.",
            "Expected trainer={'devices': 2}, or trainer.devices=2.",
        )
    dotted = {key.removeprefix(PREFIX): value for key, value in values.items() if key.startswith(PREFIX)}
    found = {name: _parsed(value) for name, value in {**given, **dotted}.items()}
    for name, value in found.items():
        _check(name, value)
    rest = {key: value for key, value in values.items() if key != "trainer" and not key.startswith(PREFIX)}
    if "max_epochs" in found:
        epochs = found.pop("max_epochs")
        if str(rest.setdefault("epochs", epochs)) != str(epochs):
            raise ConfigError(
                "MER-T084", f"epochs={rest['epochs']} and trainer.max_epochs={epochs} differ.", "Give one of them."
            )
    return {**rest, "trainer": found} if found else rest


def several_devices(options: Mapping[str, Any]) -> bool:
    """Whether a training with these trainer options runs in processes of its own."""
    devices = options.get("devices", 1)
    return len(devices) > 1 if isinstance(devices, list) else devices not in (1, "1")


def trainer_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``lightning.Trainer`` from checked options."""
    found = {"devices": 1, **options}
    if several_devices(options):
        found["strategy"] = STRATEGIES[str(options.get("strategy", "auto"))]
    else:
        found.pop("strategy", None)
    return found


def _check(name: str, value: Any) -> None:
    if name in OWNED:
        raise ConfigError("MER-T085", f"trainer.{name} cannot be set here: {OWNED[name]}.", "Leave it out.")
    if name not in PASSED:
        raise ConfigError(
            "MER-T086",
            f"lightning.Trainer has no argument '{name}' that can be set here.{did_you_mean(name, PASSED)}",
            f"Expected one of: {', '.join(PASSED)}.",
        )
    allowed = {"precision": PRECISIONS, "strategy": tuple(STRATEGIES)}.get(name)
    whole = name in ("accumulate_grad_batches", "log_every_n_steps", "max_epochs")
    count = value if name == "devices" and not isinstance(value, list) else None
    if allowed and str(value) not in allowed:
        raise ConfigError("MER-T087", f"trainer.{name}={value} does not work here.", f"Expected {', '.join(allowed)}.")
    if (whole and not _is_count(value)) or (count is not None and count != "auto" and not _is_count(count)):
        raise ConfigError("MER-T087", f"trainer.{name}={value} is not a whole number above 0.", "Mend the value.")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _parsed(value: Any) -> Any:
    """A word of the command line as YAML would read it."""
    if not isinstance(value, str):
        return value
    import yaml

    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value
