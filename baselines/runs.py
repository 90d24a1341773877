"""`Run`: the folder that one experiment writes. Checkpoints are safetensors and JSON; nothing in it is a pickle.

::

    RUN/recipe.yaml                      every setting; ``mertools train --recipe RUN/recipe.yaml`` repeats the run
    RUN/metrics.json                     scores
    RUN/looks.jsonl                      how often predictions were scored against the truth of a test split
    RUN/folds.csv                        which clip was scored in which fold
    RUN/predictions/oof.csv, SPLIT.csv   out-of-fold predictions, and predictions of further splits
    RUN/predictions/seeds/oof-SEED.csv   out-of-fold predictions of single seeds
    RUN/predictions/inner/foldF-seedS.csv  predictions of the inner split that chose the epoch, by the network it chose
    RUN/checkpoints/model.json           targets and spaces
    RUN/checkpoints/foldF-seedS.*        one trained model each: tensors and facts
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from baselines import create_model
from baselines.alignment import Alignment
from baselines.fitted import Fitted, Projection
from baselines.members import Member
from baselines.models.base import FusionModel
from baselines.spaces import Feature
from mertools.config import dump_yaml, from_mapping, load_yaml, to_mapping
from mertools.errors import ConfigError, TrainingError
from mertools.files import disk_problem, sync_folder, write_bytes_atomically, write_text_atomically
from mertools.predictions import Predictions
from mertools.targets import Target

FORMAT = 2
"""Version of ``checkpoints/model.json``. 2: members may differ in options of the model, and average logits."""


@dataclass(frozen=True)
class Recipe:
    """``recipe.yaml`` of a training.

    Attributes:
        corpus: folder of the corpus.
        features: spaces, ``NAME@FINGERPRINT``.
        model: name of the model.
        track: id of the track; empty if there is none.
        target: names of the targets.
        options: every option of training and of the model.
        sweep: of a sweep: what it searched over, how, and how often.
    """

    corpus: str
    features: tuple[str, ...]
    model: str
    track: str = ""
    target: tuple[str, ...] = ()
    options: dict[str, Any] | None = None
    sweep: dict[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Read a recipe.

        Raises:
            ConfigError: if it is missing, not YAML, or has an unknown or ill-typed key.
        """
        values = load_yaml(path)
        if not isinstance(values, dict):
            raise ConfigError("MER-R007", f"{path} is not a mapping.", "Expected keys such as corpus, features, model.")
        return from_mapping(cls, values, f"recipe {path}")

    def write(self, path: Path) -> None:
        """Write it as YAML."""
        values = to_mapping(self)
        if self.sweep is None:
            del values["sweep"]
        write_text_atomically(path, dump_yaml(values))


@dataclass(frozen=True)
class Design:
    """``checkpoints/model.json``: what predictions need to know besides the weights.

    Attributes:
        model: name of the model.
        config: its options, where a member has none of its own.
        targets: what it predicts.
        features: the spaces it reads.
        members: stems of the checkpoint files.
        averaging: what is averaged over members.
        format: version of this file.
        level: what a clip is to the models.
        alignment: at level frame, how rows over time are brought together.
    """

    model: str
    config: dict[str, Any]
    targets: tuple[Target, ...]
    features: tuple[Feature, ...]
    members: tuple[str, ...]
    averaging: Literal["probabilities", "logits"] = "probabilities"
    format: int = FORMAT
    level: str = "utterance"
    alignment: Alignment | None = None


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lies.
        recipe: every setting.
        metrics: content of ``metrics.json``.
        design: targets, spaces and the list of trained models.
    """

    folder: Path
    recipe: Recipe
    metrics: Mapping[str, Any]
    design: Design

    @classmethod
    def read(cls, folder: Path | str) -> Run:
        """Read a run folder; weights are read when asked for.

        Raises:
            TrainingError: if it is not a finished run, or of a newer format.
        """
        folder = Path(folder)
        if not (folder / "metrics.json").is_file():
            raise TrainingError(
                "MER-T020",
                f"{folder} is not a finished run: it has no metrics.json.",
                "Make one with: mertools train ... --out RUN",
            )
        design = _read_json(folder / "checkpoints" / "model.json")
        if design.get("format", FORMAT) > FORMAT:
            raise TrainingError(
                "MER-T021",
                f"{folder} was written in format {design['format']}; this version reads up to {FORMAT}.",
                "Install a newer mertools.",
            )
        metrics = _read_json(folder / "metrics.json")
        lacking = [key for key in ("corpus", "protocol", "metrics") if key not in metrics]
        if lacking:
            raise TrainingError(
                "MER-T024",
                f"{folder / 'metrics.json'} lacks {', '.join(lacking)}; it is not of a training.",
                "Train again.",
            )
        return cls(
            folder,
            Recipe.read(folder / "recipe.yaml"),
            metrics,
            from_mapping(Design, design, str(folder / "checkpoints" / "model.json")),
        )

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """All trained models, ready to predict."""
        return tuple(load_member(self.folder / "checkpoints", stem, self.design) for stem in self.design.members)

    def predictions(self, split: str = "oof") -> Predictions:
        """Predictions that the training wrote; ``oof`` = out of fold, for the clips it was trained on."""
        return Predictions.read(self.folder / "predictions" / f"{split}.csv")


@contextmanager
def new_run_folder(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that becomes `out` when all went well, and is removed otherwise.

    Raises:
        TrainingError: if `out` holds anything already.
        MachineError: if the disk refuses.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        what = "holds a finished run" if (out / "metrics.json").is_file() else "exists and is not empty"
        raise TrainingError("MER-T022", f"{out} {what}; nothing is overwritten.", "Choose another --out or remove it.")
    temporary = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name[:40]}.unfinished-"))
        yield temporary
        temporary.chmod(0o755)
        if out.is_dir():
            out.rmdir()
        os.replace(temporary, out)
        sync_folder(out.parent)
    except OSError as error:
        raise disk_problem(error, out) from error
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: Path, document: Any) -> None:
    """JSON with keys in the given order; NaN is refused."""
    write_text_atomically(path, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def stem_of(fold: int, seed: int) -> str:
    """What files of one trained model are called."""
    return f"fold{fold}-seed{seed}"


def save_member(folder: Path, member: Member) -> str:
    """Write one trained model into a folder of checkpoints; returns the stem of its files."""
    stem = stem_of(member.fold, member.seed)
    tensors = {f"model.{name}": value.contiguous() for name, value in member.model.state_dict().items()}
    for m, projection in enumerate(member.fitted.projections):
        for part in ("mean", "scale", "components"):
            tensors[f"projection.{m}.{part}"] = torch.from_numpy(getattr(projection, part).copy())
    for target, prior in member.fitted.priors.items():
        tensors[f"prior.{target}"] = torch.from_numpy(prior.copy())
    write_bytes_atomically(folder / f"{stem}.safetensors", to_bytes(tensors))
    facts = {
        "fold": member.fold,
        "seed": member.seed,
        "epochs": member.epochs,
        "scores": [score if np.isfinite(score) else None for score in member.scores],
        "config": dict(member.config),
        "seen": [projection.seen for projection in member.fitted.projections],
        "values": {target: list(pair) for target, pair in member.fitted.values.items()},
    }
    write_json(folder / f"{stem}.json", facts)
    return stem


def is_saved(folder: Path, stem: str) -> bool:
    """Whether `save_member` has written a trained model whole: its facts come last."""
    return (folder / f"{stem}.json").is_file()


def load_member(folder: Path, stem: str, design: Design) -> Member:
    """Read what `save_member` wrote.

    Raises:
        TrainingError: if a file is missing or does not fit the model.
    """
    facts = _read_json(folder / f"{stem}.json")
    path = folder / f"{stem}.safetensors"
    try:
        tensors = load_file(path)
        projections = tuple(
            Projection(*(tensors[f"projection.{m}.{part}"].numpy() for part in ("mean", "scale", "components")), seen)
            for m, seen in enumerate(facts["seen"])
        )
        priors = {t.name: tensors[f"prior.{t.name}"].numpy() for t in design.targets if t.kind == "classes"}
        heads = {t.name: len(t.classes) if t.kind == "classes" else 1 for t in design.targets}
        config = facts.get("config") or design.config
        dims = tuple(p.dim for p in projections)
        model = create_model(design.model, dims=dims, heads=heads, level=design.level, **config)
        model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        problem = str(error).splitlines()[0]
        raise TrainingError(
            "MER-T023", f"checkpoint {path} cannot be loaded: {problem}.", "Train again: mertools train --recipe ..."
        ) from None
    assert isinstance(model, FusionModel)  # noqa: S101 - only fusion models are saved by save_member
    fitted = Fitted(projections, {t: (v[0], v[1]) for t, v in facts["values"].items()}, priors)
    scores = tuple(-np.inf if score is None else score for score in facts.get("scores", ()))
    return Member(facts["fold"], facts["seed"], facts["epochs"], scores, fitted, model.eval(), config)


def to_predictions(names: tuple[str, ...], targets: tuple[Target, ...], found: Mapping[str, np.ndarray]) -> Predictions:
    """Arrays per target as `Predictions`.

    The first class target gives the probabilities; further ones are columns of labels.
    """
    classes = [t for t in targets if t.kind == "classes"]
    first = classes[0] if classes else None
    return Predictions(
        names,
        first.classes if first else (),
        found[first.name] if first else np.zeros((0, 0)),
        {t.name: found[t.name] for t in targets if t.kind == "value"},
        {t.name: tuple(t.classes[i] for i in found[t.name].argmax(axis=1)) for t in classes[1:]},
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError("MER-T024", f"{path} does not exist.", "Train again.") from None
    except (OSError, ValueError) as error:
        raise TrainingError("MER-T024", f"{path} cannot be read: {error}.", "Train again.") from None
    if not isinstance(document, dict):
        raise TrainingError("MER-T024", f"{path} holds no mapping.", "Train again.")
    return document
