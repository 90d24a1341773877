"""Checkpoints as authors release them: one file with a state dict, wherever it lies, read without running its code."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_extractors.weights import Weights
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch

_USUAL = ("model.safetensors", "pytorch_model.bin")
_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt")
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net")
"""Entries under which training scripts keep the parameters."""
_OPTIONS = "argparse.Namespace"  # in which training scripts keep what they were told; read as an empty placeholder
_PREFIXES = ("module.", "model.")  # of networks saved inside a wrapper
_COUNT = "num_batches_tracked"  # of training steps, in norms
_NAMED = 5  # parameters that a message names


class CheckpointFile(Weights):
    """A checkpoint of one file; `digest` is that of its content alone, so that a renamed file is the same weights."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / self.files[0]

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of the content.

        Raises:
            ExtractionError: if it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
        except OSError as error:
            raise _unreadable(self.path, "weights", error) from error


@dataclass(frozen=True)
class Release:
    """Where the authors of a network publish it.

    Attributes:
        files: names of the published file, one for each place that has it.
        source: a page or an address where it can be fetched by hand.
        hub_id: a repository of the Hugging Face hub that has it; "" if there is none.
    """

    files: tuple[str, ...] = ()
    source: str = ""
    hub_id: str = ""


def find_checkpoint(name: str, release: Release, *, extractor: str, download: bool = False) -> CheckpointFile:
    """Find the file with the parameters.

    Args:
        name: a file; a folder that holds ``model.safetensors``, ``pytorch_model.bin``, the file under its published
            name, or one file with a usual ending; or a hub id, looked up in the local cache.
        release: how it is published.
        extractor: who asks, for messages.
        download: whether a hub id that is not in the cache may be fetched.

    Returns:
        The file.

    Raises:
        ExtractionError: if nothing was named, or there is no such file, or several; says how to get it.
    """
    if not name:
        raise ExtractionError("MER-E190", f"{extractor} was given no weights.", _how_to_get(release, extractor))
    place = Path(name).expanduser()
    if place.is_dir():
        return _of(_in_folder(place, release, extractor), name)
    if place.is_file():
        return _of(place, name)
    sought = [str(place.absolute())]
    if len(name.split("/")) == 2 and not name.startswith((".", "~")):
        cached = _in_hub(name, release, extractor, download)
        if cached is not None:
            return _of(cached, name)
        sought.append(f"the local cache of the hub (as hub id {name})")
    raise ExtractionError(
        "MER-E191",
        f"{extractor}: the weights '{name}' are not on this machine. Looked in: {'; '.join(sought)}.",
        _how_to_get(release, extractor),
    )


def one_file(name: str, extractor: str) -> CheckpointFile | None:
    """The weights if `name` is a file with parameters; None if it is something else (a folder, a hub id).

    Raises:
        ExtractionError: if it is a file of another kind, or is called like one with parameters and is not there.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        if path.suffix in _ENDINGS and not path.exists():
            raise ExtractionError(
                "MER-E178",
                f"{extractor}: the file '{name}' is not there. Looked for {path.absolute()}.",
                f"Name the file or its folder: {extractor}:weights=FILE.",
            )
        return None
    if path.suffix not in _ENDINGS:
        raise ExtractionError(
            "MER-E171",
            f"{extractor}: the weights '{name}' are a file of an unknown kind.",
            f"Expected a folder, or a file that ends in {', '.join(_ENDINGS)}.",
        )
    return _of(path, name)


def read_states(weights: Weights, extractor: str) -> dict[str, torch.Tensor]:
    """All parameters of a folder (its shards together) or a file; see `read_state`."""
    states: dict[str, torch.Tensor] = {}
    for file in weights.files:
        if not file.endswith(".json"):
            states |= read_state(weights.folder / file, extractor=extractor)
    return states


def without_prefixes(state: Mapping[str, torch.Tensor], prefixes: Sequence[str]) -> dict[str, torch.Tensor]:
    """Names without what wrappers put before them, however often, e.g. ``module.encoder.norm.bias``: ``norm.bias``."""
    stripped = {}
    for name, value in state.items():
        while prefix := next((p for p in prefixes if name.startswith(p)), ""):
            name = name.removeprefix(prefix)
        stripped[name] = value
    return stripped


def read_state(path: Path, *, extractor: str, records: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """Read the parameters of a checkpoint on the CPU; code that the file asks for is never run.

    Wrappers of training scripts (``state_dict``, ...) are opened and prefixes that all names share (``module.``) are
    taken off.

    Args:
        path: safetensors, or what `torch.save` wrote.
        extractor: who asks, for messages.
        records: classes and functions by full name that the authors' training script left in the file beside the
            parameters; they are read as empty placeholders.

    Raises:
        ExtractionError: if the file cannot be read, needs code, or holds no parameters.
    """
    kept = (_OPTIONS, *records)
    content = _read_safetensors(path, extractor) if path.suffix == ".safetensors" else _read(path, extractor, kept)
    while isinstance(content, Mapping):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    state = _tensors(content)
    if not state:
        raise ExtractionError(
            "MER-E194", f"{extractor}: {path} holds no parameters by name.", "Expected a state dict of the network."
        )
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def load_state(
    network: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    *,
    path: Path,
    extractor: str,
    unused: Sequence[str] = (),
) -> None:
    """Put parameters into a network; all of them must be there and fit.

    Counts of training steps may be lacking or left over: PyTorch before 0.4.1 wrote none, and they change no numbers.

    Args:
        network: to load into.
        state: parameters by name.
        path: of the file, for messages.
        extractor: who asks, for messages.
        unused: beginnings of names that the network does not need: heads.

    Raises:
        ExtractionError: naming the parameters that are missing, unknown or of another shape.
    """
    wanted = network.state_dict()
    passed = tuple(unused) or ("\0",)
    state = {key: value for key, value in state.items() if key in wanted or not key.startswith(passed)}
    lacks = [key for key in wanted if key not in state and not key.endswith(_COUNT)]
    unknown = [key for key in state if key not in wanted and not key.endswith(_COUNT)]
    misfits = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    problems = {"lacks": lacks, "has unknown": unknown, "has of another shape": misfits}
    found = "; ".join(f"it {verb} {_listed(keys)}" for verb, keys in problems.items() if keys)
    if found:
        raise ExtractionError(
            "MER-E195",
            f"{extractor}: {path} is no checkpoint of {type(network).__name__}: {found}.",
            "Name the file that belongs to this extractor; `mertools list extractors --json` says its name and source.",
        )
    network.load_state_dict(state, strict=False)


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more


def _of(path: Path, name: str) -> CheckpointFile:
    return CheckpointFile(path.parent, name, (path.name,), ())


def _in_folder(folder: Path, release: Release, extractor: str) -> Path:
    for file in (*_USUAL, *release.files):
        if (folder / file).is_file():
            return folder / file
    try:
        others = sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS and path.is_file())
    except OSError as error:
        raise _unreadable(folder, extractor, error) from error
    if len(others) == 1:
        return others[0]
    if others:
        raise ExtractionError(
            "MER-E192",
            f"{extractor}: {folder} holds several files with parameters: {', '.join(p.name for p in others)}.",
            f"Name one: {extractor}:weights=FILE.",
        )
    expected = ", ".join((*_USUAL, *release.files))
    raise ExtractionError(
        "MER-E191",
        f"{extractor}: {folder} holds no weights. Expected one of: {expected}.",
        _how_to_get(release, extractor),
    )


def _in_hub(name: str, release: Release, extractor: str, download: bool) -> Path | None:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    reason = ""
    for file in (*release.files, *_USUAL):
        try:
            cached = try_to_load_from_cache(name, file)
            if isinstance(cached, str):
                return Path(cached)
            if download:
                return Path(hf_hub_download(name, file))
        except LocalEntryNotFoundError as error:
            reason = str(error)
        except EntryNotFoundError:
            reason = reason or f"the repository has none of {', '.join((*release.files, *_USUAL))}"
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            reason = str(error) or type(error).__name__
    if download:
        raise ExtractionError(
            "MER-E193",
            f"{extractor}: '{name}' could not be downloaded: {' '.join(reason.split())[:300]}.",
            "Check the id and the network, or copy the file here and give weights=FILE.",
        )
    return None


def _how_to_get(release: Release, extractor: str) -> str:
    hub = f"fetch it with {extractor}:download=true, or " if release.hub_id else ""
    hand = f"fetch {release.files[0]} from {release.source}, then " if release.files and release.source else ""
    text = f"{hub}{hand}give its file or folder: {extractor}:weights=FILE."
    return text[0].upper() + text[1:]


def _read_safetensors(path: Path, extractor: str) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, extractor, error) from error
    return tensors


def _read(path: Path, extractor: str, records: Sequence[str]) -> Any:
    from pickle import UnpicklingError
    from zipfile import is_zipfile

    import torch

    try:
        with _placeholders(records):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except UnpicklingError as error:
        asked = _foreign_code(path, str(error), records)
        if not asked:
            raise _unreadable(path, extractor, error) from error
        raise ExtractionError(
            "MER-E196",
            f"{extractor}: {path} asks for code to be run when it is read ({', '.join(asked)}), which is refused.",
            "Where you trust its authors' code, save the parameters alone: torch.save(network.state_dict(), FILE).",
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise _unreadable(path, extractor, error) from error


def _foreign_code(path: Path, message: str, records: Sequence[str]) -> list[str]:
    """Full names of what the file wants to call, as far as they can be told."""
    import torch

    try:
        asked = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # an older layout that the function does not know; the message names the first
        asked = re.findall(r"GLOBAL (\S+)", message)
    return [name for name in asked if name not in records]


def _unreadable(path: Path, extractor: str, error: Exception) -> ExtractionError:
    # What PyTorch says around the point is how to read the file unsafely: advice that nobody should follow.
    point = str(error).rpartition("WeightsUnpickler error:")[2].partition("Check the documentation")[0]
    reason = " ".join(point.split())[:300] or type(error).__name__
    return ExtractionError("MER-E197", f"{extractor}: {path} cannot be read: {reason}", "Fetch the file again.")


def _tensors(content: Any) -> dict[str, torch.Tensor]:
    import torch

    if not isinstance(content, Mapping):
        return {}
    return {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}


class _Placeholder:
    """Stands for an object of a training script that nobody needs; takes anything and keeps nothing."""

    def __new__(cls, *_: Any) -> _Placeholder:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Forget it."""


@contextmanager
def _placeholders(records: Sequence[str]) -> Iterator[None]:
    import torch

    with torch.serialization.safe_globals([(_Placeholder, name) for name in records]):
        yield
