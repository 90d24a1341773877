"""`predict` for a split of a corpus, and `predict_clips` for media files that belong to none."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from baselines.calibration import temperature_of, tempered
from baselines.data import ClipTable, coverage, standardised_by
from baselines.levels import load_clips
from baselines.members import average, predict_table
from baselines.runs import Run, to_predictions
from baselines.spaces import Feature, level_option
from mertools.config import canonical_json, parse_name_spec
from mertools.corpus import Clip, Corpus, Split
from mertools.errors import TrainingError
from mertools.predictions import Predictions
from mertools.status import Status
from mertools.store import Store, open_store

log = logging.getLogger(__name__)

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac")
TEXT_SUFFIX = ".txt"


def predict(
    run: Run | Path | str,
    corpus: Corpus,
    split: str,
    *,
    store: Path | str | None = None,
    ensemble: Ensemble | None = None,
) -> Predictions:
    """See `baselines.predict`."""
    run = run if isinstance(run, Run) else Run.read(run)
    clips = corpus.select([split])
    if corpus.name == run.metrics["corpus"] and split in run.metrics["protocol"]["train_splits"]:
        log.warning("the run was trained on split '%s'; its honest predictions are predictions/oof.csv", split)
    with open_store(Path(store) if store else corpus.folder / "store", read_only=True) as opened:
        table = load_for(run, opened, corpus, clips)
    return predict_rows(run, table, ensemble)


def load_for(run: Run, store: Store, corpus: Corpus, clips: Sequence[Clip]) -> ClipTable:
    """Embeddings of `clips` in exactly the spaces that the run was trained on.

    Raises:
        TrainingError: if the store lacks one of them.
    """
    there = {space.fingerprint for space in store.spaces()}
    for feature in run.design.features:
        if feature.fingerprint not in there:
            raise missing_space(feature, store, corpus.folder)
    table = load_clips(store, run.design.features, corpus, clips, (), run.design.alignment)
    for label, share in coverage(table, run.design.features).items():
        if share < 1:
            log.warning("%s: %.1f %% of the clips have an embedding, the rest is masked", label, 100 * share)
    return standardised_by(table, clips, standardised_column(run))


def standardised_column(run: Run) -> str:
    """The column within which a run's embeddings are standardised; empty for none."""
    return str((run.recipe.options or {}).get("standardise_by", ""))


@dataclass(frozen=True)
class Ensemble:
    """How the members of a run speak with one voice.

    Attributes:
        averaging: what is averaged; empty = as the run was trained to.
        fold: only the members of this fold; None = all.
        calibrate: whether probabilities are brought to the run's temperature first.
    """

    averaging: Literal["", "probabilities", "logits"] = ""
    fold: int | None = None
    calibrate: bool = False


def predict_rows(run: Run, table: ClipTable, ensemble: Ensemble | None = None) -> Predictions:
    """Mean of the members' probabilities (or logits) and values.

    Raises:
        TrainingError: if no member is of the fold asked for, or there is no temperature.
    """
    ensemble = ensemble or Ensemble()
    members = [member for member in run.members if ensemble.fold in (None, member.fold)]
    if not members:
        raise TrainingError(
            "MER-T115",
            f"{run.folder} has no members of fold {ensemble.fold}.",
            f"Folds: {', '.join(map(str, sorted({member.fold for member in run.members})))}.",
        )
    temperatures = temperature_of(run) if ensemble.calibrate else {}
    found = [predict_table(member, table, run.design.targets) for member in members]
    for of_member in found:
        for target, temperature in temperatures.items():
            of_member[target] = tempered(of_member[target], temperature)
    together = average(found, logits=(ensemble.averaging or run.design.averaging) == "logits")
    return to_predictions(table.names, run.design.targets, together)


def predict_clips(run: Run | Path | str, files: Sequence[Path | str], *, extractors: Sequence[str] = ()) -> Predictions:
    """As `predict_files`, the predictions alone."""
    return predict_files(run, files, extractors=extractors).predictions


@dataclass(frozen=True)
class NewClips:
    """What was predicted for new clips, and what could not be read of them.

    Attributes:
        predictions: one row per clip.
        failures: clip to extractor to status and reason, where there is no embedding.
        unread: clips without an embedding in any space; their prediction is the prior alone.
    """

    predictions: Predictions
    failures: Mapping[str, Mapping[str, tuple[str, str]]]
    unread: tuple[str, ...]


def predict_files(
    run: Run | Path | str,
    files: Sequence[Path | str],
    *,
    extractors: Sequence[str] = (),
    ensemble: Ensemble | None = None,
) -> NewClips:
    """Predict media files: extract what the run needs into a temporary store, then predict.

    Files with the same stem are one clip: video or still image, sound, and a ``.txt`` with the transcript.

    Args:
        run: a run or its folder.
        files: media.
        extractors: ``NAME[:key=value...]`` to use instead of what the run recorded, for weights that lie elsewhere now.
        ensemble: how members speak with one voice.

    Returns:
        One row per clip, named after the stem, in the order of the files.

    Raises:
        TrainingError: for a file that is missing, or if extraction makes another space than the run was trained on.
        ExtractionError: if weights are missing.
    """
    from feature_extractors import extract

    run = run if isinstance(run, Run) else Run.read(run)
    column = standardised_column(run)
    if column:
        raise TrainingError(
            "MER-T092",
            f"the run is transductive (standardise_by={column}): it needs all clips of a {column} to standardise one, "
            f"and a file does not say its {column}.",
            f"Prepare a corpus with a column '{column}' and name it: predict RUN --corpus DIR --split NAME. Or train "
            "without standardise_by.",
        )
    with tempfile.TemporaryDirectory(prefix="mertools-predict-") as folder:
        corpus = _corpus_of(files, Path(folder), run.design.features)
        with open_store(Path(folder) / "store", create=True) as store:
            wanted = [
                (feature, _specs(feature, extractors), _extraction_options(feature)) for feature in run.design.features
            ]
            for options in {canonical_json(options): options for *_, options in wanted}.values():
                # Extractors that agree on options share one decode.
                specs = [spec for _, specs, own in wanted if own == options for spec in specs]
                extract(corpus, list(dict.fromkeys(specs)), store, **options)
            for feature, specs, _ in wanted:
                _check_same_space(feature, store, " or ".join(specs))
            table = load_for(run, store, corpus, corpus.clips)
            unread = tuple(table.names[i] for i in np.flatnonzero(~table.present.any(axis=1)))
            return NewClips(predict_rows(run, table, ensemble), _failures(run, store), unread)


def _failures(run: Run, store: Store) -> dict[str, dict[str, tuple[str, str]]]:
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for feature in run.design.features:
        for clip, (status, reason) in store.status(feature.fingerprint).items():
            if status != Status.OK:
                found.setdefault(clip, {})[feature.name] = (str(status), reason)
    return found


def _specs(feature: Feature, given: Sequence[str]) -> list[str]:
    """What makes a space again: what the user named for its extractor, else what the run recorded."""
    return [spec for spec in given if parse_name_spec(spec).name == feature.name] or [feature.extractor_spec()]


def _extraction_options(feature: Feature) -> dict[str, Any]:
    options: dict[str, Any] = {"level": feature.level, "quiet": True}
    if "precision" in feature.settings:
        options["precision"] = feature.settings["precision"]
    column = feature.settings.get("column", "")
    if column not in ("", "text", "audio"):
        log.warning(
            "%s was trained on column '%s': the files given are taken to be of that kind", feature.label, column
        )
    if column and column not in ("text", "audio"):
        options["column"] = [column]
    return options


def _check_same_space(feature: Feature, store: Store, spec: str) -> None:
    made = [s for s in store.spaces() if s.extractor == feature.name and s.level == feature.level]
    if any(s.fingerprint == feature.fingerprint for s in made):
        return
    now = dict(made[-1].spec.settings) | {"revision": made[-1].spec.revision} if made else {}
    then = feature.settings | {"revision": feature.revision}
    differing = [f"{k}: {then.get(k)!r} then, {now.get(k)!r} now" for k in {**then, **now} if then.get(k) != now.get(k)]
    raise TrainingError(
        "MER-T051",
        f"extracting with {spec} makes another space than {feature.label}, which the run was trained on "
        f"({'; '.join(differing) or 'the level or dimension differs'}).",
        f"Name the right weights or options: predict ... --with {feature.name}:key=value",
    )


def _corpus_of(files: Sequence[Path | str], folder: Path, features: Sequence[Feature]) -> Corpus:
    """A corpus of files wherever they lie, in one split of role candidate, with the columns that `features` read.

    A file says neither which of several transcripts it is nor who wrote it: it is what the run was trained on.
    """
    media: dict[str, dict[str, Path]] = {}
    texts: dict[str, str] = {}
    for file in files:
        path = Path(file).expanduser().absolute()
        if not path.is_file():
            raise TrainingError("MER-T052", f"{path} is not a file.", "Name media files after --clips.")
        suffix = path.suffix.lower()
        column = "audio" if suffix in AUDIO_SUFFIXES else "text" if suffix == TEXT_SUFFIX else "video"
        clip = media.setdefault(path.stem, {})
        if column in clip:
            raise TrainingError(
                "MER-T053", f"{clip[column]} and {path} would be the same clip '{path.stem}'.", "Rename one of them."
            )
        clip[column] = path
        if column == "text":
            texts[path.stem] = path.read_text(encoding="utf-8").strip()
    for name, found in media.items():
        if set(found) == {"text"}:
            raise TrainingError("MER-T054", f"clip '{name}' has a transcript only.", "Name its video or sound, too.")
    columns = {str(f.settings["column"]): f.settings.get("origin") for f in features if "column" in f.settings}
    clips = []
    for name, found in media.items():
        sound = str(found.get("audio") or found.get("video", ""))
        cells = {column: sound if column.startswith("audio") else texts.get(name, "") for column in columns}
        cells = {"text": texts.get(name, ""), **cells, "name": name, "split": "new"}
        clips.append(Clip(name, "new", found.get("video"), found.get("audio"), cells))
    return Corpus(
        "new-clips",
        folder,
        tuple(clips),
        Path(os.path.abspath(os.sep)),
        (Split("new", "candidate"),),
        transcripts={column: str(origin) for column, origin in columns.items() if origin is not None},
    )


def missing_space(feature: Feature, store: Store, folder: Path) -> TrainingError:
    """What to say where a store lacks a space that a run was trained on."""
    others = [f"{s} ({s.level}, {s.dim} dimensions)" for s in store.spaces() if s.extractor == feature.name]
    there = f"it has {', '.join(others)}" if others else f"it has nothing of {feature.name}"
    own = f"{feature.label} ({feature.level}, {feature.dim} dimensions)"
    return TrainingError(
        "MER-T050", f"the run was trained on {own}, which the store lacks; {there}.", _extract_again(feature, folder)
    )


def _extract_again(feature: Feature, folder: Path) -> str:
    from feature_extractors import EXTRACTORS

    spec = feature.extractor_spec() if feature.name in EXTRACTORS else feature.name
    return f"Run: mertools extract {folder} --with {spec}{level_option(feature.level)}"
