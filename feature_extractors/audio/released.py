"""Networks of ours that read the file their authors released: the file says how large the network is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from feature_extractors import EXTRACTORS
from feature_extractors.base import Waveform
from feature_extractors.checkpoint_files import CheckpointFile, Release, find_checkpoint, load_state, read_state
from feature_extractors.pretrained import Checkpoint, Pretrained
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch


def register_release(
    cls: type[ReleasedNetwork], known: Checkpoint, release: Release, checksums: Mapping[str, str] | None = None
) -> None:
    """Register a network whose parameters are one published file.

    Args:
        cls: the extractor.
        known: its facts.
        release: where the file is; its hub id, if it has one, is the default of ``weights``.
        checksums: first digits of the sha256 of published files, where their authors state them.
    """
    facts = {name: value for name, value in vars(known).items() if name not in ("name", "architecture")}
    EXTRACTORS.add(
        known.name,
        cls,
        defaults={"weights": known.hub_id} if known.hub_id else {},
        files=list(release.files),
        source=release.source,
        checksums=dict(checksums or {}),
        **{**facts, "trained_on": list(known.trained_on)},
    )


class ReleasedNetwork(Pretrained[Waveform]):
    """Base: a family names its network, and what of a file belongs to it.

    Attributes:
        wanted: beginnings of the names of the parameters that embeddings depend on; others may stand in the file.
        unused: beginnings of names among those that the network has not.
    """

    modality = "audio"
    model_types = ()
    needed = ()
    wanted: ClassVar[tuple[str, ...]] = ("",)

    @classmethod
    @abstractmethod
    def network(cls, state: Mapping[str, torch.Tensor] | None) -> Any:
        """The network without parameters, of the sizes of `state`, or of the published sizes; it has `dim`.

        Raises:
            KeyError: naming a parameter that is not there.
        """

    @classmethod
    @abstractmethod
    def tiny_network(cls) -> Any:
        """A small one, random, for `fake_weights`."""

    @classmethod
    def fake_weights(cls, folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
        """A tiny random network under the published names; see `Extractor.fake_weights`."""
        import torch
        from safetensors.torch import save_file

        from feature_extractors.fakes import roughen

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            state = roughen(cls.tiny_network()).state_dict()
        save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors")
        return {"weights": str(folder)}

    @cached_property
    def weights(self) -> CheckpointFile:
        """The file; found on first use.

        Raises:
            ExtractionError: if it is not there.
        """
        release = Release(tuple(self.facts["files"]), self.facts["source"], self.facts["hub_id"])
        return find_checkpoint(self.config.weights, release, extractor=self.name, download=self.config.download)

    @cached_property
    def dim(self) -> int:
        """Width of the rows, from the file.

        Raises:
            ExtractionError: if the file is not there, cannot be read, or holds another network.
        """
        import torch

        state = self._state()
        with torch.device("meta"):
            return int(self._sized(state).dim)

    def build(self) -> Any:
        """The network with its parameters, float32, on the CPU."""
        state = self._state()
        network = self._sized(state)
        load_state(network, state, path=self.weights.path, extractor=self.name, unused=self.unused)
        return network

    @classmethod
    def tidied(cls, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Parameters under the names and in the shapes that the network has, where releases differ in them."""
        return state

    def _state(self) -> dict[str, torch.Tensor]:
        state = self.tidied(read_state(self.weights.path, extractor=self.name))
        return {key: value for key, value in state.items() if key.startswith(self.wanted)}

    def _sized(self, state: Mapping[str, torch.Tensor]) -> Any:
        try:
            return self.network(state)
        except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
            there = ", ".join(list(state)[:3]) or "none of its parameters"
            raise ExtractionError(
                "MER-E130",
                f"{self.name}: {self.weights.path} is no checkpoint of this network: {error} cannot be read from it; "
                f"it has {there}.",
                f"Expected {' or '.join(self.facts['files'])}, as its authors released it.",
            ) from None
