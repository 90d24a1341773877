"""Checking a store: the index against the shards' headers, and every byte against its checksum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mertools.errors import StoreError
from mertools.store import layout as layouts
from mertools.store.records import Problem, Row
from mertools.store.shards import Header, Placed, Shard

if TYPE_CHECKING:
    from mertools.store.store import Store


def verify(store: Store, *, deep: bool = False) -> list[Problem]:
    """Look for everything that is wrong; changes nothing.

    Args:
        store: an open store.
        deep: also read all values and compare them with their checksums, and have SQLite check its own file.

    Returns:
        The problems, those of the index and the spaces first.
    """
    problems = [*_index(store, deep), *_spaces(store)]
    numbered = store.index.shards()
    files = {path.name: space for space, path in store.layout.shard_files()}
    for number, (space, name, size, crc) in numbered.items():
        rows = store.index.rows_of_shard(number)
        problems.extend(_shard(store, space, name, size, crc, rows, deep))
    known = {name for _, name, _, _ in numbered.values()}
    for name, space in files.items():
        if name not in known:
            problems.append(_orphan(store, space, name))
    return problems


def _orphan(store: Store, space: str, name: str) -> Problem:
    """A shard that the index does not know: harmless if it is sound, else somebody's embeddings are lost."""
    try:
        Shard(store.layout.shard(space, name)).header()
    except StoreError as error:
        mend = f"Run: mertools store gc {store.path} --damaged; then extract again."
        return Problem("MER-V103", "error", error.message, mend, space=space, shard=name)
    return Problem(
        "MER-V107",
        "warning",
        f"the shard {space}/{name} is not in the index (a writer died, or the index was replaced).",
        f"Remove it: mertools store gc {store.path}; or take its rows in: mertools store verify {store.path} --rebuild",
        space=space,
        shard=name,
    )


def _index(store: Store, deep: bool) -> Iterator[Problem]:
    check = "integrity_check" if deep else "quick_check"
    mend = f"Run: mertools store verify {store.path} --rebuild"
    try:
        for (line,) in store.index.select(f"PRAGMA {check}"):
            if line != "ok":
                yield Problem("MER-V101", "error", f"the index is damaged: {line}.", mend)
    except StoreError as error:
        yield Problem("MER-V101", "error", error.message, mend)


def _spaces(store: Store) -> Iterator[Problem]:
    described = set()
    for path in layouts.space_files(store.layout):
        described.add(path.stem)
        try:
            layouts.read_space(path)
        except StoreError as error:
            yield Problem("MER-V102", "error", error.message, error.hint, space=path.stem)
    for (space,) in store.index.select("SELECT DISTINCT space FROM rows ORDER BY space"):
        if space not in described:
            yield Problem(
                "MER-V102",
                "error",
                f"the space {space} has rows but no description {store.layout.space(space)}.",
                "Restore the file; running the extraction again with the same settings writes it anew.",
                space=space,
            )


def _shard(
    store: Store, space: str, name: str, size: int, crc: int, rows: dict[str, Row], deep: bool
) -> Iterator[Problem]:
    """Problems of one shard and of the rows that the index has in it."""
    lost = f"; {sum(row.status == 'ok' for row in rows.values())} clips are lost with it." if rows else "."
    mend = f"Run: mertools store gc {store.path} --damaged; then extract again."
    try:
        path = store.layout.shard(space, name)
        shard = Shard(path)
        header = shard.header()
    except FileNotFoundError:
        yield Problem("MER-V104", "error", f"the shard {space}/{name} is gone{lost}", mend, space=space, shard=name)
        return
    except StoreError as error:
        yield Problem("MER-V103", "error", error.message.rstrip(".") + lost, mend, space=space, shard=name)
        return
    if (header.size, header.crc32, header.space) != (size, crc, space):
        message = f"{path} is not the file that the index knows{lost}"
        yield Problem("MER-V103", "error", message, mend, space=space, shard=name)
        return
    yield from _rows(header, rows, space, name, store)
    if deep:
        for row in header.rows:
            if row.n_bytes and shard.crc32(row.offset, row.n_bytes) != row.crc32:
                lives = row.clip in rows
                what = "." if lives else " (a newer row has replaced them)."
                yield Problem(
                    "MER-V106",
                    "error" if lives else "warning",
                    f"{path}, clip '{row.clip}': the values do not have their checksum{what}",
                    mend,
                    space=space,
                    shard=name,
                    clip=row.clip,
                )


def _rows(header: Header, rows: dict[str, Row], space: str, name: str, store: Store) -> Iterator[Problem]:
    """Rows of the index that are not what the shard's header says."""
    placed = {row.clip: row for row in header.rows}
    for clip, row in rows.items():
        there = placed.get(clip)
        if there is None or _facts(there) != _facts(row):
            what = "has no such clip" if there is None else "says otherwise"
            yield Problem(
                "MER-V105",
                "error",
                f"space {space}, clip '{clip}': the index has a row in the shard {name}, but the shard {what}.",
                f"Run: mertools store verify {store.path} --rebuild",
                space=space,
                shard=name,
                clip=clip,
            )


def _facts(row: Row | Placed) -> tuple[object, ...]:
    return (
        *(row.status, row.reason, row.n_rows, row.media, row.dim, row.dtype, row.rate_hz),
        *(row.crc32, row.offset, row.n_bytes, row.written_ns),
    )
