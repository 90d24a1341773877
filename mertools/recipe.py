"""A recipe: a YAML file that describes a whole experiment, and the stages it leads to.

::

    out: my-experiment                  # everything is written below this folder
    prepare: {corpus: folder, raw: clips}
    extract: {extractors: [face/hog, audio/prosody, text/ngram]}
    train: {model: attention, track: mer2023-multi, options: {epochs: 50}}
    predict: {splits: [test1]}
    package: {candidates: candidates.csv, truth: truth.csv}

A section that is left out is not done. Paths are read as on the command line: relative to the current folder.
Each stage is one command line, so that whatever a recipe does can be done by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mertools.config import from_mapping, load_yaml
from mertools.demo.raw import PREPARE
from mertools.demo.script import DemoSettings
from mertools.errors import ConfigError, did_you_mean
from mertools.tracks import get_track

Setting = str | int | float | bool


@dataclass(frozen=True)
class Prepare:
    """Raw clips to a corpus folder: the folder of raw clips, the corpus (``mertools list corpora``) and its options."""

    raw: Path
    corpus: str = "folder"
    options: dict[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Extract:
    """Embeddings to make; what is left empty is the default of ``mertools extract``."""

    extractors: tuple[str, ...]
    splits: tuple[str, ...] = ()
    column: tuple[str, ...] = ()
    level: str = ""
    precision: str = ""
    device: str = ""


@dataclass(frozen=True)
class Train:
    """A training: a track or targets, and options of training and model; features default to all extractors.

    With `combinations` (``unimodal``, ``all``, ``topn:N``) it is a table of runs, each of them kept once it is done.
    """

    model: str = "attention"
    track: str = ""
    target: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    folds: str = ""
    seed: int | None = None
    combinations: str = ""
    options: dict[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Predict:
    """Splits to predict."""

    splits: tuple[str, ...]


@dataclass(frozen=True)
class Package:
    """The upload: of which split (default: the first predicted), for which candidates; scored if there is a truth."""

    split: str = ""
    track: str = ""
    candidates: Path | None = None
    truth: Path | None = None


@dataclass(frozen=True)
class Recipe:
    """A whole experiment; see the module for the YAML.

    Attributes:
        out: folder below which everything is written.
        synthesise: make the synthetic raw corpus first, into ``OUT/raw``.
        prepare: make a corpus folder ``OUT/corpus`` from raw clips.
        corpus: a corpus folder that is there already, instead of `prepare`.
        extract: embeddings to make, into ``CORPUS/store``.
        train: a training, into ``OUT/run``.
        predict: splits to predict, into ``OUT/predictions``.
        package: the upload, into ``OUT/submission``.
        report: whether to write ``OUT/report.html``.
    """

    out: Path
    synthesise: DemoSettings | None = None
    prepare: Prepare | None = None
    corpus: Path | None = None
    extract: Extract | None = None
    train: Train | None = None
    predict: Predict | None = None
    package: Package | None = None
    report: bool = True

    def __post_init__(self) -> None:
        """Check that each section has what it builds on.

        Raises:
            ConfigError: if not.
        """
        if self.synthesise and self.prepare is None:
            object.__setattr__(self, "prepare", Prepare(self.out / "raw" / "clips", options=dict(PREPARE)))
        needs = (
            ("MER-R110", (self.prepare is None) == (self.corpus is None), "exactly one of prepare and corpus"),
            ("MER-R111", bool(self.predict) and not self.train, "train, because there is predict"),
            ("MER-R112", bool(self.package) and not self.predict, "predict, because there is package"),
            ("MER-R113", bool(self.train) and not self.features, "train.features or extract, because there is train"),
            ("MER-R114", bool(self.train and not self.train.track) != bool(self.train and self.train.target),
             "exactly one of train.track and train.target"),
            ("MER-R122", bool(self.predict and self.train and self.train.combinations),
             "one training, because there is predict: leave train.combinations or predict out"),
            ("MER-R115", bool(self.package) and not self.track, "train.track or package.track, because of package"),
        )  # fmt: skip
        for code, broken, wanted in needs:
            if broken:
                raise ConfigError(code, f"the recipe needs {wanted}.", "Sections: " + ", ".join(SECTIONS) + ".")
        if self.package and self.predict and self.split not in self.predict.splits:
            raise ConfigError(
                "MER-R116",
                f"package.split '{self.split}' is not predicted.{did_you_mean(self.split, self.predict.splits)}",
                f"Predicted: {', '.join(self.predict.splits) or 'none'}.",
            )

    @property
    def corpus_folder(self) -> Path:
        """Where the manifest lies."""
        return self.corpus or self.out / "corpus"

    @property
    def features(self) -> tuple[str, ...]:
        """Spaces that are trained on."""
        named = self.train.features if self.train else ()
        return named or (self.extract.extractors if self.extract else ())

    @property
    def track(self) -> str:
        """Track of the upload."""
        return (self.package.track if self.package else "") or (self.train.track if self.train else "")

    @property
    def split(self) -> str:
        """Split of the upload."""
        if self.package and self.package.split:
            return self.package.split
        return self.predict.splits[0] if self.predict and self.predict.splits else ""


SECTIONS: dict[str, type] = {
    "synthesise": DemoSettings, "prepare": Prepare, "extract": Extract, "train": Train, "predict": Predict,
    "package": Package,
}  # fmt: skip


def read_recipe(path: Path, settings: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe, strictly.

    Args:
        path: the YAML file.
        settings: dotted keys that replace what the file says, e.g. ``{"prepare.raw": "/data/emodb"}``.

    Raises:
        ConfigError: if the file is missing or not YAML, for an unknown key (with the nearest known one), a value of the
            wrong type, or a section without what it builds on.
    """
    values = load_yaml(path)
    if not isinstance(values, dict):
        raise ConfigError("MER-R117", f"{path} is not a mapping.", "Expected out:, prepare:, extract:, train: ...")
    for key, value in (settings or {}).items():
        _put(values, key, value)
    return parse_recipe(values, str(path))


def parse_recipe(values: Mapping[str, Any], what: str) -> Recipe:
    """A recipe from plain data; see `read_recipe` for the errors."""
    known = [f.name for f in fields(Recipe)]
    for key in values:
        if key not in known:
            raise ConfigError(
                "MER-R118",
                f"recipe {what} has no section '{key}'.{did_you_mean(str(key), known)}",
                f"Known: {', '.join(known)}.",
            )
    if not values.get("out"):
        raise ConfigError(
            "MER-R119", f"recipe {what} does not say where to write.", "Add a line such as out: my-experiment"
        )
    found: dict[str, Any] = {}
    for key, value in values.items():
        section = SECTIONS.get(key)
        if section is not None and value is not None:
            if not isinstance(value, dict):
                raise ConfigError(
                    "MER-R120", f"recipe {what}: {key} is {value!r}, not a section.", f"Expected {key}: {{...}}"
                )
            found[key] = from_mapping(
                section, {k: _folds(k, v) for k, v in value.items()}, f"recipe {what}, section {key}"
            )
        elif value is not None:
            found[key] = bool(value) if key == "report" else Path(str(value))
    return Recipe(**found)


def _folds(key: str, value: Any) -> Any:
    return str(value) if key == "folds" else value


def _put(values: dict[str, Any], key: str, value: str) -> None:
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError("MER-R120", f"'{key}': {section} is not a section.", "Expected SECTION.KEY=VALUE.")
    values[last] = value


@dataclass(frozen=True)
class Stage:
    """One step of the road: a command line with what it reads and writes.

    Attributes:
        name: shown in the table; unique.
        words: the command line after ``mertools``.
        reads: files whose content, and folders whose listing, it depends on.
        writes: files that are there when it is done.
        replaces: folder that the verb refuses to overwrite; removed first, if an earlier walk made it.
        save: where its JSON document goes, if anywhere.
        may_fall_short: whether exit code 1 (some clips failed) lets the road go on.
    """

    name: str
    words: tuple[str, ...]
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    replaces: Path | None = None
    save: Path | None = None
    may_fall_short: bool = False


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a recipe, in order.

    Raises:
        UnknownNameError: if the upload is for a track that does not exist.
    """
    return (*_data_stages(recipe), *_model_stages(recipe), *_upload_stages(recipe), *_report_stages(recipe))


def _data_stages(recipe: Recipe) -> list[Stage]:
    corpus, found = recipe.corpus_folder, []
    manifest = (corpus / "clips.csv", corpus / "corpus.yaml")
    if recipe.synthesise:
        given = {f.name: getattr(recipe.synthesise, f.name) for f in fields(recipe.synthesise)}
        changed = [f"{k}={v}" for k, v in given.items() if v != getattr(DemoSettings(), k)]
        words: tuple[str, ...] = ("demo", "--only-clips", "--out", str(recipe.out), *changed)
        made = (recipe.out / "raw" / "synthetic.json", recipe.out / "raw" / "clips" / "labels.csv")
        found.append(Stage("make clips", words, writes=made))
    if recipe.prepare:
        words = ("prepare", recipe.prepare.corpus, "--raw", str(recipe.prepare.raw), "--out", str(corpus))
        words += _assigned(recipe.prepare.options)
        found.append(Stage("prepare", words, (recipe.prepare.raw,), manifest, may_fall_short=True))
    if recipe.extract:
        e = recipe.extract
        words = ("extract", str(corpus), "--with", ",".join(e.extractors))
        words += ("--split", *e.splits) if e.splits else ()
        words += ("--column", *e.column) if e.column else ()
        for option in ("level", "precision", "device"):
            words += (f"--{option}", getattr(e, option)) if getattr(e, option) else ()
        media = (recipe.prepare.raw,) if recipe.prepare else ()
        found.append(
            Stage("extract", words, (*manifest, *media), (corpus / "store" / "store.json",), may_fall_short=True)
        )
    return found


def _model_stages(recipe: Recipe) -> list[Stage]:
    train, corpus, run = recipe.train, recipe.corpus_folder, recipe.out / "run"
    if train is None:
        return []
    manifest = (corpus / "clips.csv", corpus / "corpus.yaml")
    words: tuple[str, ...] = ("train", "--corpus", str(corpus))
    words += ("--track", train.track) if train.track else ("--target", *train.target)
    words += ("--features", ",".join(recipe.features), "--model", train.model, "--out", str(run))
    words += ("--folds", train.folds) if train.folds else ()
    words += ("--seed", str(train.seed)) if train.seed is not None else ()
    words += ("--combinations", train.combinations) if train.combinations else ()
    words += _assigned(train.options)
    if train.combinations:
        return [Stage("train", words, manifest, (run / "table.csv", run / "ranking.yaml"))]
    found = [Stage("train", words, manifest, (run / "metrics.json", run / "recipe.yaml"), replaces=run)]
    for split in recipe.predict.splits if recipe.predict else ():
        file = recipe.out / "predictions" / f"{split}.csv"
        words = ("predict", str(run), "--corpus", str(corpus), "--split", split, "--out", str(file))
        found.append(Stage(f"predict {split}", words, (*manifest, run / "metrics.json"), (file,)))
    return found


def _upload_stages(recipe: Recipe) -> list[Stage]:
    if not recipe.package:
        return []
    predictions = recipe.out / "predictions" / f"{recipe.split}.csv"
    upload, candidates = recipe.out / "submission", recipe.package.candidates
    listed = ("--candidates", str(candidates)) if candidates else ()
    reads = (predictions, *((candidates,) if candidates else ()))
    track = ("--track", recipe.track)
    sent = get_track(recipe.track).upload
    name = sent.archive_name or f"{recipe.track}.zip" if sent.container == "zip" else sent.file_name
    file = upload / (name or f"{recipe.track}.csv")
    found = [
        Stage("validate", ("submission", "validate", str(predictions), *track, *listed), reads),
        Stage(
            "package", ("submission", "package", str(predictions), *track, *listed, "--out", str(file)), reads, (file,)
        ),
    ]
    if recipe.package.truth:
        words = ("submission", "score", str(file), *track, "--truth", str(recipe.package.truth))
        saved = recipe.out / "run" / f"score-{recipe.split}.json"
        found.append(Stage("score", words, (file, recipe.package.truth), (saved,), save=saved))
    return found


def _report_stages(recipe: Recipe) -> list[Stage]:
    if not (recipe.report and recipe.train):
        return []
    run, page = recipe.out / "run", recipe.out / "report.html"
    made = "table.csv" if recipe.train.combinations else "metrics.json"
    reads = [run / made, recipe.corpus_folder / "clips.csv"]
    if recipe.package and recipe.package.truth:
        reads.append(run / f"score-{recipe.split}.json")
    return [Stage("report", ("report", str(run), "--out", str(page)), tuple(reads), (page,))]


def _assigned(options: Mapping[str, Setting]) -> tuple[str, ...]:
    """Options as ``KEY=VALUE`` words."""
    return tuple(f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in options.items())
