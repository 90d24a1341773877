"""What convolutional networks that embed one crop at a time share: their file, their preprocessing, their rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from feature_extractors import EXTRACTORS
from feature_extractors.base import FaceConfig, FaceCrops, Level, PublishedShape, Rows, WeightsConfig
from feature_extractors.checkpoint_files import CheckpointFile, Release, find_checkpoint, load_state, read_state
from feature_extractors.face.preprocessing import ImagePreprocessing
from feature_extractors.pretrained import Pretrained, n_parameters
from mertools.errors import ExtractionError

if TYPE_CHECKING:
    import torch

_CPU_BATCH = 16  # crops; larger batches leave the cache of a CPU
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@dataclass(frozen=True)
class ImageCnnConfig(WeightsConfig, FaceConfig):
    """Options of image networks: those of faces and of weights.

    `weights` is the authors' file, a folder that holds it, or a hub id where there is one.
    """


@dataclass(frozen=True)
class PublishedCnn:
    """Facts of a published network.

    Attributes:
        name: the name users type.
        dim: D of its embeddings.
        licence: of the weights, as published.
        trained_on: corpora it has seen: those that the toolkit knows by their name there, and all in words with what
            they were labelled with.
        summary: one line for the list.
        release: where its file is.
        checksums: first digits of the sha256 of published files, where their authors state them.
    """

    name: str
    dim: int
    licence: str
    trained_on: tuple[str, ...]
    summary: str
    release: Release
    checksums: Mapping[str, str] = field(default_factory=dict)


def register_cnn(cls: type[ImageCnn], *published: PublishedCnn) -> None:
    """Register the published networks of a family."""
    for known in published:
        hub_id = known.release.hub_id
        EXTRACTORS.add(
            known.name,
            cls,
            licence=known.licence,
            summary=known.summary,
            dim=known.dim,
            rate_hz=None,
            hub_id=hub_id,
            padding_invariant=True,
            trained_on=list(known.trained_on),
            n_layers=None,
            files=list(known.release.files),
            source=known.release.source,
            checksums=dict(known.checksums),
            defaults={"weights": hub_id} if hub_id else {},
        )


class ImageCnn(Pretrained[FaceCrops]):
    """One embedding per crop. A family says its preprocessing and makes its network; the file says how wide it is.

    In half precision the sums between blocks are of half precision too: convolutions leave little else to compute.

    Attributes:
        preprocessing: what happens to crops before the network.
        side: of the square images that the network gets, in pixels.
        first: name of the parameter whose first axis is the width of the network.
        width: of the published network.
        fake_width: of the tiny one.
        unused: beginnings of names of parameters that embeddings do not depend on.
        records: see `read_state`.
    """

    modality = "face"
    Config = ImageCnnConfig
    chunk_rows = 64  # so that a batch of 256 crops can be halved twice where memory is short
    batch_cost = 256.0
    model_types = ()
    preprocessing: ClassVar[ImagePreprocessing]
    side: ClassVar[int]
    first: ClassVar[str] = "conv1.weight"
    width: ClassVar[int] = 64
    fake_width: ClassVar[int] = 8
    records: ClassVar[tuple[str, ...]] = ()
    config: ImageCnnConfig

    @classmethod
    @abstractmethod
    def network(cls, facts: Mapping[str, Any], width: int, config: Any) -> torch.nn.Module:
        """The network without its head, random; it has an attribute `dim`."""

    @classmethod
    def fake_weights(cls, folder: Path, facts: Mapping[str, Any]) -> dict[str, str]:
        """A narrow random network under the published names; see `Extractor.fake_weights`."""
        import torch
        from safetensors.torch import save_file

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = cls.network(facts, cls.fake_width, cls.Config())
            blocks = torch.randint(0, 256, (8, 3, cls.side // 16, cls.side // 16), dtype=torch.uint8)
            blocks = blocks.repeat_interleave(16, 2).repeat_interleave(16, 3)
            settle(network, cls.preprocessing.normalise(blocks))
        save_file(
            {key: value.contiguous() for key, value in network.state_dict().items()}, folder / "model.safetensors"
        )
        return {"weights": str(folder)}

    @classmethod
    def published_shape(cls, facts: Mapping[str, Any]) -> PublishedShape:
        """Two crops through the network; see `Extractor.published_shape`."""
        import torch

        with torch.device("meta"):
            network = cls.network(facts, cls.width, cls.Config()).eval()
            rows, dim = network(torch.zeros(2, 3, cls.side, cls.side)).shape
        return PublishedShape(dim, rows, 2, None, n_parameters(network))

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
        """Width of the layer that is read, from the file.

        Raises:
            ExtractionError: if the file is not there, cannot be read, or holds another network.
        """
        import torch

        with torch.device("meta"):
            return int(self.network(self.facts, self._width(self._state()), self.config).dim)

    @property
    def padding_invariant(self) -> bool:
        """Every crop is computed on its own."""
        return True

    def cost(self, length: int) -> float:
        """One unit per crop."""
        return float(length)

    def build(self) -> torch.nn.Module:
        """The network with its parameters, float32, on the CPU; channels last, as convolutions compute fastest."""
        import torch

        state = self._state()
        network = self.network(self.facts, self._width(state), self.config)
        load_state(network, state, path=self.weights.path, extractor=self.name, unused=self.unused)
        return network.to(memory_format=torch.channels_last)

    def embed(self, batch: Sequence[FaceCrops], level: Level) -> list[Rows]:
        """One row per crop, at the crop's time; no crop, no row. Only a few crops at a time are on the device."""
        there = [crops for crops in batch if len(crops)]
        rows = [np.empty((0, self.dim), np.float32)]
        if there:
            import torch

            frames = torch.cat([self.preprocessing(crops.pixels) for crops in there])
            step = int(self.batch_cost) if self.on_gpu else _CPU_BATCH
            for start in range(0, len(frames), step):
                with self.computing():
                    part = self.preprocessing.normalise(frames[start : start + step].to(self.device))
                    part = part.contiguous(memory_format=torch.channels_last)
                    rows.append(self.model(part).float().cpu().numpy())
        ends = np.cumsum([len(crops) for crops in batch])
        parts = np.split(np.concatenate(rows), ends[:-1])
        return [Rows(values, crops.times_s) for values, crops in zip(parts, batch, strict=True)]

    def _state(self) -> dict[str, torch.Tensor]:
        return read_state(self.weights.path, extractor=self.name, records=self.records)

    def _width(self, state: Mapping[str, torch.Tensor]) -> int:
        if self.first not in state or state[self.first].ndim != 4:
            has = ", ".join(list(state)[:3])
            raise ExtractionError(
                "MER-E198",
                f"{self.name}: {self.weights.path} has no convolution {self.first}; it has {has}, ...",
                "Name the file that belongs to this extractor.",
            )
        return int(state[self.first].shape[0])


def settle(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Make a random network behave as a trained one: rough parameters, feature maps of mean 1 and spread 1.

    Most of a map is then above zero, and small changes of the input (half precision) stay small through many layers.

    Args:
        network: to change in place; it is in evaluation mode afterwards.
        images: ``(B, 3, side, side)``, as the network gets them; the norms take their statistics.
    """
    import torch

    from feature_extractors.fakes import roughen

    roughen(network)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of this batch alone
        norm.bias.data += 1
    with torch.inference_mode():
        network.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
