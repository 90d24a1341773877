"""``mertools handover``: a run as an organiser receives it, with everything to make its submission again."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mertools.cli import FINE, NOT_FINE, Outcome, say
from mertools.cli.train import with_progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from baselines.runs import Run

HELP = "weights, recipe, seeds, environment and ablations of a run for an organiser"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the verb."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR|ZIP", help="folder or .zip to write")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="corpus folder (default: the run's)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="embedding store (default: the run's)")
    parser.add_argument(
        "--split", nargs="+", default=[], metavar="NAME", help="splits (default: those the run predicted)"
    )
    parser.add_argument(
        "--candidates", type=Path, metavar="CSV", help="clips of the upload; replaces the official list"
    )
    parser.add_argument("--calibrate", action="store_true", help="as the submission was made: see predict")
    parser.add_argument("--ensemble", choices=("probabilities", "logits"), default="", help="likewise")
    parser.add_argument("--members", type=int, metavar="FOLD", help="likewise")
    parser.add_argument("--ablate", action="store_true", help="train again without each space, and compare")
    parser.add_argument("--ablations", nargs="+", type=Path, default=[], metavar="RUN", help="runs to compare with")
    parser.add_argument(
        "--with-labels", action="store_true", help="hand the annotations of the training clips over, too"
    )


def run(arguments: argparse.Namespace) -> Outcome:
    """Write the handover, and rebuild it once to see that it can be done."""
    from baselines.ablations import ablate, compared
    from baselines.handover import seal, write_handover, write_zip
    from baselines.prediction import Ensemble
    from baselines.runs import Run, new_run_folder
    from mertools.corpus import Corpus

    with_progress()
    made = Run.read(arguments.folder)
    corpus = Corpus.read(arguments.corpus or made.recipe.corpus)
    written = sorted(path.stem for path in (made.folder / "predictions").glob("*.csv") if path.stem != "oof")
    splits = arguments.split or written
    ablations = ablate(made, corpus) if arguments.ablate else []
    ablations += [compared(made, Run.read(folder), corpus) for folder in arguments.ablations]
    zipped = arguments.out.suffix.lower() == ".zip"
    with tempfile.TemporaryDirectory(prefix="mertools-handover-") as spare:
        out = Path(spare) / arguments.out.stem if zipped else arguments.out
        with new_run_folder(out) as folder:
            differing = write_handover(
                folder,
                made,
                corpus,
                splits,
                store=arguments.store or (made.recipe.options or {}).get("store") or None,
                ensemble=Ensemble(arguments.ensemble, arguments.members, arguments.calibrate),
                ablations=ablations,
                labels=arguments.with_labels,
            )
            uploads = _package(folder, made, splits, arguments.candidates)
            seal(folder)
        n_files = sum(path.is_file() for path in out.rglob("*"))
        if zipped:
            write_zip(out, arguments.out)
    document = {
        "out": str(arguments.out), "files": n_files, "splits": list(splits), "uploads": uploads,
        "ablations": len(ablations), "differing": differing,
    }  # fmt: skip
    lines = [f"{n_files} files for {', '.join(splits)}: {arguments.out}"]
    lines += [f"upload of {split}: {upload}" for split, upload in uploads.items()]
    lines += [f"{split}: {why}" for split, why in differing.items()]
    return Outcome(document, "\n".join(lines), NOT_FINE if differing else FINE)


def rebuild_and_say(folder: Path) -> int:
    """Rebuild a handover into a temporary folder and say whether it is the same; what ``rebuild.py`` does.

    Returns:
        0 if everything is equal to the byte, 1 if not, 2 if it cannot be rebuilt.
    """
    from baselines.handover import read_facts, rebuild
    from mertools.errors import MerToolsError

    try:
        with tempfile.TemporaryDirectory(prefix="mertools-rebuild-") as spare:
            facts = read_facts(folder)
            equal = {f"predictions/{r.split}.csv": r.equal for r in rebuild(folder, Path(spare) / "predictions")}
            for split, upload in facts.get("uploads", {}).items():
                candidates = folder / "submission" / "candidates.csv"
                again = _upload(
                    facts["track"],
                    Path(spare) / "predictions" / f"{split}.csv",
                    Path(spare) / "submission" / Path(upload).name,
                    candidates if candidates.is_file() else None,
                )
                equal[upload] = again.read_bytes() == (folder / upload).read_bytes()
    except MerToolsError as error:
        say(f"{error.code}  {error.message} {error.hint}")
        return 2
    for file, same in equal.items():
        print(f"{'equal  ' if same else 'DIFFERS'}  {file}")
    return 0 if all(equal.values()) else 1


def _package(folder: Path, made: Run, splits: list[str], candidates: Path | None) -> Mapping[str, str]:
    """The upload of each split that makes a valid one; noted in ``handover.json``."""
    from baselines.handover import read_facts
    from baselines.runs import write_json
    from mertools.files import write_bytes_atomically
    from submissions import InvalidSubmissionError

    track = made.metrics.get("track")
    uploads: dict[str, str] = {}
    if track is None:
        return uploads
    listed = None
    if candidates is not None:
        listed = folder / "submission" / "candidates.csv"
        write_bytes_atomically(listed, candidates.read_bytes())
    for split in splits:
        place = folder / "submission" / split if len(splits) > 1 else folder / "submission"
        try:
            file = _upload(track, folder / "predictions" / f"{split}.csv", place, listed)
        except InvalidSubmissionError as error:
            say(f"warning: split {split} makes no upload for {track}: {error.message.splitlines()[0]}")
            continue
        uploads[split] = file.relative_to(folder).as_posix()
    facts: dict[str, Any] = read_facts(folder)
    write_json(folder / "handover.json", {**facts, "uploads": uploads})
    return uploads


def _upload(track: str, predictions: Path, out: Path, candidates: Path | None) -> Path:
    """Package as `mertools submission package` does, with neither receipt nor ledger left beside it."""
    from mertools.files import write_bytes_atomically
    from submissions import package

    with tempfile.TemporaryDirectory(prefix="mertools-upload-") as spare:
        named = Path(spare) / "upload" / out.name if out.suffix else Path(spare) / "upload"
        receipt = package(track, predictions, named, candidates=candidates, ledger=spare)
        made = Path(spare) / "upload" / Path(receipt.file).name
        target = out if out.suffix else out / made.name
        write_bytes_atomically(target, made.read_bytes())
    return target
