import pytest
import torch
from torch import Tensor, nn

from baselines.models.graph_mfn import FusionGraph, subsets


def test_the_graph_computes_the_published_formula() -> None:
    torch.manual_seed(0)
    graph = FusionGraph(3, 4)
    text, audio, video = (torch.randn(4) for _ in range(3))

    def network(layers: nn.Sequential, x: Tensor) -> Tensor:
        for layer in layers:
            x = layer.weight @ x + layer.bias
        return x

    e = network(graph.efficacies, torch.cat([text, audio, video]))
    assert len(e) == 19
    ta = network(graph.vertices[0], torch.cat([e[0] * text, e[1] * audio]))
    tv = network(graph.vertices[1], torch.cat([e[2] * text, e[3] * video]))
    av = network(graph.vertices[2], torch.cat([e[4] * audio, e[5] * video]))
    six = (text, audio, video, ta, tv, av)
    tav = network(graph.vertices[3], torch.cat([x * w for x, w in zip(six, e[6:12], strict=True)]))
    expected = network(graph.top, torch.cat([x * w for x, w in zip((*six, tav), e[12:], strict=True)]))
    torch.testing.assert_close(graph(torch.stack([text, audio, video])), expected)


def test_graph_mfn_computes_the_published_formula_step_by_step(frame_clips, make_model) -> None:
    h, mem_dim = 4, 3
    model, clips = make_model("graph_mfn", hidden_dim=h, mem_dim=mem_dim), frame_clips()
    state = model.state_dict()

    def two_layers(x: Tensor, prefix: str) -> Tensor:
        x = (state[f"{prefix}.0.weight"] @ x + state[f"{prefix}.0.bias"]).clamp(min=0)
        return state[f"{prefix}.3.weight"] @ x + state[f"{prefix}.3.bias"]

    audio, text, video = clips.embeddings
    spaces = (text, audio, video)
    cells = [nn.LSTMCell(x.shape[-1], h) for x in spaces]
    for m, cell in enumerate(cells):
        cell.load_state_dict({n: state[f"lstms.{m}.{n}_l0"] for n in cell.state_dict()})
    fused = model(clips).fused
    for clip, n_rows in enumerate(clips.masks[0].sum(1).tolist()):
        hidden, c, u = [torch.zeros(h)] * 3, [torch.zeros(h)] * 3, torch.zeros(mem_dim)
        for t in range(n_rows):
            stepped = [cell(x[clip, t], (a, b)) for cell, x, a, b in zip(cells, spaces, hidden, c, strict=True)]
            singles = []
            for m, (new, _) in enumerate(stepped):
                both = torch.cat([hidden[m], new])
                singles.append((state[f"changes.{m}.weight"] @ both + state[f"changes.{m}.bias"]).clamp(min=0))
            hidden, c = [new for new, _ in stepped], [new for _, new in stepped]
            a = model.graph(torch.stack(singles))
            candidate = two_layers(a, "memory.candidate").tanh()
            keep, write = (two_layers(torch.cat([a, u]), f"memory.{g}").sigmoid() for g in ("keep", "write"))
            u = keep * u + write * candidate
        torch.testing.assert_close(fused[clip], two_layers(torch.cat([*hidden, u]), "output"))


@pytest.mark.parametrize(("n_spaces", "n_efficacies", "n_networks"), [(1, 1, 0), (2, 5, 1), (3, 19, 4), (4, 65, 11)])
def test_the_graph_has_an_efficacy_per_edge(n_spaces: int, n_efficacies: int, n_networks: int) -> None:
    graph = FusionGraph(n_spaces, 2)
    assert (graph.n_efficacies, len(graph.vertices)) == (n_efficacies, n_networks)
    assert graph(torch.zeros(5, 3, n_spaces, 2)).shape == (5, 3, 2)


def test_subsets_come_smaller_first() -> None:
    assert subsets(range(3), 1, 3) == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]


def test_networks_that_the_reference_never_trains_are_saved_and_move_but_are_no_parameters(make_model) -> None:
    model = make_model("graph_mfn", reference=True)
    names = {name for name in model.state_dict() if name.startswith("graph.vertices.")}
    assert names == {name for name, _ in model.named_buffers()}
    assert len(names) == 16
    assert not names & {name for name, _ in model.named_parameters()}
    assert model.double().graph.vertices[0][0].weight.dtype == torch.float64
