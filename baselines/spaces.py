"""From what a user types after ``--features`` to spaces of a store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mertools.config import NameSpec, canonical_json, parse_name_specs
from mertools.errors import TrainingError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from mertools.store import Space, Store


RUN_SETTINGS = ("precision", "tracker", "column", "origin")
"""Settings of a space that come from the extraction, not from the extractor's own options."""


@dataclass(frozen=True)
class Feature:
    """One input of a run: a space, with all that is needed to extract it again.

    Attributes:
        name: extractor.
        fingerprint: of the space.
        level: level of the space; at level utterance of a training ``frame`` is averaged over time.
        dim: D.
        typed: ``NAME@FINGERPRINT[:key=value...]``, with the options that the user typed.
        revision: code revision of the extractor.
        settings: everything that changes its numbers.
        facts: what is recorded beside it (licence, corpora it was trained on, ...).
    """

    name: str
    fingerprint: str
    level: str
    dim: int
    typed: str
    revision: int
    settings: dict[str, Any]
    facts: dict[str, Any]

    def extractor_spec(self) -> str:
        """``NAME[:key=value...]``, what ``mertools extract --with`` takes to make this space again.

        Raises:
            UnknownNameError: if there is no such extractor (its embeddings came from elsewhere).
        """
        from feature_extractors import EXTRACTORS

        typed = parse_name_specs([self.typed])[0].options
        known = {f.name for f in fields(EXTRACTORS.get(self.name).Config)}
        options = {
            key: _text(value)
            for key, value in self.settings.items()
            if key in known and key != "weights" and value is not None
        }
        weights = typed.get("weights") or self.facts.get("weights")
        if weights:
            options["weights"] = str(weights)
        return str(NameSpec(self.name, options))

    @property
    def label(self) -> str:
        """``NAME@FINGERPRINT``, which finds this space and no other."""
        return f"{self.name}@{self.fingerprint}"


def find_features(
    store: Store, words: str | Sequence[str], corpus_folder: Path, *, level: str = "utterance"
) -> list[Feature]:
    """The spaces that ``--features`` names.

    At equal settings a space of level utterance comes before one of level frame, which serves where the family's rule
    allows its mean. For models of level frame only spaces of that level will do.

    Args:
        store: where to look.
        words: comma list, or one ``NAME[@FINGERPRINT][:key=value...]`` each.
        corpus_folder: for the command in error messages.
        level: of the training.

    Raises:
        TrainingError: if a space is absent, or several match; the message lists what is there.
    """
    features = [_find(store, spec, corpus_folder, level) for spec in parse_name_specs(words)]
    labels = [feature.label for feature in features]
    for label in labels:
        if labels.count(label) > 1:
            raise TrainingError("MER-T003", f"the space {label} is named twice.", "Name each space once.")
    return features


def _find(store: Store, spec: NameSpec, corpus_folder: Path, level: str) -> Feature:
    spaces = [s for s in store.spaces() if s.level in ("utterance", "frame")]
    named = [s for s in spaces if s.extractor == spec.name]
    if spec.fingerprint:
        found = [s for s in named if s.fingerprint.startswith(spec.fingerprint)]
    else:
        options = _recorded(spec) if named else {}
        found = [s for s in named if _has(s, options)]
    if not found:
        raise _absent(spec, spaces, named, corpus_folder, level)
    if level == "frame":
        usable = [s for s in found if s.level == "frame"]
    else:
        usable = [s for s in found if s.level == "utterance" or s.spec.utterance == "mean"]
    if not usable and level == "frame":
        raise TrainingError(
            "MER-T082",
            f"{spec} is in the store at utterance level only, and the model reads rows over time.",
            f"Run: mertools extract {corpus_folder} --with {_typed(spec)}{level_option(level)}",
        )
    if not usable:
        raise TrainingError(
            "MER-T004",
            f"{spec} is in the store at frame level only, and its utterance embedding is not the mean of its frames.",
            f"Run: mertools extract {corpus_folder} --with {_typed(spec)}",
        )
    best = {_configuration(s): s for s in sorted(usable, key=lambda s: s.level == "utterance")}
    if len(best) > 1:
        raise TrainingError(
            "MER-T005",
            f"{spec} fits {len(best)} spaces:\n" + "\n".join(_described(s, list(best.values())) for s in best.values()),
            f"Pick one, e.g. --features {spec.name}@{next(iter(best.values())).fingerprint}",
        )
    (space,) = best.values()
    return feature_of(space, spec.options)


def feature_of(space: Space, options: dict[str, str]) -> Feature:
    """What a run records of a space that was named with `options`."""
    return Feature(
        space.extractor,
        space.fingerprint,
        space.level,
        space.dim,
        str(NameSpec(space.extractor, options, space.fingerprint)),
        space.spec.revision,
        dict(space.spec.settings),
        dict(space.spec.facts),
    )


def _recorded(spec: NameSpec) -> dict[str, Any]:
    """The options a user typed, as a space records them: numbers for text, the digest of weights for their folder.

    Raises:
        ConfigError: for an option that the extractor does not have.
    """
    from feature_extractors import EXTRACTORS, create_extractor

    options: dict[str, Any] = dict(spec.options)
    config = {key: value for key, value in options.items() if key not in RUN_SETTINGS}
    if config and spec.name in EXTRACTORS:
        settings = create_extractor(spec.name, **config).settings()
        options |= {key: settings[key] for key in config if key in settings}
    return options


def _has(space: Space, options: dict[str, Any]) -> bool:
    known = {**space.spec.facts, **space.spec.settings}
    return all(key in known and _text(known[key]) == _text(value) for key, value in options.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _configuration(space: Space) -> str:
    return canonical_json([space.spec.revision, dict(space.spec.settings)])


def level_option(level: str) -> str:
    """What a command must say to extract at `level`."""
    return " --level frame" if level == "frame" else ""


def _typed(spec: NameSpec) -> str:
    return str(NameSpec(spec.name, spec.options))


def _described(space: Space, among: Sequence[Space]) -> str:
    """One line: fingerprint, level and the settings in which the spaces differ."""
    settings = [dict(s.spec.settings) | {"revision": s.spec.revision} for s in among]
    keys = sorted({key for s in settings for key in s if any(other.get(key) != s[key] for other in settings)})
    own = dict(space.spec.settings) | {"revision": space.spec.revision}
    differing = ", ".join(f"{key}={_text(own.get(key))}" for key in keys)
    return f"  {space.extractor}@{space.fingerprint}  {space.level}, {space.dim} dimensions  {differing}"


def _absent(spec: NameSpec, spaces: list[Space], named: list[Space], corpus_folder: Path, level: str) -> TrainingError:
    if named:
        shown = "\n".join(_described(s, named) for s in named)
        message = f"no space of {spec.name} fits '{spec}'; the store has:\n{shown}"
    else:
        names = sorted({s.extractor for s in spaces})
        there = f"it has: {', '.join(names)}" if names else "it is empty"
        message = f"the store has no embeddings of '{spec.name}'; {there}.{did_you_mean(spec.name, names)}"
    return TrainingError(
        "MER-T006", message, f"Run: mertools extract {corpus_folder} --with {_typed(spec)}{level_option(level)}"
    )
