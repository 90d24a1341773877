"""One registry class for everything that is found by name: extractors, models, tracks, corpora, metrics."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from mertools.errors import MissingDependencyError, UnknownNameError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One registered thing and the facts that ``mertools list`` shows.

    Attributes:
        name: the name users type.
        target: what was registered.
        licence: licence of code and weights, as published.
        summary: one line for the list.
        packages: importable modules it needs beyond the core; checked without importing them.
        extra: the extra of this package that brings them (``pip install 'mertools[extra]'``).
        facts: further machine-readable facts, shown by ``list --json``.
    """

    name: str
    target: T
    licence: str = "Apache-2.0"
    summary: str = ""
    packages: tuple[str, ...] = ()
    extra: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def missing(self) -> tuple[str, ...]:
        """Needed modules that cannot be found."""
        return tuple(p for p in self.packages if find_spec(p) is None)

    def install_hint(self) -> str:
        """The command that brings what is missing; empty if nothing is."""
        if not self.missing():
            return ""
        return f"pip install 'mertools[{self.extra}]'" if self.extra else "pip install " + " ".join(self.missing())

    def as_json(self) -> dict[str, Any]:
        """The object that ``mertools list --json`` prints."""
        return {
            "name": self.name,
            "available": not self.missing(),
            "licence": self.licence,
            "summary": self.summary,
            "install": self.install_hint(),
            **self.facts,
        }


class Registry(Generic[T]):
    """Names to things. Modules of `packages` register themselves on first look-up; plug-ins come by entry point.

    Args:
        kind: what is registered, singular, for messages ("extractor").
        packages: the packages whose modules register entries when imported; imported on first use.
        plural: the word of ``mertools list``; `kind` plus "s" unless given. It also names the entry-point group
            ``mertools.<plural>`` through which other distributions add modules.
        listed: whether ``mertools list`` shows it; if not, the error for an unknown name lists all names.
    """

    def __init__(self, kind: str, packages: str | tuple[str, ...], plural: str = "", *, listed: bool = True) -> None:
        self.kind = kind
        self.packages = (packages,) if isinstance(packages, str) else packages
        self.plural = plural or kind + "s"
        self.listed = listed
        self._entries: dict[str, Entry[T]] = {}
        self._discovered = False

    def register(self, name: str, **facts: Any) -> Callable[[T], T]:
        """Decorator: put the decorated thing under `name`. Keywords are the fields of `Entry`; others become facts."""

        def add(target: T) -> T:
            self.add(name, target, **facts)
            return target

        return add

    def add(self, name: str, target: T, **facts: Any) -> None:
        """Put `target` under `name`.

        Raises:
            ValueError: if the name is taken by something else.
        """
        taken = self._entries.get(name)
        if taken is not None and taken.target is not target:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        known = {key: facts.pop(key) for key in ("licence", "summary", "packages", "extra") if key in facts}
        self._entries[name] = Entry(name, target, facts=facts, **known)

    def names(self, pattern: str = "*") -> list[str]:
        """Known names that match the wildcard `pattern`, in natural order."""
        self._discover()
        return sorted((n for n in self._entries if fnmatchcase(n, pattern)), key=_natural)

    def entry(self, name: str) -> Entry[T]:
        """The entry under `name`.

        Raises:
            UnknownNameError: if there is none; the message names the nearest.
        """
        self._discover()
        if name not in self._entries:
            raise UnknownNameError(
                "MER-K001",
                f"there is no {self.kind} '{name}'.{did_you_mean(name, self._entries)}",
                f"`mertools list {self.plural}` shows all {len(self._entries)}."
                if self.listed
                else f"Expected one of: {', '.join(self.names())}.",
            )
        return self._entries[name]

    def get(self, name: str) -> T:
        """What is registered under `name`, its packages checked.

        Raises:
            UnknownNameError: if there is none.
            MissingDependencyError: if a package it needs is not installed.
        """
        entry = self.entry(name)
        if entry.missing():
            raise MissingDependencyError(
                "MER-O001",
                f"{self.kind} '{name}' needs {', '.join(entry.missing())}, which is not installed.",
                f"Install it with: {entry.install_hint()}",
            )
        return entry.target

    def entries(self, pattern: str = "*") -> Iterator[Entry[T]]:
        """Entries whose names match `pattern`, in natural order."""
        return (self._entries[name] for name in self.names(pattern))

    def __contains__(self, name: str) -> bool:
        """Whether `name` is registered."""
        self._discover()
        return name in self._entries

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        for name in self.packages:
            package = importlib.import_module(name)
            for module in pkgutil.walk_packages(package.__path__, name + "."):
                importlib.import_module(module.name)
        for point in entry_points(group=f"mertools.{self.plural}"):
            point.load()


def _natural(name: str) -> list[tuple[bool, int, str]]:
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]
