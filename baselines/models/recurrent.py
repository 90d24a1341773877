"""Recurrent layers that frame-level models share. Only what recurs is computed step by step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from baselines.models.layers import Dropout, last_rows
from baselines.models.sequences import reversed_rows


def two_layers(dim: int, hidden_dim: int, out_dim: int, dropout: float) -> nn.Sequential:
    """Linear, ReLU, dropout, Linear: D -> h -> O."""
    return nn.Sequential(nn.Linear(dim, hidden_dim), nn.ReLU(), Dropout(dropout), nn.Linear(hidden_dim, out_dim))


def lstm_update(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Next hidden state and cell of an LSTM.

    Args:
        gates: ``(..., 4 h)`` before activation, in torch's order: input, forget, candidate, output.
        cell: ``(..., h)``.
    """
    i, f, g, o = gates.chunk(4, dim=-1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


class LSTMStates(nn.Module):
    """M LSTMs side by side that tell hidden state and cell after every row (``nn.LSTM`` tells the last cell only).

    What the rows add to the gates is one product per space for all steps; a step is one batched product for all M.

    Args:
        dims: D of each sequence.
        hidden_dim: h.
    """

    def __init__(self, dims: Sequence[int], hidden_dim: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(nn.LSTMCell(dim, hidden_dim) for dim in dims)

    def forward(self, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """M times ``(B, T, D_m)`` -> hidden states and cells, ``(B, T, M, h)`` each."""
        given = torch.stack(
            [
                linear(x.transpose(0, 1), cell.weight_ih, cell.bias_ih + cell.bias_hh)
                for x, cell in zip(rows, self.cells, strict=True)
            ],
            dim=1,
        )  # (T, M, B, 4h)
        recurrent = torch.stack([cell.weight_hh for cell in self.cells]).transpose(1, 2)  # (M, h, 4h)
        h = c = given.new_zeros(*given.shape[1:3], recurrent.shape[1])
        hidden, cells = [], []
        for gates in given.unbind(0):
            h, c = lstm_update(torch.baddbmm(gates, h, recurrent), c)
            hidden.append(h)
            cells.append(c)
        return torch.stack(hidden, dim=2).permute(1, 2, 0, 3), torch.stack(cells, dim=2).permute(1, 2, 0, 3)


class BiLSTM(nn.Module):
    """Bidirectional LSTM whose backward direction starts at each clip's own last row; the directions are added.

    Args:
        dim: D.
        hidden_dim: h of each direction.
    """

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.onward = nn.LSTM(dim, hidden_dim, batch_first=True)
        self.backward = nn.LSTM(dim, hidden_dim, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, D)``, ``(B, T)`` -> states ``(B, T, h)`` and the sum of both directions' last states ``(B, h)``."""
        onward, _ = self.onward(x)
        backward, _ = self.backward(reversed_rows(x, mask))
        return onward + reversed_rows(backward, mask), last_rows(onward, mask) + last_rows(backward, mask)


class GatedMemory(nn.Module):
    r"""The multi-view gated memory of the memory fusion network (Zadeh et al., 2018).

    .. math:: u_t = \gamma^1_t \odot u_{t-1} + \gamma^2_t \odot \hat u_t, \quad
        \hat u_t = \tanh f(a_t), \quad \gamma^k_t = \sigma(g_k([a_t; u_{t-1}])), \quad u_0 = 0

    with f, g_1, g_2 of two layers each.

    Args:
        dim: A, width of what is attended to at a step.
        hidden_dim: h of the two-layer networks.
        mem_dim: width of the memory.
        dropout: p between the layers of the networks.
    """

    def __init__(self, dim: int, hidden_dim: int, mem_dim: int, dropout: float) -> None:
        super().__init__()
        self.candidate = two_layers(dim, hidden_dim, mem_dim, dropout)
        self.keep = two_layers(dim + mem_dim, hidden_dim, mem_dim, dropout)
        self.write = two_layers(dim + mem_dim, hidden_dim, mem_dim, dropout)
        self.mem_dim = mem_dim

    def forward(self, attended: Tensor, mask: Tensor) -> Tensor:
        """``(B, T, A)``, ``(B, T)`` -> memory after each clip's last row, ``(B, mem)``."""
        gates = (self.keep, self.write)  # their first layers are one product, split by what it reads
        weight = torch.cat([gate[0].weight for gate in gates])  # (2h, A + mem)
        bias = torch.cat([gate[0].bias for gate in gates])
        of_attended, of_memory = weight.split([attended.shape[-1], self.mem_dim], dim=1)
        given = linear(attended, of_attended, bias)  # (B, T, 2h); what the memory adds comes step by step
        candidates = torch.tanh(self.candidate(attended))  # (B, T, mem)
        drop = self.keep[2]  # of both gates at once
        memory = attended.new_zeros(len(attended), self.mem_dim)
        for now, candidate, valid in zip(given.unbind(1), candidates.unbind(1), mask.unbind(1), strict=True):
            inner = drop(torch.relu(now + linear(memory, of_memory))).chunk(2, dim=-1)
            keep, write = (torch.sigmoid(gate[3](x)) for gate, x in zip(gates, inner, strict=True))
            memory = torch.where(valid.unsqueeze(-1), keep * memory + write * candidate, memory)
        return memory
