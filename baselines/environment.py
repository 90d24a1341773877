"""What a result was computed with: packages, Python, processor, GPUs; no addresses and no paths of the machine."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

_ABSOLUTE = re.compile(r"(?<![\w.:/\\])(?:/|[A-Za-z]:[\\/])(?:[^\s/\\,;:'\"|]+[\\/])*([^\s/\\,;:'\"|]+)[\\/]?")


def installed_packages() -> list[str]:
    """``NAME==VERSION`` of every installed package, in alphabetical order; from where it came is left out."""
    found = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return [f"{name}=={version}" for name, version in sorted(found.items(), key=lambda pair: pair[0].lower())]


def machine() -> dict[str, Any]:
    """Python, system, processor and GPUs."""
    import torch

    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "gpus": gpus,
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
    }


def portable(value: Any) -> Any:
    """The same data with absolute paths cut down to their last part.

    Example:
        >>> portable({"store": "/home/ann/corpus/store", "spec": "audio/hubert:weights=/data/hub", "n": 3})
        {'store': 'store', 'spec': 'audio/hubert:weights=hub', 'n': 3}
    """
    if isinstance(value, str):
        return _ABSOLUTE.sub(lambda found: found.group(1), value)
    if isinstance(value, Mapping):
        return {portable(key): portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    return value


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
