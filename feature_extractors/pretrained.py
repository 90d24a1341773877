"""What extractors with published weights share: finding them, reading their configuration, loading, precision."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from feature_extractors import EXTRACTORS
from feature_extractors.base import Extractor, I, Precision, WeightsConfig
from feature_extractors.weights import Weights, find_weights
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Checkpoint:
    """Facts of a published model.

    Attributes:
        name: the name users type.
        hub_id: where it is published.
        dim: D of its embeddings.
        licence: of the weights, as published.
        trained_on: corpora it has seen; those with labels say so.
        padding_invariant: whether inputs of different length may share a batch.
        rate_hz: rows per second; None where rows follow frames or tokens.
        summary: one line for the list.
        n_layers: hidden layers; None where that is no fact of the family.
        architecture: its published config.json, as far as it differs from the defaults of its class.
    """

    name: str
    hub_id: str
    dim: int
    licence: str
    trained_on: tuple[str, ...]
    padding_invariant: bool = True
    rate_hz: float | None = None
    summary: str = ""
    n_layers: int | None = None
    architecture: Mapping[str, Any] = field(default_factory=dict)


def register_family(cls: type[Extractor[Any]], generic: str, summary: str, checkpoints: Sequence[Checkpoint]) -> None:
    """Register a family: its published checkpoints, and `generic` for any other folder or hub id."""
    for known in checkpoints:
        facts = {name: value for name, value in vars(known).items() if name != "name"}
        facts |= {"summary": known.summary or summary, "trained_on": list(known.trained_on)}
        EXTRACTORS.add(known.name, cls, defaults={"weights": known.hub_id}, **facts)
    EXTRACTORS.add(
        generic,
        cls,
        licence="as published with the weights",
        summary=f"{summary}; any checkpoint, by weights=FOLDER",
        dim=None,
        rate_hz=checkpoints[0].rate_hz,
        hub_id="",
        padding_invariant=None,
        trained_on=None,
        n_layers=None,
        architecture={},
        defaults={},
    )


class Pretrained(Extractor[I], Generic[I]):
    """Base of extractors that load a transformers model from a folder.

    Attributes:
        model_types: values of ``model_type`` in config.json that the family reads.
        needed: files beside the parameters; ``a|b`` means one of them.
        optional: further files that change numbers if they are there.
        unused: parameters that a checkpoint may lack, because embeddings do not depend on them.
        exact: parts of the model that compute in float32 at every precision.
        checked: attributes that `load` asks for first: reading them raises where an option does not fit the model.
    """

    Config: ClassVar[type[WeightsConfig]] = WeightsConfig
    torch_model = True
    model_types: ClassVar[tuple[str, ...]]
    needed: ClassVar[tuple[str, ...]] = ("config.json",)
    optional: ClassVar[tuple[str, ...]] = ()
    unused: ClassVar[tuple[str, ...]] = ()
    checked: ClassVar[tuple[str, ...]] = ()
    exact: ClassVar[tuple[str, ...]] = ()
    config: Any

    def __init__(self, name: str, config: Any, facts: Mapping[str, Any]) -> None:
        super().__init__(name, config, {**facts, "weights": config.weights})  # recorded: where they came from
        self.device = "cpu"
        self.precision: Precision = "fp32"
        self._model: torch.nn.Module | None = None

    @classmethod
    def fake_weights(cls, folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
        """A tiny random model of the first of `model_types`; see `Extractor.fake_weights`."""
        from feature_extractors.fakes import write_transformers_model

        kind = facts["architecture"].get("model_type", cls.model_types[0])
        write_transformers_model(kind, folder, layer_norm=bool(facts["padding_invariant"]))
        return {"weights": str(folder)}

    @cached_property
    def weights(self) -> Weights:
        """The folder, checked; found on first use.

        Raises:
            ExtractionError: if something is missing.
        """
        return find_weights(
            self.config.weights,
            extractor=self.name,
            needed=self.needed,
            optional=self.optional,
            download=self.config.download,
        )

    @cached_property
    def architecture(self) -> Any:
        """The model's configuration, read without its parameters.

        Raises:
            ExtractionError: if the folder holds a model of another family.
        """
        found = self.weights.read_json("config.json").get("model_type", "")
        if found not in self.model_types:
            raise ExtractionError(
                "MER-E115",
                f"{self.name}: {self.weights.folder} holds a model of type '{found}'.",
                f"Expected {' or '.join(self.model_types)}; `mertools list extractors` shows the others.",
            )
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.weights.folder, local_files_only=True, trust_remote_code=False)

    def settings(self) -> dict[str, Any]:
        """Options, with the content of the weights in place of where they lie."""
        return {**super().settings(), "weights": self.weights.digest}

    def load(self, device: str, precision: Precision) -> None:
        """Read the parameters and bring them to a device.

        Args:
            device: as torch names it, e.g. ``cuda:1``.
            precision: of matrix products and convolutions; normalisation, sums and results stay float32.

        Raises:
            ExtractionError: if files are missing, damaged, or lack parameters, or an option does not fit the model.
        """
        for attribute in self.checked:
            getattr(self, attribute)
        model = self.build()
        model.eval().requires_grad_(False)
        if precision != "fp32":
            _narrow(model, _dtype(precision), [model.get_submodule(part) for part in self.exact], device)
        self.device, self.precision = device, precision
        self._model = model.to(device)

    @property
    def model(self) -> Any:
        """The loaded model."""
        if self._model is None:
            raise RuntimeError(f"{self.name}: embed was called before load")
        return self._model

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """The model with its parameters, float32, on the CPU (see `from_folder`)."""

    def from_folder(self, cls: Any, architecture: Any = None, **options: Any) -> Any:
        """Read a transformers class from the folder; every parameter must be there, but for `unused`.

        Args:
            cls: the class.
            architecture: its configuration where it is not that of the folder.
            **options: further ones of its ``from_pretrained``, e.g. ``dtype``, which is float32 unless given.

        Raises:
            ExtractionError: if a file cannot be read or parameters are missing.
        """
        import torch

        try:
            with quiet_transformers():
                model, report = cls.from_pretrained(
                    self.weights.folder,
                    config=architecture or self.architecture,
                    local_files_only=True,
                    trust_remote_code=False,
                    use_safetensors=self.weights.safetensors,
                    weights_only=True,
                    output_loading_info=True,
                    **{"dtype": torch.float32, **options},
                )
        except (OSError, RuntimeError, ValueError, KeyError, _safetensors_error(), _unpickling_error()) as error:
            reason = " ".join(str(error).split())[:300]
            raise ExtractionError(
                "MER-E116",
                f"{self.name}: {self.weights.folder / self.weights.files[0]} cannot be read: {reason}",
                "Fetch the file again.",
            ) from error
        missing = sorted(key for key in report["missing_keys"] if not key.endswith(self.unused or ("\0",)))
        if missing:
            raise ExtractionError(
                "MER-E117",
                f"{self.name}: {self.weights.folder / self.weights.files[0]} lacks {len(missing)} parameters, "
                f"e.g. {', '.join(missing[:3])}.",
                f"Expected a checkpoint of {cls.__name__}.",
            )
        return model

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Inference in the chosen precision; fp32 means fp32 on a GPU too (no TF32 in its convolutions)."""
        import torch

        narrow = self.precision != "fp32"
        with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=narrow):
            if narrow:
                with torch.autocast(torch.device(self.device).type, _dtype(self.precision)):
                    yield
            else:
                yield

    @property
    def on_gpu(self) -> bool:
        """Whether the model runs on an accelerator: then larger batches pay."""
        return not self.device.startswith("cpu")


def published_config(facts: Mapping[str, Any]) -> Any:
    """The transformers configuration of a published model, written down in its `Checkpoint`."""
    from transformers import AutoConfig

    architecture = dict(facts["architecture"])
    return AutoConfig.for_model(architecture.pop("model_type"), **architecture)


def n_parameters(model: torch.nn.Module) -> int:
    """Number of parameters, on any device."""
    return sum(parameter.numel() for parameter in model.parameters())


def _dtype(precision: Precision) -> torch.dtype:
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]


def _narrow(model: torch.nn.Module, dtype: torch.dtype, exact: Sequence[torch.nn.Module], device: str) -> None:
    """Store in 16 bit the parameters that autocast would narrow at every call.

    Those of normalisation stay float32, and so do those that a weight norm is computed from and those of `exact` parts,
    which autocast passes over.
    """
    from torch import nn
    from torch.nn.utils import parametrize

    untouched = {module for part in exact for module in part.modules()}
    for module in model.modules():
        plain = module not in untouched and not parametrize.is_parametrized(module)
        if plain and isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            module.to(dtype)
    for part in exact:
        part.forward = _without_autocast(part.forward, device)


def _without_autocast(forward: Callable[..., Any], device: str) -> Callable[..., Any]:
    import torch

    kind = torch.device(device).type

    def exact(*inputs: Any, **options: Any) -> Any:
        with torch.autocast(kind, enabled=False):
            return forward(*inputs, **options)

    return exact


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    return SafetensorError


def _unpickling_error() -> type[Exception]:
    from pickle import UnpicklingError

    return UnpicklingError


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' progress bars and reports: what matters is checked and raised."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
