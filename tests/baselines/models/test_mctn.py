import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from baselines.models.dropout import dropout_layers, seed_dropout
from baselines.models.mctn import Coin, Translator

H = 4


class PlainTranslator:
    """One clip at a time, with torch's own bidirectional LSTMs."""

    def __init__(self, translator: Translator) -> None:
        state = translator.state_dict()
        self.state = state
        self.encoder = nn.LSTM(translator.encoder.onward.input_size, H, bidirectional=True)
        self.decoder = nn.LSTM(translator.cells[0].input_size, H, bidirectional=True)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(self.encoder, f"{name}_l0").data = state[f"encoder.onward.{name}_l0"]
            getattr(self.encoder, f"{name}_l0_reverse").data = state[f"encoder.backward.{name}_l0"]
            getattr(self.decoder, f"{name}_l0").data = state[f"cells.0.{name}"]
            getattr(self.decoder, f"{name}_l0_reverse").data = state[f"cells.1.{name}"]

    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        states, (last, _) = self.encoder(rows)
        return states[:, :H] + states[:, H:], (self.state["start.weight"] @ (last[0] + last[1])).tanh()

    def decode(self, joint: Tensor, s: Tensor, shown: Tensor | None = None) -> Tensor:
        memory = (torch.stack([s, s]), torch.zeros(2, H))
        row, rows = torch.zeros(self.state["output.bias"].shape), []
        for t in range(len(joint)):
            scores = [
                (self.state["score.weight"] @ (self.state["match.weight"] @ torch.cat([s, j])).tanh()).exp()
                for j in joint
            ]
            context = sum(w * j for w, j in zip(scores, joint, strict=True)) / sum(scores)
            out, memory = self.decoder(torch.cat([row, context])[None], memory)
            s = memory[0].sum(0)
            assert torch.allclose(out[0, :H] + out[0, H:], s)
            row = self.state["output.weight"] @ torch.cat([s, context]) + self.state["output.bias"]
            rows.append(row)
            row = row if shown is None else shown[t]
        return torch.stack(rows)


@pytest.mark.parametrize("shown", [False, True])
def test_mctn_translates_over_time_as_a_plain_loop_does(frame_clips, make_model, shown: bool) -> None:
    model = make_model("mctn", hidden_dim=H, dropout=0.0, teacher_forcing=float(shown), loss_weight=0.7)
    clips = frame_clips()
    output = model.train(shown)(clips)
    first, second = PlainTranslator(model.first), PlainTranslator(model.second)
    encoder = nn.LSTM(H, H)
    encoder.load_state_dict(model.encoder.lstm.state_dict())
    errors: list[list[Tensor]] = [[], [], []]
    for clip, n_rows in enumerate(clips.masks[0].sum(1).tolist()):
        audio, text, video = (pad(x[clip, :n_rows], (0, 5 - x.shape[-1])) for x in clips.embeddings)
        joint, s = first.encode(text)
        there = first.decode(joint, s, video if shown else None)
        back = first.decode(*first.encode(there), text if shown else None)
        last_joint, s = second.encode(joint)
        third = second.decode(last_joint, s, audio if shown else None)
        for number, (made, true) in enumerate(((there, video), (back, text), (third, audio))):
            errors[number].append((made - true) ** 2)
        states, _ = encoder(last_joint)
        torch.testing.assert_close(output.fused[clip], model.encoder.linear(states[-1]))
    cost = sum(torch.cat(squares).mean() for squares in errors)
    torch.testing.assert_close(output.auxiliary, 0.7 * cost)


def test_how_often_the_decoder_is_shown_the_truth_matters_in_training_only(frame_clips, make_model) -> None:
    clips = frame_clips()

    def auxiliary(ratio: float, training: bool) -> float:
        model = make_model("mctn", dropout=0.0, teacher_forcing=ratio).train(training)
        seed_dropout(dropout_layers(model), seed=0, step=0)
        return model(clips).auxiliary.item()

    assert len({auxiliary(ratio, True) for ratio in (0.0, 0.3, 0.6, 1.0)}) == 4
    assert len({auxiliary(ratio, False) for ratio in (0.0, 0.3, 0.6, 1.0)}) == 1
    assert auxiliary(0.0, True) == pytest.approx(auxiliary(0.0, False), rel=1e-5)


def test_the_decoders_state_is_passed_on(frame_clips, make_model) -> None:
    model = make_model("mctn")
    model(frame_clips()).auxiliary.backward()
    for translator in (model.first, model.second):
        assert all(cell.weight_hh.grad.abs().sum() > 0 for cell in translator.cells)


def test_two_spaces_are_source_and_target(frame_clips, make_model) -> None:
    model, clips = make_model("mctn", (5, 3), hidden_dim=H), frame_clips((5, 3))
    plain = PlainTranslator(model.first)
    source, target = (pad(x[0, :4], (0, 5 - x.shape[-1])) for x in clips.embeddings)
    joint, s = plain.encode(source)
    there = plain.decode(joint, s)
    back = plain.decode(*plain.encode(there))
    cost = (there - target).square().mean() + (back - source).square().mean()
    output = model(clips.rows(slice(0, 1)))
    torch.testing.assert_close(output.auxiliary, model.config.loss_weight * cost)
    mask = torch.ones(1, 4, dtype=torch.bool)
    torch.testing.assert_close(output.fused, model.encoder(joint[None], mask))


@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_a_translation_is_taught_where_both_ends_are_present(frame_clips, make_model, lacking: int) -> None:
    model, clips = make_model("mctn"), frame_clips(lengths=(4, 4))
    clips.present[1, lacking] = False
    seen = [model(clips).auxiliary]
    clips.embeddings[2][1] += 1  # the video of the clip that lacks something
    seen.append(model(clips).auxiliary)
    assert torch.equal(*seen) == (lacking != 0)  # without the audio, text and video are still translated


def test_coins_fall_as_often_as_asked_and_never_in_evaluation() -> None:
    coin, like = Coin(0.3), torch.empty(200, 200)
    seed_dropout([coin], seed=0, step=0)
    assert abs(coin(like).float().mean().item() - 0.3) < 0.02
    assert not coin.eval()(like).any()
