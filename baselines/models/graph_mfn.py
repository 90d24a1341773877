"""``graph_mfn``: memory fusion network with a dynamic fusion graph (Zadeh et al., ACL 2018), as MERBench has it.

The graph's vertices are the non-empty subsets of the spaces. For up to four spaces (2 ** M - 1 vertices, and a
network for each but the M single ones); the reference has three, in the order text, audio, video.
"""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from baselines import MODELS
from baselines.models.base import Batch, FusionModel
from baselines.models.layers import last_rows
from baselines.models.mfn import MFN, MemoryConfig
from baselines.models.recurrent import GatedMemory, two_layers
from baselines.models.sequences import aligned, in_published_order

INNER_DIM = 100
"""Inner width of the graph's networks, as published."""


class FusionGraph(nn.Module):
    """Vertices of M spaces -> one vector, at every step.

    Every proper non-empty subset of a vertex feeds it, times an efficacy of its own; all vertices feed the top the same
    way. The efficacies are read from the M single vertices. No network here has an activation.

    Args:
        n_spaces: M.
        dim: h of every vertex and of the result.
        frozen: whether the networks of the vertices stay as they were drawn and are no parameters.

    Attributes:
        inputs: vertex of two or more spaces -> the vertices that feed it, smaller ones first.
    """

    def __init__(self, n_spaces: int, dim: int, *, frozen: bool = False) -> None:
        super().__init__()
        self.singles = subsets(range(n_spaces), 1, 1)
        self.all = subsets(range(n_spaces), 1, n_spaces)
        self.inputs = {v: subsets(v, 1, len(v) - 1) for v in subsets(range(n_spaces), 2, n_spaces)}
        self.n_efficacies = sum(map(len, self.inputs.values())) + len(self.all)
        self.efficacies = nn.Sequential(
            nn.Linear(n_spaces * dim, INNER_DIM), nn.Linear(INNER_DIM, dim), nn.Linear(dim, self.n_efficacies)
        )
        self.vertices = nn.ModuleList(_network(len(feeding) * dim, dim) for feeding in self.inputs.values())
        self.top = _network(len(self.all) * dim, dim)
        if frozen:
            _freeze(self.vertices)

    def forward(self, singles: Tensor) -> Tensor:
        """``(..., M, h)`` -> ``(..., h)``."""
        feeding = [*self.inputs.values(), self.all]
        efficacies = self.efficacies(singles.flatten(-2)).split([len(those) for those in feeding], dim=-1)
        vertices = dict(zip(self.singles, singles.unbind(-2), strict=True))

        def weighted(n: int) -> Tensor:
            """What feeds the n-th vertex that is computed, the top being the last: ``(..., inputs h)``."""
            those = torch.stack([vertices[vertex] for vertex in feeding[n]], dim=-2)
            return (efficacies[n].unsqueeze(-1) * those).flatten(-2)

        for n, (vertex, network) in enumerate(zip(self.inputs, self.vertices, strict=True)):
            vertices[vertex] = network(weighted(n))
        return self.top(weighted(-1))


@MODELS.register("graph_mfn", summary="mfn with a graph over subsets of spaces (frame level, aligned)")
class GraphMFN(FusionModel):
    """As `mfn`, but what goes to the memory is the result of a `FusionGraph`.

    Its single vertices are e_m = ReLU(W_m [h_m before the step; h_m after it]), h_m the hidden state of space m's LSTM.
    Where a clip lacks a space, its rows there are zeros.
    """

    Config: ClassVar = MemoryConfig
    levels: ClassVar = ("frame",)
    n_spaces: ClassVar = (1, 2, 3, 4)
    aligned: ClassVar = True
    deviations: ClassVar = (
        "the networks of vertices of two or more spaces stay as they were drawn (buffers, not parameters); "
        "zeros stand before shorter clips and are run through the LSTMs and the memory"
    )
    search_space: ClassVar = MFN.search_space

    config: MemoryConfig

    @property
    def fused_dim(self) -> int:
        """F = h / 2."""
        return self.config.hidden_dim // 2

    def build(self) -> None:
        """LSTMs, graph, memory, and two layers behind them."""
        h, p, mem_dim, n_spaces = self.config.hidden_dim, self.config.dropout, self.config.mem_dim, len(self.dims)
        self.lstms = nn.ModuleList(nn.LSTM(dim, h, batch_first=True) for dim in in_published_order(self.dims))
        self.changes = nn.ModuleList(nn.Linear(2 * h, h) for _ in self.dims)
        self.graph = FusionGraph(n_spaces, h, frozen=self.config.reference)
        self.memory = GatedMemory(h, h, mem_dim, p)
        self.output = two_layers(n_spaces * h + mem_dim, h, self.fused_dim, p)

    def fuse(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two layers of states and memory."""
        clips = aligned(batch, through_padding=self.config.reference)
        last, singles = [], []
        for x, lstm, change in zip(clips.rows, self.lstms, self.changes, strict=True):
            hidden, _ = lstm(x)  # (B, T, h)
            before = pad(hidden, (0, 0, 1, 0))[:, :-1]  # the states start at zero
            singles.append(torch.relu(change(torch.cat([before, hidden], dim=-1))))
            last.append(last_rows(hidden, clips.mask))
        memory = self.memory(self.graph(torch.stack(singles, dim=-2)), clips.mask)
        return self.output(torch.cat([*last, memory], dim=-1)), memory.new_zeros(())


def subsets(of: range | tuple[int, ...], smallest: int, largest: int) -> list[tuple[int, ...]]:
    """Subsets from `smallest` to `largest` elements, smaller ones first, each size in lexicographic order."""
    return [subset for size in range(smallest, largest + 1) for subset in combinations(of, size)]


def _network(dim: int, out_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, INNER_DIM), nn.Linear(INNER_DIM, out_dim))


def _freeze(layers: nn.Module) -> None:
    """Turn parameters into buffers of the same names."""
    for layer in layers.modules():
        for name, parameter in list(layer.named_parameters(recurse=False)):
            delattr(layer, name)
            layer.register_buffer(name, parameter.detach())
