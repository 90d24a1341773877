"""The whole road for new files, and the verbs train and predict."""

import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines import predict, train
from baselines.prediction import predict_clips
from baselines.runs import Run
from feature_extractors import extract
from mertools.cli import main
from mertools.corpus import Clip, Corpus, Split
from mertools.errors import MerToolsError, TrainingError
from mertools.store import SpaceSpec, open_store
from mertools.targets import Target

TONES = {"low": 120, "high": 440}


def write_tone(path: Path, hz: float, *, seconds: float = 0.8, seed: int = 0) -> None:
    t = np.arange(int(16_000 * seconds)) / 16_000
    rng = np.random.default_rng(seed)
    sound = 0.3 * np.sign(np.sin(2 * np.pi * hz * t)) + 0.01 * rng.normal(size=len(t))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((sound * 20_000).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Run]:
    """Twelve tones, embedded with audio/prosody at a pitch range of its own, and a run trained on them."""
    folder = tmp_path_factory.mktemp("tones")
    clips = []
    for i in range(12):
        label = sorted(TONES)[i % 2]
        write_tone(folder / f"t{i}.wav", TONES[label] * (1 + 0.01 * i), seed=i)
        cells = {"name": f"t{i}", "split": "train", "discrete": label}
        clips.append(Clip(f"t{i}", "train", audio=folder / f"t{i}.wav", cells=cells))
    corpus = Corpus(
        "tones", folder, tuple(clips), folder, (Split("train"),), (Target("discrete", "classes", tuple(sorted(TONES))),)
    )
    corpus.write()
    with open_store(folder / "store", create=True) as store:
        extract(corpus, ["audio/prosody:n_mfcc=13"], store, quiet=True, device="cpu")
    made = train(
        corpus, "audio/prosody", "attention", folder / "run", target="discrete", folds="3", epochs=30, lr=3e-3,
        hidden_dim=8, selection="last", dropout=0.2,
    )  # fmt: skip
    return corpus, made


def test_new_files_are_predicted_as_the_corpus_clips_are(heard: tuple[Corpus, Run]) -> None:
    corpus, run = heard
    files = [clip.audio for clip in corpus.clips[:4] if clip.audio]
    found, expected = predict_clips(run.folder, files), predict(run, corpus, "train")
    assert found.names == expected.names[:4]
    np.testing.assert_allclose(found.probabilities, expected.probabilities[:4], atol=1e-5)


def test_the_recorded_options_are_used_again(heard: tuple[Corpus, Run]) -> None:
    feature = heard[1].design.features[0]
    assert "n_mfcc=13" in feature.extractor_spec()


def test_extraction_that_makes_another_space_is_refused(heard: tuple[Corpus, Run]) -> None:
    corpus, run = heard
    with pytest.raises(TrainingError, match=r"MER-T051.*n_mfcc: 13 then, 20 now"):
        predict_clips(run, [corpus.clips[0].audio or ""], extractors=["audio/prosody:n_mfcc=20"])


def test_sounds_and_transcripts_of_other_columns_and_known_origin_are_predicted(
    heard: tuple[Corpus, Run], tmp_path: Path, quick: dict[str, Any]
) -> None:
    corpus = heard[0]
    clips = []
    for clip in corpus.clips:
        cells = {**clip.cells, "text_en": f"a {clip.cells['discrete']} tone", "audio_clean": clip.audio.name}
        clips.append(replace(clip, cells=cells))
    richer = replace(corpus, folder=tmp_path / "c", clips=tuple(clips), transcripts={"text_en": "human"})
    richer.write()
    names = ["audio/prosody", "text/ngram"]
    with open_store(tmp_path / "c" / "store", create=True) as store:
        extract(richer, names, store, quiet=True, device="cpu", column=["audio_clean", "text_en"])
    run = train(richer, names, "attention", tmp_path / "run", target="discrete", **quick)
    (tmp_path / "t3.txt").write_text(richer.clip("t3").text("text_en"))
    found = predict_clips(run, [corpus.clip("t3").audio, tmp_path / "t3.txt"])
    expected = predict(run, richer, "train")
    at = expected.names.index("t3")  # one clip and many are multiplied in another order: rounding
    np.testing.assert_allclose(found.probabilities[0], expected.probabilities[at], atol=1e-7)


def test_bad_files_are_reported(heard: tuple[Corpus, Run], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="MER-T052"):
        predict_clips(heard[1], [tmp_path / "none.wav"])
    for name in ("a.wav", "a.flac"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(TrainingError, match="same clip 'a'"):
        predict_clips(heard[1], [tmp_path / "a.wav", tmp_path / "a.flac"])
    (tmp_path / "b.txt").write_text("hello")
    with pytest.raises(TrainingError, match="transcript only"):
        predict_clips(heard[1], [tmp_path / "b.txt"])


def test_a_file_that_cannot_be_heard_gets_the_prior(heard: tuple[Corpus, Run], tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    found = predict_clips(heard[1], [tmp_path / "broken.wav"])
    prior = np.mean([m.fitted.priors["discrete"] for m in heard[1].members], axis=0)
    np.testing.assert_allclose(found.probabilities[0], prior)


def test_clips_that_cannot_be_read_are_named_and_not_fine(
    heard: tuple[Corpus, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"")
    files = [str(tmp_path / "broken.wav"), str(heard[0].clips[0].audio)]
    out = tmp_path / "p.csv"
    assert main(["predict", str(heard[1].folder), "--clips", *files, "--out", str(out), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["unread"] == ["broken"]
    assert document["status"] == {"broken": {"audio/prosody": "decode_error"}}
    assert len(out.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("file", "content"), [("metrics.json", "{}"), ("recipe.yaml", "[]"), ("checkpoints/model.json", "[]")]
)
def test_a_run_with_documents_of_another_kind_is_refused(run: Run, file: str, content: str) -> None:
    (run.folder / file).write_text(content)
    with pytest.raises(MerToolsError, match=r"MER-(T024|R007)"):
        Run.read(run.folder)


def test_a_space_where_all_clips_failed_says_why(corpus: Corpus, tmp_path: Path, quick: dict[str, Any]) -> None:
    with open_store(corpus.folder / "store") as store:
        space = store.declare(SpaceSpec("text/none", "utterance", 4, 1, {}))
        with store.writer(space) as writer:
            for clip in corpus.clips:
                writer.fail(clip.name, "no_text", "the transcript is empty.")
    with pytest.raises(TrainingError, match=r"MER-T041.* no_text.*store show"):
        train(corpus, "text/none", "attention", tmp_path / "run", target="discrete", **quick)


def words(corpus: Corpus, out: Path, *more: str) -> list[str]:
    return [
        "train", "--corpus", str(corpus.folder), "--features", "face/made-up,audio/made-up", "--model", "attention",
        "--target", "discrete", "valence", "--out", str(out), "--folds", "speaker", *more,
    ]  # fmt: skip


def test_the_verbs_train_repeat_and_predict(corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ["epochs=3", "selection=last", "hidden_dim=8", "repeats=2"]
    assert main([*words(corpus, tmp_path / "run"), "--seed", "5", "--json", *settings]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["seeds"] == [5, 6]
    assert document["protocol"]["n_folds"] == 6
    assert "fold 6/6 (fay left out): waf" in err
    assert main(["train", "--recipe", str(tmp_path / "run" / "recipe.yaml"), "--out", str(tmp_path / "again")]) == 0
    text, _ = capsys.readouterr()
    assert "95 % interval of waf" in text
    assert f"run folder: {tmp_path / 'again'}" in text
    for name in ("metrics.json", "predictions/oof.csv", "checkpoints/fold0-seed5.safetensors", "recipe.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    target = tmp_path / "p.csv"
    assert (
        main(
            ["predict", str(tmp_path / "run"), "--corpus", str(corpus.folder), "--split", "test1", "--out", str(target)]
        )
        == 0
    )
    assert target.read_bytes() == (tmp_path / "run" / "predictions" / "test1.csv").read_bytes()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["epochs=0"], "MER-R004"),
        (["epoch=3"], "MER-T001"),
        (["epochs"], "MER-R013"),
        (["--folds", "nope"], "MER-T033"),
        (["--track", "mer2023-multi"], "MER-R012"),
    ],
)
def test_wrong_words_exit_with_two(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: str
) -> None:
    assert main(words(corpus, tmp_path / "run", *more)) == 2
    assert capsys.readouterr().err.startswith(code)
    assert not (tmp_path / "run").exists()


def test_what_train_and_predict_need_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--out", str(tmp_path / "run")]) == 2
    assert "train needs --corpus DIR" in capsys.readouterr().err
    assert main(["predict", str(tmp_path), "--out", str(tmp_path / "p.csv")]) == 2
    assert "--clips FILE" in capsys.readouterr().err
    assert main(["predict", str(tmp_path), "--clips", "x.wav", "--out", str(tmp_path / "p.csv")]) == 2
    assert "MER-T020" in capsys.readouterr().err


def test_a_track_gives_targets_splits_and_metrics(tmp_path: Path, quick: dict[str, Any]) -> None:
    from mertools.labels import MER_EMOTIONS
    from mertools.store import SpaceSpec

    rng = np.random.default_rng(0)
    clips = []
    for i in range(48):
        split = "train" if i < 36 else "test1"
        cells = {
            "name": f"c{i}",
            "split": split,
            "discrete": MER_EMOTIONS[i % 6],
            "valence": f"{rng.uniform(-3, 3):.2f}",
        }
        clips.append(Clip(f"c{i}", split, cells=cells))
    targets = (Target("discrete", "classes", tuple(sorted(MER_EMOTIONS))), Target("valence", "value", range=(-5, 5)))
    corpus = Corpus("mer", tmp_path, tuple(clips), tmp_path, (Split("train"), Split("test1", "test")), targets)
    with open_store(tmp_path / "store", create=True) as store:
        space = store.declare(SpaceSpec("face/x", "utterance", 6, 1, {}))
        with store.writer(space) as writer:
            for i, clip in enumerate(clips):
                writer.add(clip.name, (np.eye(6)[[i % 6]] + rng.normal(0, 0.1, (1, 6))).astype(np.float32), np.zeros(1))
    quick.pop("folds")
    run = train(
        corpus, ["face/x"], "attention", tmp_path / "run", track="mer2023-multi", **{**quick, "epochs": 40, "lr": 1e-2}
    )
    assert run.metrics["primary"] == "mer2023_combined"
    assert run.metrics["protocol"]["folds"] == "track"
    assert run.metrics["protocol"]["n_folds"] == 5
    assert run.metrics["interval_unit"] == "clip"
    scores = run.metrics["splits"]["test1"]["metrics"]
    assert scores["mer2023_combined"] == pytest.approx(scores["waf"] - 0.25 * scores["mse"])
    assert scores["waf"] > 0.9
    from mertools.tracks import get_track

    scored = corpus.select(["test1"])
    truth = {
        target: {clip.name: v for clip, v in zip(scored, corpus.annotations(target, scored), strict=True)}
        for target in ("discrete", "valence")
    }
    assert get_track("mer2023-multi").evaluate(truth, run.predictions("test1")) == pytest.approx(scores)
    assert run.predictions("test1").labels == MER_EMOTIONS
