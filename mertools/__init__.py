"""mertools: multimodal emotion recognition challenges, from raw clips to a scored submission.

Names are imported when first used, so that ``import mertools`` stays quick and light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mertools import metrics as metrics
    from mertools.corpus import Clip as Clip
    from mertools.corpus import Corpus as Corpus
    from mertools.predictions import Predictions as Predictions
    from mertools.store import Store as Store
    from mertools.store import open_store as open_store
    from mertools.tracks import get_track as get_track

__version__ = "0.1.0"

_HOMES = {
    "Clip": "mertools.corpus",
    "Corpus": "mertools.corpus",
    "Predictions": "mertools.predictions",
    "Store": "mertools.store",
    "get_track": "mertools.tracks",
    "open_store": "mertools.store",
}
__all__ = [*_HOMES, "__version__", "metrics"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return import_module("mertools.metrics")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mertools' has no attribute '{name}'")
