"""The embedding store: immutable safetensors shards and a SQLite index.

`open_store` opens one; `mertools.store.layout` says what lies where.
"""

from mertools.store.records import Embedding, Level, MediaFacts, Problem, Row, Space, SpaceSpec
from mertools.store.store import Store, open_store
from mertools.store.writer import Writer

__all__ = [
    "Embedding",
    "Level",
    "MediaFacts",
    "Problem",
    "Row",
    "Space",
    "SpaceSpec",
    "Store",
    "Writer",
    "open_store",
]
