"""Files with parameters as authors release them: one ``.pth``, ``.pt``, ``.bin`` or ``.safetensors``, without a folder.

Nothing that comes with a file is run: torch archives are read through ``weights_only=True``. The only class beyond
tensors and plain data that may appear in one is `argparse.Namespace`, in which training scripts keep their options.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

from feature_extractors.weights import Weights
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
WRAPPERS = ("model", "module", "state_dict")
"""Names under which training scripts put the parameters beside other things, in the order of preference."""


class OneFile(Weights):
    """A single file; a renamed file is the same weights."""

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits of the content."""
        with (self.folder / self.files[0]).open("rb") as file:
            return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=8)).hexdigest()


def find_file(name: str, extractor: str) -> Weights | None:
    """The weights if `name` is a file with parameters; None if it is something else (a folder, a hub id).

    Raises:
        ExtractionError: if it is a file of another kind, or is called like one with parameters and is not there.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        if path.suffix in SUFFIXES and not path.exists():
            raise ExtractionError(
                "MER-E178",
                f"{extractor}: the file '{name}' is not there. Looked for {path.absolute()}.",
                f"Name the file or its folder: {extractor}:weights=FILE.",
            )
        return None
    if path.suffix not in SUFFIXES:
        raise ExtractionError(
            "MER-E171",
            f"{extractor}: the weights '{name}' are a file of an unknown kind.",
            f"Expected a folder, or a file that ends in {', '.join(SUFFIXES)}.",
        )
    return OneFile(path.parent, name, (path.name,), ())


def read_states(weights: Weights, extractor: str) -> dict[str, torch.Tensor]:
    """All parameters of a folder or file, under the names they were saved with.

    Args:
        weights: where they are.
        extractor: who asks, for messages.

    Raises:
        ExtractionError: if a file is damaged, holds no parameters, or holds more and would run code.
    """
    states: dict[str, torch.Tensor] = {}
    for file in weights.files:
        if not file.endswith(".json"):
            states |= _read(weights.folder / file, extractor)
    return states


def without_prefixes(state: Mapping[str, torch.Tensor], prefixes: Sequence[str]) -> dict[str, torch.Tensor]:
    """Names without what wrappers put before them, however often, e.g. ``module.encoder.norm.bias``: ``norm.bias``."""
    stripped = {}
    for name, value in state.items():
        while prefix := next((p for p in prefixes if name.startswith(p)), ""):
            name = name.removeprefix(prefix)
        stripped[name] = value
    return stripped


def load_state(
    model: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    where: Path,
    extractor: str,
    *,
    unused: Iterable[str] = (),
) -> None:
    """Put parameters into a model; every one must be there, have its shape, and be used.

    Args:
        model: gets them.
        state: by name.
        where: the file, for messages.
        extractor: who asks, for messages.
        unused: beginnings of names that the file may have and the model has not (heads, decoders).

    Raises:
        ExtractionError: naming what is missing, of another shape, or unknown.
    """
    ignored = tuple(unused)
    own = model.state_dict()
    state = {name: value for name, value in state.items() if name in own or not name.startswith(ignored or ("\0",))}
    problems = [
        *_problem("lacks", (name for name in own if name not in state)),
        *_problem("has no use for", (name for name in state if name not in own)),
        *_problem("has another shape for", (n for n in own if n in state and own[n].shape != state[n].shape)),
    ]
    if problems:
        raise ExtractionError(
            "MER-E172",
            f"{extractor}: {where} does not fit {type(model).__name__}: it {'; it '.join(problems)}.",
            "Expected a checkpoint of this model; name the right file, or another extractor.",
        )
    model.load_state_dict(dict(state))


def _problem(what: str, names: Iterable[str]) -> list[str]:
    found = sorted(names)
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return [f"{what} {', '.join(found[:3])}{more}"] if found else []


def _read(path: Path, extractor: str) -> dict[str, torch.Tensor]:
    import torch
    from safetensors import SafetensorError

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError, SafetensorError) as error:
        code = _code_in(path, str(error)) if isinstance(error, UnpicklingError) else []
        if code:
            raise ExtractionError(
                "MER-E177",
                f"{extractor}: {path} holds more than parameters: reading it would run {', '.join(code)}.",
                "That is refused. Whoever trusts the file can save its parameters alone, as safetensors.",
            ) from None
        # torch's own text would have the reader switch its protection off
        reason = " ".join(str(error).split()).split("WeightsUnpickler error:")[-1].strip()[:200]
        raise ExtractionError(
            "MER-E173", f"{extractor}: {path} cannot be read: {reason}", "Fetch the file again."
        ) from None
    state = _unwrapped(content)
    if not state:
        raise ExtractionError(
            "MER-E174", f"{extractor}: {path} holds no parameters.", f"Expected a state dict, or one under {WRAPPERS}."
        )
    return state


def _code_in(path: Path, refusal: str) -> list[str]:
    """Full names of what a file asks for beyond parameters; the refusal names the first where the file cannot tell."""
    import torch

    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # a file that is no torch archive fails in many ways
        return re.findall(r"GLOBAL (\S+)", refusal)


def _unwrapped(content: Any) -> dict[str, torch.Tensor]:
    import torch

    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping):
        return {}
    return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
