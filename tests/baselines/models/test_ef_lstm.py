import torch
from torch import nn


def test_ef_lstm_computes_the_published_formula(frame_clips, make_model) -> None:
    model, clips = make_model("ef_lstm", hidden_dim=6, n_layers=3), frame_clips()
    state = model.state_dict()
    lstm = nn.LSTM(12, 6, num_layers=3)  # 12 = 3 of the text, 5 of the audio, 4 of the video
    for layer in range(3):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(lstm, f"{name}_l{layer}").data = state[f"lstms.{layer}.{name}_l0"]
    fused = model(clips).fused
    audio, text, video = clips.embeddings
    for clip, n_rows in enumerate(clips.masks[0].sum(1).tolist()):
        states, _ = lstm(torch.cat([x[clip, :n_rows] for x in (text, audio, video)], dim=1))
        expected = (states[-1] @ state["linear.weight"].T + state["linear.bias"]).clamp(min=0)
        torch.testing.assert_close(fused[clip], expected)
