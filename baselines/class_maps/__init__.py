"""How the labels of different corpora meet: which label is which common class, or dropped; which range is which.

One YAML file per map. Nothing is merged or dropped that a map does not say: a label that it does not name is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from mertools.config import from_mapping, load_yaml
from mertools.corpus import Clip, Corpus
from mertools.errors import TrainingError, did_you_mean
from mertools.targets import Target


@dataclass(frozen=True)
class CorpusMap:
    """How one corpus is read.

    Attributes:
        labels: its label -> a common class, or None: clips with it are dropped.
        must_tell: labels that the corpus must tell apart from others, so that what is merged or dropped is known.
        range: lowest and highest value of its own scale.
        train_splits: splits to train on; empty = all of role train and validation.
        test_splits: splits to test on; empty = all of role test, or all labelled ones where there is none.
        folds: how it is cut when it is trained on, where nothing else is asked for.
    """

    labels: dict[str, str | None] = field(default_factory=dict)
    must_tell: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    train_splits: tuple[str, ...] = ()
    test_splits: tuple[str, ...] = ()
    folds: str = ""


@dataclass(frozen=True)
class ClassMap:
    """How corpora meet.

    Attributes:
        name: of the map.
        target: the target that is mapped.
        classes: common classes in index order; empty for values.
        range: common range, which each corpus's own is mapped to linearly; None for classes.
        metric: label of the measure to show first; empty = the usual one.
        source: where the map comes from.
        corpora: corpus name -> how it is read.
    """

    name: str
    target: str
    corpora: dict[str, CorpusMap]
    classes: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    metric: str = ""
    source: str = ""

    def apply(self, corpus: Corpus, folder: Path) -> Corpus:
        """The corpus with common classes or values as its only target, to be written to `folder`.

        Raises:
            TrainingError: if the map does not say how to read it.
        """
        entry = self.entry(corpus)
        own = corpus.target(self.target)
        if self.classes:
            self._check_classes(corpus, own, entry)
            common = Target(self.target, "classes", self.classes)
        else:
            self._check_values(corpus, own, entry)
            common = Target(self.target, "value", range=self.range)
        clips = [mapped for clip in corpus.clips if (mapped := self._clip(clip, own, entry)) is not None]
        if not clips:
            raise TrainingError(
                "MER-T193", f"map {self.name} drops every clip of corpus '{corpus.name}'.", "Mend the map."
            )
        return replace(corpus, folder=folder, clips=tuple(clips), targets=(common,))

    def entry(self, corpus: Corpus) -> CorpusMap:
        """How a corpus is read.

        Raises:
            TrainingError: if the map does not know it.
        """
        if corpus.name not in self.corpora:
            raise TrainingError(
                "MER-T190",
                f"map {self.name} does not say how corpus '{corpus.name}' is read."
                f"{did_you_mean(corpus.name, self.corpora)}",
                f"It knows {', '.join(self.corpora)}. Copy it, add the corpus, and name the file with --class-map.",
            )
        return self.corpora[corpus.name]

    def dropped(self, corpus: Corpus) -> dict[str, int]:
        """Clips per label of a corpus that are dropped."""
        entry, own = self.entry(corpus), corpus.target(self.target)
        said = Counter(str(a) for a in (own.parse(c.cells.get(self.target, "")) for c in corpus.clips) if a is not None)
        return {label: said[label] for label, to in entry.labels.items() if to is None and said[label]}

    def _clip(self, clip: Clip, own: Target, entry: CorpusMap) -> Clip | None:
        said = own.parse(clip.cells.get(self.target, ""))
        if said is None:
            return replace(clip, cells={**clip.cells, self.target: ""})
        if self.classes:
            to = entry.labels[str(said)]
            return None if to is None else replace(clip, cells={**clip.cells, self.target: to})
        (low, high), (bottom, top) = entry.range or (0.0, 1.0), self.range or (0.0, 1.0)
        value = bottom + (float(said) - low) * (top - bottom) / (high - low)  # type: ignore[arg-type]
        return replace(clip, cells={**clip.cells, self.target: repr(min(max(value, bottom), top))})

    def _check_classes(self, corpus: Corpus, own: Target, entry: CorpusMap) -> None:
        unknown = [label for label in own.classes if label not in entry.labels]
        if own.kind != "classes" or unknown:
            what = f"label '{unknown[0]}' is not in the map" if unknown else f"the target is of kind {own.kind}"
            raise TrainingError(
                "MER-T191",
                f"map {self.name}, corpus '{corpus.name}', target '{self.target}': {what}.",
                "Every label must be mapped to one of " + ", ".join(self.classes) + ", or to null to drop its clips.",
            )
        lacking = [label for label in entry.must_tell if label not in own.classes]
        if lacking:
            raise TrainingError(
                "MER-T192",
                f"map {self.name} needs corpus '{corpus.name}' to tell '{lacking[0]}' apart, and its classes are "
                f"{', '.join(own.classes)}.",
                "Prepare the corpus with more classes, or take a map that merges them.",
            )

    def _check_values(self, corpus: Corpus, own: Target, entry: CorpusMap) -> None:
        if own.kind != "value" or own.range != entry.range:
            found = f"{list(own.range)}" if own.range else own.kind
            raise TrainingError(
                "MER-T191",
                f"map {self.name} expects '{self.target}' of corpus '{corpus.name}' in {list(entry.range or ())}, "
                f"found {found}.",
                "Mend the range in the map or in corpus.yaml.",
            )


def map_names() -> list[str]:
    """Names of the maps that come with the toolkit."""
    return sorted(
        f.name.removesuffix(".yaml") for f in files("baselines.class_maps").iterdir() if f.name[-5:] == ".yaml"
    )


def read_map(name: str | Path) -> ClassMap:
    """A map by name, or from a file.

    Raises:
        TrainingError: if there is no such map, or it contradicts itself.
        ConfigError: if the file is not YAML, or for an unknown key.
    """
    path = Path(name)
    if str(name) in map_names():
        path = Path(str(files("baselines.class_maps") / f"{name}.yaml"))
    elif not path.is_file():
        raise TrainingError(
            "MER-T194",
            f"there is no class map '{name}'.{did_you_mean(str(name), map_names())}",
            f"Name a YAML file, or one of: {', '.join(map_names())}.",
        )
    values: Any = load_yaml(path)
    if not isinstance(values, Mapping) or not isinstance(values.get("corpora"), Mapping):
        raise TrainingError("MER-T195", f"{path} is no class map.", "Expected name, target, classes or range, corpora.")
    corpora = {
        str(corpus): from_mapping(CorpusMap, dict(entry or {}), f"class map {path}, corpus {corpus}")
        for corpus, entry in values["corpora"].items()
    }
    rest = {key: value for key, value in values.items() if key != "corpora"}
    found = from_mapping(ClassMap, {**rest, "corpora": {}}, f"class map {path}")
    found = replace(found, corpora=corpora)
    _check(found, path)
    return found


def _check(found: ClassMap, path: Path) -> None:
    if bool(found.classes) == (found.range is not None):
        raise TrainingError("MER-T195", f"{path} has classes and a range, or neither.", "Expected one of them.")
    for corpus, entry in found.corpora.items():
        for label, to in entry.labels.items():
            if to is not None and to not in found.classes:
                raise TrainingError(
                    "MER-T195",
                    f"{path}, corpus {corpus}: '{label}' becomes '{to}', which is none of the classes."
                    f"{did_you_mean(str(to), found.classes)}",
                    f"Expected one of {', '.join(found.classes) or 'none'}, or null.",
                )
        for span in (entry.range, found.range):
            if span is not None and not span[0] < span[1]:
                raise TrainingError("MER-T195", f"{path}: range {list(span)} is empty.", "Expected [LOW, HIGH].")
        if found.range and entry.range is None:
            raise TrainingError("MER-T195", f"{path}, corpus {corpus} has no range.", "Say range: [LOW, HIGH].")
