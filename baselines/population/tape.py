"""A stacked computation recorded once as a flat list of tensor operations, and replayed for every step.

``torch.func.vmap`` makes a stacked step out of any model, but going through vmap, autograd and modules costs more than
the arithmetic of a small network. So forward and backward pass are recorded once per shape (`make_fx`) and replayed
without them.

On CPU each matrix product of a stack is computed by itself: the kernel, hence the rounding, does not depend on how many
stand beside it, and a batched product is no faster there. So are functions whose vectorised form rounds otherwise than
the scalar one, since it depends on the layout of the whole which elements get which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

_aten = torch.ops.aten
_SHAPING = (_aten.view.default, _aten.expand.default, _aten._unsafe_view.default, _aten.reshape.default)
_ALIGNED = 64
"""Bytes of a cache line; torch's allocator begins every tensor at a multiple."""
_UNEVEN = frozenset(
    (
        _aten.erf.default,
        _aten.exp.default,
        _aten.gelu.default,
        _aten.gelu_backward.default,
        _aten.log.default,
        _aten.pow.Tensor_Scalar,
        _aten.sigmoid.default,
        _aten.silu.default,
        _aten.silu_backward.default,
        _aten.softplus.default,
        _aten.softplus_backward.default,
        _aten.tanh.default,
    )
)


def record(function: Callable[..., Sequence[Tensor]], *example: Tensor) -> Callable[..., list[Tensor]]:
    """Record what `function` does with tensors of the shapes of `example`.

    Args:
        function: tensors in, tensors out; no branch on values.
        *example: what to record with.

    Returns:
        A function of the same tensors, for these shapes only. It knows nothing of autograd.
    """
    graph = make_fx(lambda *inputs: list(function(*inputs)))(*example)
    on_cpu = all(tensor.device.type == "cpu" for tensor in example)
    _simplify(graph.graph)
    if on_cpu:
        for node in graph.graph.nodes:
            if node.target is _aten.bmm.default:
                node.target = product_of_members
            elif node.target in _UNEVEN:
                node.target, node.args = member_by_member, (node.target, *node.args)
    graph.graph.eliminate_dead_code()
    graph.graph.set_codegen(fx.graph.CodeGen())  # positional in, list out: no tree to flatten at each call
    graph.recompile()
    forward: Callable[..., list[Tensor]] = graph.forward

    def replay(*inputs: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return forward(*inputs)

    return replay


def product_of_members(a: Tensor, b: Tensor) -> Tensor:
    """``torch.bmm``, one member at a time.

    Kernels round otherwise where a matrix does not begin at a multiple of a cache line; then it is copied to one.
    """
    out = a.new_empty(a.shape[0], a.shape[1], b.shape[2])
    for one, left, right in zip(out.unbind(), a.unbind(), b.unbind(), strict=True):
        if one.data_ptr() % _ALIGNED:
            one.copy_(torch.mm(_at_line(left), _at_line(right)))
        else:
            torch.mm(_at_line(left), _at_line(right), out=one)
    return out


def _at_line(matrix: Tensor) -> Tensor:
    return matrix if matrix.data_ptr() % _ALIGNED == 0 else matrix.clone()


def member_by_member(operation: Callable[..., Tensor], *arguments: Any, **options: Any) -> Tensor:
    """An element-wise operation of stacked tensors, one member at a time, each in an order of its own in memory."""
    n = len(arguments[0])
    of_members = [
        a.contiguous().unbind() if isinstance(a, Tensor) and a.dim() and len(a) == n else [a] * n for a in arguments
    ]
    return torch.stack([operation(*own, **options) for own in zip(*of_members, strict=True)])


def _simplify(graph: fx.Graph) -> None:
    """Drop operations that change nothing; they cost as much time as small ones that do."""
    for node in list(graph.nodes):
        source = _same_as(node)
        if source is not None:
            node.replace_all_uses_with(source)
            graph.erase_node(node)


def _same_as(node: fx.Node) -> fx.Node | None:
    """The node whose tensor this one merely repeats, if there is one."""
    if node.op != "call_function" or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    source = node.args[0]
    here, there = _fact(node), _fact(source)
    if here is None or there is None or (here.shape != there.shape and node.target is not _aten.transpose.int):
        return None
    if node.target in _SHAPING and here.stride() == there.stride():
        return source
    if node.target is _aten.mul.Scalar and node.args[1] == 1 and here.dtype == there.dtype:
        return source
    if node.target is _aten.transpose.int and source.target is _aten.transpose.int:
        rank = here.dim()
        if {d % rank for d in node.args[1:]} == {d % rank for d in source.args[1:]}:  # type: ignore[operator]
            first = source.args[0]
            return first if isinstance(first, fx.Node) else None
    return None


def _fact(node: fx.Node) -> Tensor | None:
    value: Any = node.meta.get("val", node.meta.get("tensor_meta"))
    return value if isinstance(value, Tensor) else None
