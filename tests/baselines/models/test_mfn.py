import torch
from torch import Tensor, nn

from baselines.models.recurrent import LSTMStates


def test_mfn_computes_the_published_formula_step_by_step(frame_clips, make_model) -> None:
    h, mem_dim = 4, 3
    model, clips = make_model("mfn", hidden_dim=h, mem_dim=mem_dim), frame_clips()
    state = model.state_dict()

    def two_layers(x: Tensor, prefix: str) -> Tensor:
        x = (state[f"{prefix}.0.weight"] @ x + state[f"{prefix}.0.bias"]).clamp(min=0)
        return state[f"{prefix}.3.weight"] @ x + state[f"{prefix}.3.bias"]

    audio, text, video = clips.embeddings
    spaces = (text, audio, video)
    cells = [nn.LSTMCell(x.shape[-1], h) for x in spaces]
    for m, cell in enumerate(cells):
        cell.load_state_dict({n: state[f"memory.lstms.cells.{m}.{n}"] for n in cell.state_dict()})
    fused = model(clips).fused
    for clip, n_rows in enumerate(clips.masks[0].sum(1).tolist()):
        hidden, c, u = [torch.zeros(h)] * 3, [torch.zeros(h)] * 3, torch.zeros(mem_dim)
        for t in range(n_rows):
            stepped = [cell(x[clip, t], (a, b)) for cell, x, a, b in zip(cells, spaces, hidden, c, strict=True)]
            q = torch.cat([*c, *[new for _, new in stepped]])
            hidden, c = [new for new, _ in stepped], [new for _, new in stepped]
            scores = two_layers(q, "memory.attention")
            a = scores.exp() / scores.exp().sum() * q
            candidate = two_layers(a, "memory.memory.candidate").tanh()
            keep, write = (two_layers(torch.cat([a, u]), f"memory.memory.{g}").sigmoid() for g in ("keep", "write"))
            u = keep * u + write * candidate
        torch.testing.assert_close(fused[clip], two_layers(torch.cat([*hidden, u]), "output"))


def test_lstms_side_by_side_equal_single_ones() -> None:
    torch.manual_seed(0)
    states = LSTMStates((5, 3), 4)
    rows = [torch.randn(2, 7, 5), torch.randn(2, 7, 3)]
    hidden, _ = states(rows)
    for m, x in enumerate(rows):
        lstm = nn.LSTM(x.shape[-1], 4, batch_first=True)
        lstm.load_state_dict({f"{name}_l0": value for name, value in states.cells[m].state_dict().items()})
        expected, _ = lstm(x)
        torch.testing.assert_close(hidden[:, :, m], expected)
