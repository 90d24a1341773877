"""``mertools doctor``: what works on this machine, and the exact command for what does not."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from mertools.cli import FINE, NOT_FINE, Outcome

HELP = "what works on this machine, and the exact command for what does not"

State = Literal["ok", "absent", "warning", "broken"]
_MARKS: dict[State, str] = {"ok": "ok  ", "absent": "-   ", "warning": "WARN", "broken": "FAIL"}

TRIO = {"torch": "2.11", "torchvision": "0.26", "torchaudio": "2.11"}
"""Versions that fit together; their wheels share one CUDA version."""
_TRIO_COMMAND = "pip install 'torch>=2.11,<2.12' 'torchvision>=0.26,<0.27' 'torchaudio>=2.11,<2.12'"

CORE = (
    "numpy", "scipy", "sklearn", "skimage", "cv2", "av", "librosa", "lightning", "transformers", "facenet_pytorch",
    "safetensors", "timm", "optuna", "rich", "msgspec", "yaml", "jinja2", "plotly",
)  # fmt: skip
"""Modules without which something of the main road is missing."""
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "skimage": "scikit-image", "cv2": "opencv-python-headless", "yaml": "PyYAML",
    "facenet_pytorch": "facenet-pytorch",
}  # fmt: skip

EXTRAS = {
    "audio-smile": (("opensmile",), "audio/is09 ... audio/compare (openSMILE, non-commercial use only)"),
    "ray": (("ray",), "extract --engine ray"),
    "llm": (("accelerate", "peft"), "large language models and their adapters"),
    "tensorboard": (("tensorboard",), "curves of trainings (the default of frame-level ones)"),
    "wandb": (("wandb",), "train logger=wandb"),
    "mlflow": (("mlflow",), "train logger=mlflow"),
    "inspect": (("gradio",), "the local web page of mertools inspect"),
    "reenactment": (("diffusers",), "face reenactment"),
    "serve": (("fastapi",), "serving predictions"),
    "docs": (("mkdocs",), "building the documentation"),
    "dev": (("pytest", "hypothesis", "ruff", "mypy"), "working on mertools itself"),
}
"""Extra -> the modules it brings, and what they are for."""

_CODECS = ("h264", "hevc", "mpeg4", "vp9", "aac", "mp3", "opus", "flac", "pcm_s16le")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        room: group it is shown under.
        name: what was looked at.
        state: ``ok``; ``absent`` (optional and not there); ``warning`` (works, but); ``broken`` (the road does not).
        found: what is there.
        mend: the command or step that helps; empty if nothing is to do.
    """

    room: str
    name: str
    state: State
    found: str
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb has no options of its own."""


def run(arguments: argparse.Namespace) -> Outcome:
    """Look at everything; exit code 1 if the main road does not work here."""
    checks = [*machine(), *torch_and_gpu(), *packages(CORE), *media(), *weights(), *extras()]
    broken = [check for check in checks if check.state == "broken"]
    document = {"ok": not broken, "checks": [asdict(check) for check in checks]}
    return Outcome(document, _text(checks, len(broken)), NOT_FINE if broken else FINE)


def machine(folder: Path | None = None) -> Iterator[Check]:
    """Python, CPU, memory, disk, and whether `folder` (default: where we are) may be written."""
    yield _python(sys.version_info[:3])
    yield Check("machine", "CPU", "ok", f"{_cpus()} usable cores, {platform.machine()}, {platform.system()}")
    memory = _memory_gb()
    if memory is not None:
        small = memory < 4
        yield Check(
            "machine", "memory", "warning" if small else "ok", f"{memory:.1f} GB",
            "Large models need more; the offline extractors run with 4 GB." if small else "",
        )  # fmt: skip
    here = (folder or Path.cwd()).resolve()
    free_gb = shutil.disk_usage(here).free / 1e9
    yield Check(
        "machine", "disk", "warning" if free_gb < 2 else "ok", f"{free_gb:.1f} GB free at {here}",
        "Free some space before extracting a large corpus." if free_gb < 2 else "",
    )  # fmt: skip
    try:
        with tempfile.NamedTemporaryFile(dir=here, prefix=".mertools-doctor-"):
            yield Check("machine", "writing", "ok", f"{here} may be written")
    except OSError as error:
        yield Check("machine", "writing", "broken", f"{here}: {error.strerror}", "Change to a folder you may write.")


def _python(release: Sequence[int]) -> Check:
    found = ".".join(map(str, release))
    if tuple(release) < (3, 11):
        return Check("machine", "Python", "broken", found, "mertools needs Python 3.11 or newer.")
    return Check("machine", "Python", "ok", f"{found} ({sys.executable})")


def torch_and_gpu() -> Iterator[Check]:
    """The trio of torch packages, whether they can be imported together, and the GPUs they see."""
    importable = True
    for name, wanted in TRIO.items():
        check = _trio_member(name, wanted)
        importable &= check.state != "broken"
        yield check
    if not importable:
        return
    import torch

    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            size = (
                f"{facts.total_memory / 2**30:.0f} GiB, compute {facts.major}.{facts.minor}, CUDA {torch.version.cuda}"
            )
            yield Check("torch", f"GPU {index}", "ok", f"{facts.name}, {size}")
    elif shutil.which("nvidia-smi"):
        yield Check(
            "torch", "GPU", "warning", "nvidia-smi is installed, but torch sees no GPU",
            "Run nvidia-smi: if it lists a GPU, its driver is older than torch's CUDA "
            f"{torch.version.cuda}; update the driver.",
        )  # fmt: skip
    else:
        yield Check("torch", "GPU", "absent", "none; everything runs on the CPU")


def _trio_member(name: str, wanted: str) -> Check:
    try:
        found = version(name)
    except PackageNotFoundError:
        return Check("torch", name, "broken", "not installed", _TRIO_COMMAND)
    try:
        importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:  # wheels of different CUDA versions fail in all these ways
        reason = " ".join(str(error).split())[:160]
        return Check("torch", name, "broken", f"{found} cannot be imported: {reason}", _TRIO_COMMAND)
    if not found.startswith(wanted + "."):
        return Check("torch", name, "warning", f"{found}; {wanted} is what was tested together", _TRIO_COMMAND)
    return Check("torch", name, "ok", found)


def packages(modules: Sequence[str]) -> Iterator[Check]:
    """Each core package; those that are there in one line, each missing one in its own."""
    there = {name: _version(name) for name in modules if find_spec(name) is not None}
    if there:
        yield Check("packages", "installed", "ok", ", ".join(f"{_pip(n)} {v}" for n, v in there.items()))
    for name in modules:
        if name not in there:
            yield Check("packages", name, "broken", "not installed", f"pip install {_pip(name)}")
    if "facenet_pytorch" in there and there["facenet_pytorch"] != "2.5.3":
        yield Check(
            "packages", "facenet-pytorch", "warning", f"{there['facenet_pytorch']}; 2.5.3 is needed beside torch 2.11",
            "pip install --no-deps facenet-pytorch==2.5.3",
        )  # fmt: skip


def media() -> Iterator[Check]:
    """What PyAV's ffmpeg can decode."""
    if find_spec("av") is None:
        return
    import av

    missing = [name for name in _CODECS if name not in av.codecs_available]
    libraries = ", ".join(
        f"{n} {'.'.join(map(str, v))}" for n, v in sorted(av.library_versions.items()) if n == "libavcodec"
    )
    if missing:
        yield Check(
            "media", "codecs", "warning", f"PyAV {av.__version__} ({libraries}) lacks {', '.join(missing)}",
            "pip install --force-reinstall --only-binary :all: av",
        )  # fmt: skip
    else:
        yield Check("media", "codecs", "ok", f"PyAV {av.__version__} ({libraries}): {', '.join(_CODECS)}")


def weights() -> Iterator[Check]:
    """MTCNN's weights, which ship with facenet-pytorch, and where Hugging Face models are looked for."""
    spec = find_spec("facenet_pytorch")
    if spec is not None and spec.origin:
        folder = Path(spec.origin).parent / "data"
        missing = [f"{net}.pt" for net in ("pnet", "rnet", "onet") if not (folder / f"{net}.pt").is_file()]
        if missing:
            mend = "pip install --force-reinstall --no-deps facenet-pytorch==2.5.3"
            yield Check("weights", "MTCNN", "broken", f"{folder} lacks {', '.join(missing)}", mend)
        else:
            yield Check("weights", "MTCNN", "ok", str(folder))
    if find_spec("huggingface_hub") is not None:
        from huggingface_hub import constants

        cache = Path(constants.HF_HUB_CACHE)
        models = sorted(p.name for p in cache.glob("models--*")) if cache.is_dir() else []
        offline = "; HF_HUB_OFFLINE is set, nothing is fetched" if constants.HF_HUB_OFFLINE else ""
        yield Check(
            "weights", "Hugging Face cache", "ok" if models else "absent", f"{cache}: {len(models)} models{offline}"
        )


def extras() -> Iterator[Check]:
    """Each extra: installed, or the command that installs it."""
    for extra, (modules, purpose) in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            command = f"pip install 'mertools[{extra}]'"
            yield Check("extras", extra, "absent", f"{purpose}; missing: {', '.join(missing)}", command)
        else:
            yield Check("extras", extra, "ok", purpose)


def _text(checks: Sequence[Check], n_broken: int) -> str:
    width = max(len(check.name) for check in checks)
    lines: list[str] = []
    for before, check in zip((None, *checks), checks, strict=False):
        if before is None or check.room != before.room:
            lines += ["", check.room]
        lines.append(f"  {_MARKS[check.state]} {check.name:<{width}}  {check.found}")
        if check.mend:
            lines.append(f"       {'':<{width}}  → {check.mend}")
    verdict = (
        "Everything the main road needs works." if not n_broken else f"{n_broken} things are broken; see FAIL above."
    )
    return "\n".join([*lines[1:], "", verdict])


def _version(module: str) -> str:
    try:
        return version(_pip(module))
    except PackageNotFoundError:
        return "?"


def _pip(module: str) -> str:
    return _DISTRIBUTIONS.get(module, module)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_gb() -> float | None:
    """Physical memory in GB; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        return None
