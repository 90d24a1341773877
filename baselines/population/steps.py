"""What a stack computes: gradients of one training step, losses or outputs of held-out clips."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from baselines.losses import joint_loss
from baselines.models.base import Batch, FusionModel, Output
from baselines.models.dropout import Draw, dropout_layers
from baselines.population.tape import record

_KEPT = 32
"""Recordings kept for further stacks."""
_recordings: OrderedDict[tuple[object, ...], Callable[..., list[Tensor]]] = OrderedDict()


@dataclass
class Steps:
    """Recorded computations of one shape.

    A computation is recorded when it is asked for with inputs of new shapes. The main thread must do so before others
    ask (`Block.prepare`): torch crashes when it records in another thread.

    Args:
        shape: what tells shapes apart.
        model: a network of that shape; it is copied.
    """

    shape: tuple[object, ...]
    model: FusionModel
    names: tuple[str, ...] = field(init=False)
    prepared: set[tuple[object, ...]] = field(init=False, default_factory=set)
    tapes: dict[tuple[object, ...], Callable[..., list[Tensor]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.model = copy.deepcopy(self.model)
        self.names = tuple(name for name, _ in self.model.named_parameters())

    def gradients(self, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """Gradients and the losses ``(G,)`` of one step.

        Args:
            weights: per parameter ``(G, ...)``.
            inputs: keys ``(G, L, 2)``, thresholds and scales ``(G, L)`` of dropout, the weight of values ``(G,)``, then
                spaces, present and goals.
        """
        return self._run("train", self._gradients, weights, inputs)

    def losses(self, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """Losses ``(G,)`` without dropout; inputs are the weight of values ``(G,)``, spaces, present and goals."""
        return self._run("losses", self._losses, weights, inputs)

    def outputs(self, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
        """What the heads say without dropout, per target ``(G, B, C)``; inputs are spaces and present."""
        return self._run("outputs", self._outputs, weights, inputs)

    def _run(
        self,
        what: str,
        function: Callable[..., Sequence[Tensor]],
        weights: Sequence[Tensor],
        inputs: Sequence[Tensor],
    ) -> list[Tensor]:
        key = (what, len(weights[0]), inputs[-1].shape, weights[0].device.type)
        if key not in self.tapes:
            everywhere = (self.shape, *key)
            if everywhere not in _recordings:
                _recordings[everywhere] = record(function, *weights, *inputs)
                if len(_recordings) > _KEPT:
                    _recordings.popitem(last=False)
            self.tapes[key] = _recordings[everywhere]
        return self.tapes[key](*weights, *inputs)

    def _gradients(self, *tensors: Tensor) -> list[Tensor]:
        n, n_spaces = len(self.names), len(self.model.dims)
        layers = dropout_layers(self.model.train())

        def loss(weights: list[Tensor], keys: Tensor, thresholds: Tensor, scales: Tensor, *rest: Tensor) -> Tensor:
            for number, layer in enumerate(layers):
                layer.start(Draw(keys[number], thresholds[number], scales[number]))
            return self._loss(weights, n_spaces, *rest)

        gradients, losses = vmap(grad_and_value(loss))(list(tensors[:n]), *tensors[n:])
        return [*gradients, losses]

    def _losses(self, *tensors: Tensor) -> list[Tensor]:
        n, n_spaces = len(self.names), len(self.model.dims)
        self.model.eval()
        return [vmap(lambda weights, *rest: self._loss(weights, n_spaces, *rest))(list(tensors[:n]), *tensors[n:])]

    def _outputs(self, *tensors: Tensor) -> list[Tensor]:
        n, n_spaces = len(self.names), len(self.model.dims)
        self.model.eval()

        def outputs(weights: list[Tensor], *rest: Tensor) -> tuple[Tensor, ...]:
            return tuple(self._call(weights, Batch(rest[:n_spaces], rest[n_spaces])).heads.values())

        return list(vmap(outputs)(list(tensors[:n]), *tensors[n:]))

    def _loss(self, weights: list[Tensor], n_spaces: int, value_weight: Tensor, *rest: Tensor) -> Tensor:
        output = self._call(weights, Batch(rest[:n_spaces], rest[n_spaces]))
        return joint_loss(output, dict(zip(self.model.targets, rest[n_spaces + 1 :], strict=True)), value_weight)

    def _call(self, weights: list[Tensor], batch: Batch) -> Output:
        output: Output = functional_call(self.model, dict(zip(self.names, weights, strict=True)), (batch,))
        return output


@torch.no_grad()
def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors of members along a new axis."""
    return torch.stack([t.detach() for t in tensors])
