"""Which modules of this project a module needs: the import closure, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

OURS = ("mertools", "submissions")


def closure(modules: Iterable[str], *, without: Collection[str] = ()) -> dict[str, Path]:
    """Modules that `modules` import at any depth, within functions too, with their files; the packages around them.

    Imports for type checkers alone do not count.

    Args:
        modules: where to start.
        without: modules not to follow or include.

    Returns:
        Dotted name -> source file, sorted by name; a package is its ``__init__.py``.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in without:
            continue
        path = _source(name)
        if path is None:
            continue
        found[name] = path
        parent = name.rpartition(".")[0]
        waiting += [parent] if parent else []
        if name not in OURS:  # their front doors import everything, and a part of the house needs no front door
            waiting += imports(path)
    return dict(sorted(found.items()))


def imports(path: Path) -> set[str]:
    """Names that a source file imports, within functions too: modules, and names in modules that may be modules."""
    return set(_imports(ast.parse(path.read_text(encoding="utf-8"))))


def third_party(paths: Iterable[Path]) -> set[str]:
    """Top-level packages outside the standard library that source files import at module level."""
    import sys

    names = {name.split(".")[0] for path in paths for name in _at_module_level(path)}
    return {name for name in names if name not in sys.stdlib_module_names and name not in OURS}


def _at_module_level(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = []
    yield from _imports(tree)


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        else:
            yield from _imports(child)


@cache
def _source(name: str) -> Path | None:
    """The source of one of our modules; None for a name that is none."""
    if name.split(".")[0] not in OURS:
        return None
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None
