"""Making the index anew from the headers of the shards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mertools.errors import StoreError
from mertools.store.records import Problem
from mertools.store.shards import Header, Shard

if TYPE_CHECKING:
    from mertools.store.store import Store


def rebuild(store: Store) -> list[Problem]:
    """Fill the index from the shards, in one transaction; an index that is damaged is put aside first.

    Failures come back too: they are in the shards' headers. Lost is only the cache of media facts, which is kept if the
    old index can be read.

    Args:
        store: an open store that may be written.

    Returns:
        One problem for every shard that could not be read; its clips are no longer in the index.
    """
    problems: list[Problem] = []

    def contents() -> Iterator[tuple[str, str, Header]]:
        for space, path in store.layout.shard_files():
            try:
                header = Shard(path).header()
                if header.space != space:
                    raise StoreError("MER-V021", f"{path} says it belongs to space {header.space}.")
            except StoreError as error:
                problems.append(Problem("MER-V103", "error", error.message, _mend(store), space=space, shard=path.name))
                continue
            yield space, path.name, header

    try:
        store.index.make(contents())
    except StoreError as error:
        if error.code != "MER-V011":
            raise
        problems.clear()
        _put_aside(store)
        store.index.make(contents())
    return problems


def _put_aside(store: Store) -> None:
    store.index.close()
    stamp = time.strftime("%Y%m%dT%H%M%S")
    index = store.layout.index
    for suffix in ("-wal", "-shm", "-journal", ""):
        path = index.with_name(index.name + suffix)
        if path.exists():
            path.rename(index.with_name(f"{index.name}.damaged-{stamp}{suffix}"))


def _mend(store: Store) -> str:
    return f"Run: mertools store gc {store.path} --damaged; then extract again."
