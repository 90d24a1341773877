"""What an organiser receives: everything to check a submission with, and to make it again to the byte.

::

    README.md            what this is and how to rebuild it
    handover.json        track, splits, seeds, how members speak with one voice
    run/                 the run: recipe, scores, trained models; paths of the machine cut off
    embeddings/SPLIT.*   what the models read of each split; no media, no labels
    predictions/SPLIT.csv, submission/...   what comes out
    ablations.json, environment.json, requirements.txt, rebuild.py, SHA256SUMS
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from baselines.data import Table
from baselines.environment import installed_packages, machine, portable
from baselines.handover_readme import readme
from baselines.members import small_network_settings
from baselines.prediction import Ensemble, load_for, predict_rows
from baselines.runs import Run, write_json
from mertools import __version__
from mertools.config import dump_yaml, load_yaml
from mertools.corpus import Corpus
from mertools.errors import TrainingError
from mertools.files import replacing, write_bytes_atomically, write_text_atomically
from mertools.store import open_store

FORMAT = 1
SUMS = "SHA256SUMS"
KEPT = ("recipe.yaml", "metrics.json", "looks.jsonl", "robustness.json")

REBUILD = '''"""Make predictions and upload again from the embeddings beside this file, on CPU, and compare the bytes.

Run with the packages of requirements.txt installed: python rebuild.py
"""

import sys
from pathlib import Path

from mertools.cli.handover import rebuild_and_say

sys.exit(rebuild_and_say(Path(__file__).resolve().parent))
'''


@dataclass(frozen=True)
class Rebuilt:
    """Predictions of a split that were made again.

    Attributes:
        split: its name.
        file: what was written now.
        equal: whether it is what the handover holds, to the byte.
    """

    split: str
    file: Path
    equal: bool


def write_handover(
    folder: Path,
    run: Run,
    corpus: Corpus,
    splits: Sequence[str],
    *,
    store: Path | str | None = None,
    ensemble: Ensemble | None = None,
    ablations: Sequence[Mapping[str, Any]] = (),
    labels: bool = False,
) -> dict[str, str]:
    """Fill an empty folder with everything but the upload and the sums (`seal`).

    Args:
        folder: where to write.
        run: the run.
        corpus: holds the splits.
        splits: to predict.
        store: store of the corpus; default ``CORPUS_DIR/store``.
        ensemble: how members speak with one voice.
        ablations: from `baselines.ablations`.
        labels: whether the annotations of the training clips are handed over, too.

    Returns:
        Split to a sentence, where the run's own ``predictions/SPLIT.csv`` is not what comes out here.

    Raises:
        TrainingError: if no split is named, or the store lacks a space.
    """
    if not splits:
        raise TrainingError(
            "MER-T132", f"{run.folder} has predicted no split that could be rebuilt.", "Name them: --split NAME..."
        )
    ensemble = ensemble or Ensemble()
    _copy_run(run, folder / "run")
    differing = {}
    with open_store(Path(store) if store else corpus.folder / "store", read_only=True) as opened:
        for split in splits:
            table = load_for(run, opened, corpus, corpus.select([split]))
            if not isinstance(table, Table):
                raise TrainingError(
                    "MER-T136",
                    f"{run.folder} reads rows over time; a handover holds embeddings of level utterance.",
                    "Hand over a run with level=utterance, or the run folder and the store.",
                )
            save_table(folder / "embeddings", split, table)
            file = predict_split(folder, split, ensemble, folder / "predictions")
            before = run.folder / "predictions" / f"{split}.csv"
            if before.is_file() and before.read_bytes() != file.read_bytes():
                differing[split] = (
                    f"predictions/{split}.csv of the run is not what its models say on this CPU with these options; "
                    "the handover holds what they say."
                )
    facts = {
        "format": FORMAT,
        "mertools": __version__,
        "track": run.metrics.get("track"),
        "targets": [target.name for target in run.design.targets],
        "splits": list(splits),
        "seeds": run.metrics["seeds"],
        "members": list(run.design.members),
        "ensemble": asdict(ensemble),
        "differing": differing,
    }
    write_json(folder / "handover.json", facts)
    write_json(folder / "environment.json", {**machine(), "packages": installed_packages()})
    write_text_atomically(folder / "requirements.txt", "\n".join(installed_packages()) + "\n")
    write_json(folder / "ablations.json", [portable(dict(entry)) for entry in ablations])
    write_text_atomically(folder / "rebuild.py", REBUILD)
    write_text_atomically(folder / "README.md", readme(run, facts, ablations))
    if labels:
        _write_labels(folder / "labels.csv", run, corpus)
    return differing


def predict_split(folder: Path, split: str, ensemble: Ensemble, out: Path) -> Path:
    """Predict a split from the embeddings in a handover; returns the CSV.

    One thread and flushed denormal numbers, as in training: sums come out the same on every CPU of one kind.
    """
    run, file = Run.read(folder / "run"), out / f"{split}.csv"
    with small_network_settings(1):
        predict_rows(run, load_saved_table(folder / "embeddings", split), ensemble).write(file)
    return file


def rebuild(folder: Path, out: Path) -> list[Rebuilt]:
    """Make the predictions of a handover again.

    Args:
        folder: the handover.
        out: where to write them.

    Raises:
        TrainingError: if it is no handover, or a file is not what it was.
    """
    facts = read_facts(folder)
    broken = check(folder)
    if broken:
        raise TrainingError(
            "MER-T134",
            f"{folder} is not what was handed over: {broken[0]} and {len(broken) - 1} more."
            if len(broken) > 1
            else f"{folder} is not what was handed over: {broken[0]}.",
            "Ask for it again.",
        )
    found = []
    for split in facts["splits"]:
        file = predict_split(folder, split, Ensemble(**facts["ensemble"]), out)
        equal = file.read_bytes() == (folder / "predictions" / file.name).read_bytes()
        found.append(Rebuilt(split, file, equal))
    return found


def read_facts(folder: Path) -> dict[str, Any]:
    """Content of ``handover.json``.

    Raises:
        TrainingError: if it cannot be read, or is of a newer format.
    """
    path = folder / "handover.json"
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        newer = facts["format"] > FORMAT
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(
            "MER-T133", f"{path} cannot be read: {error!r}.", "Make one with: mertools handover RUN --out DIR"
        ) from None
    if newer:
        raise TrainingError(
            "MER-T133", f"{path} is of format {facts['format']}, newer than {FORMAT}.", "Install a newer mertools."
        )
    return facts


def seal(folder: Path) -> None:
    """Write the sums of everything that lies in a handover."""
    lines = [f"{_sum(path)}  {path.relative_to(folder).as_posix()}" for path in _files(folder) if path.name != SUMS]
    write_text_atomically(folder / SUMS, "\n".join(lines) + "\n")


def check(folder: Path) -> list[str]:
    """Files that are absent or not what `seal` saw, each in words."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return [f"{SUMS} is absent"]
    told = {path: sum_ for sum_, _, path in (line.partition("  ") for line in lines)}
    found = [f"{path} is absent" for path in told if not (folder / path).is_file()]
    return found + [f"{p} has changed" for p in told if (folder / p).is_file() and _sum(folder / p) != told[p]]


def write_zip(folder: Path, out: Path) -> None:
    """A folder as a ZIP file, the same bytes for the same content."""
    with replacing(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(folder):
            entry = zipfile.ZipInfo(f"{out.stem}/{path.relative_to(folder).as_posix()}", (1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())


def save_table(folder: Path, split: str, table: Table) -> None:
    """Keep embeddings of a split: matrices as safetensors, names as JSON."""
    tensors = {f"space.{m}": np.ascontiguousarray(matrix) for m, matrix in enumerate(table.embeddings)}
    tensors["present"] = np.ascontiguousarray(table.present.astype(np.uint8))
    write_bytes_atomically(folder / f"{split}.safetensors", to_bytes(tensors))
    write_json(folder / f"{split}.json", list(table.names))


def load_saved_table(folder: Path, split: str) -> Table:
    """Read what `save_table` wrote.

    Raises:
        TrainingError: if that cannot be done.
    """
    path = folder / f"{split}.safetensors"
    try:
        tensors = load_file(path)
        names = tuple(json.loads((folder / f"{split}.json").read_text(encoding="utf-8")))
        spaces = tuple(tensors[f"space.{m}"] for m in range(len(tensors) - 1))
        return Table(names, spaces, tensors["present"].astype(bool), {})
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise TrainingError("MER-T135", f"{path} cannot be read: {error}.", "Ask for the handover again.") from None


def _copy_run(run: Run, out: Path) -> None:
    (out / "checkpoints").mkdir(parents=True)
    for name in KEPT:
        source = run.folder / name
        if source.suffix == ".yaml":
            write_text_atomically(out / name, dump_yaml(portable(load_yaml(source))))
        elif source.suffix == ".json" and source.is_file():
            write_json(out / name, portable(json.loads(source.read_text(encoding="utf-8"))))
        elif source.is_file():
            write_text_atomically(out / name, portable(source.read_text(encoding="utf-8")))
    for stem in ("model", *run.design.members):
        source = run.folder / "checkpoints" / f"{stem}.json"
        write_json(out / "checkpoints" / source.name, portable(json.loads(source.read_text(encoding="utf-8"))))
        weights = source.with_suffix(".safetensors")
        if weights.is_file():
            shutil.copyfile(weights, out / "checkpoints" / weights.name)


def _write_labels(path: Path, run: Run, corpus: Corpus) -> None:
    import csv
    import io

    targets = [target.name for target in run.design.targets]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", *targets))
    for clip in corpus.select(run.metrics["protocol"]["train_splits"]):
        writer.writerow((clip.name, *(clip.cells.get(target, "") for target in targets)))
    write_text_atomically(path, text.getvalue())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
