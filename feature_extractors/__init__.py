"""Media in, embeddings out. `extract` walks a corpus; `create_extractor` makes one extractor by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mertools.config import from_mapping
from mertools.errors import ExtractionError
from mertools.registry import Registry

if TYPE_CHECKING:
    from feature_extractors.base import Extractor
    from feature_extractors.engine import ExtractionSummary
    from mertools.corpus import Corpus
    from mertools.store import Store

EXTRACTORS: Registry[type[Extractor]] = Registry(
    "extractor", ("feature_extractors.face", "feature_extractors.audio", "feature_extractors.text")
)

__all__ = ["EXTRACTORS", "create_extractor", "extract", "list_extractors"]


def list_extractors(pattern: str = "*") -> list[str]:
    """Names of extractors that match a wildcard, in natural order."""
    return EXTRACTORS.names(pattern)


def create_extractor(name: str, **options: Any) -> Extractor:
    """Make an extractor; weights are not loaded before its `load`.

    Args:
        name: ``modality/family-size``, e.g. ``audio/prosody``.
        **options: fields of its configuration; text is converted ("32" to 32).

    Raises:
        UnknownNameError: if there is no such extractor.
        MissingDependencyError: if a package it needs is not installed.
        ConfigError: for an unknown option or a value of the wrong type.
    """
    entry = EXTRACTORS.entry(name)
    cls = EXTRACTORS.get(name)
    defaults = entry.facts.get("defaults", {})
    return cls(name, from_mapping(cls.Config, {**defaults, **options}, f"extractor {name}"), entry.facts)


def extract(corpus: Corpus, names: Sequence[str], store: Store, **options: Any) -> ExtractionSummary:
    """Embed the clips of a corpus into a store; what is there already is not computed again.

    Args:
        corpus: the clips.
        names: extractors, ``NAME[:key=value...]`` each.
        store: where embeddings and statuses go.
        **options: fields of `feature_extractors.engine.ExtractionOptions`.

    Raises:
        MerToolsError: before any clip is touched, if a name, an option or weights are wrong. Clips never raise: they
            end with a status.
    """
    from feature_extractors.engine import ExtractionOptions, run

    if not names:
        raise ExtractionError("MER-E001", "no extractor was named.", "Name at least one, e.g. --with face/hog.")
    return run(corpus, names, store, from_mapping(ExtractionOptions, options, "extract"))
