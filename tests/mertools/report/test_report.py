"""The report: what it shows, that it stands alone, and that nothing in the data becomes markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from mertools.cli import main
from mertools.config import dump_yaml
from mertools.corpus import Clip, Corpus, Split, Target, Terms
from mertools.errors import MerToolsError, TrainingError
from mertools.labels import MER_EMOTIONS
from mertools.predictions import Predictions
from mertools.report import read_run, render
from mertools.store import SpaceSpec, open_store

EVIL = "<script>alert('x')</script>\"'&<img src=x onerror=alert(1)>"
VOID = {"meta", "br", "img", "input", "hr", "link"}


def make_run(folder: Path, *, n: int = 48, text: str = "hello", synthetic: bool = True, speaker: str = "s") -> Path:
    """A run folder as training writes it, with its corpus and a store."""
    draw = np.random.default_rng(0)
    truth = [MER_EMOTIONS[i % 6] for i in range(n)]
    valence = draw.uniform(-4, 4, n)
    clips = tuple(
        Clip(
            f"clip_{i:03d}",
            "train",
            cells={"text": text, "discrete": truth[i], "valence": f"{valence[i]:.2f}", "speaker": f"{speaker}{i % 4}"},
        )
        for i in range(n)
    )
    corpus = Corpus(
        "little",
        folder / "corpus",
        clips,
        folder / "corpus",
        (Split("train"),),
        (Target("discrete", "classes", classes=MER_EMOTIONS), Target("valence", "value", range=(-5, 5))),
        Terms(licence="made up"),
        synthetic=synthetic,
    )
    corpus.write()
    spec = SpaceSpec("audio/prosody", "frame", 4, 1, {"hop": "10 ms"}, modality="audio")
    with open_store(corpus.folder / "store", create=True) as store:
        space = store.declare(spec)
        with store.writer(space) as writer:
            for clip in clips[:-3]:
                writer.add(clip.name, np.ones((2, 4), np.float32), np.zeros(2))
            writer.fail(clips[-1].name, "silent", "no sound")
    probabilities = draw.dirichlet(np.ones(6), n)
    for i, label in enumerate(truth):
        probabilities[i, MER_EMOTIONS.index(label)] += 0.6
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    run = folder / "run"
    predictions = Predictions(
        tuple(c.name for c in clips), MER_EMOTIONS, probabilities, {"valence": valence + draw.normal(0, 1, n)}
    )
    predictions.write(run / "predictions" / "oof.csv")
    scores = {"mer2023_combined": 0.41, "waf": 0.66, "mse": 1.0}
    document = {
        "track": "mer2023-multi", "targets": ["discrete", "valence"], "model": "attention", "features": [str(space)],
        "corpus": "little", "protocol": {"folds": "track", "n_folds": 3}, "seeds": [0, 1], "n_clips": n,
        "primary": "mer2023_combined", "metrics": scores, "fold_spread": {"waf": 0.05, "mse": None},
        "per_fold": [
            {"fold": k, "left_out": str(k), "n_clips": n // 3, "epochs": [5], "metrics": {"mer2023_combined": v}}
            for k, v in enumerate((0.5, -0.2, None))
        ],
        "interval": {"metric": "mer2023_combined", "low": 0.2, "high": 0.6, "level": 0.95, "method": "bca"},
        "interval_unit": "speaker", "n_groups": 4, "synthetic": synthetic, "versions": {"mertools": "0"},
    }  # fmt: skip
    (run / "metrics.json").write_text(json.dumps(document))
    recipe = {"corpus": str(corpus.folder), "features": [str(space)], "model": "attention", "options": {"seed": 0}}
    (run / "recipe.yaml").write_text(dump_yaml(recipe))
    score = {
        "track": "mer2023-multi", "n": 12, "primary": "mer2023_combined",
        "metrics": {"mer2023_combined": 0.3},
        "interval": [0.1, 0.5], "interval_unit": "speaker", "n_groups": 2, "floors": {"majority": 0.05},
    }  # fmt: skip
    (run / "score-test1.json").write_text(json.dumps(score))
    return run


class Page(HTMLParser):
    """Collects tags and checks that they close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.stack: list[str] = []
        self.shown: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("plain"))


def test_page_shows_headline_interval_floors_folds_classes_and_coverage(run: Path) -> None:
    page = Page(render([read_run(run)]))
    shown = " ".join(page.shown)
    for expected in (
        "mer2023_combined", "0.410", "0.200 to 0.600", "speaker, 48 clips", "most frequent class",
        "annotations shuffled", "audio/prosody@", "45 ok", "2 not extracted", "1 silent", "undefined", "surprise",
        "split test1", "majority: 0.050",
    ):  # fmt: skip
        assert expected in shown, expected
    assert page.stack == []


def test_page_holds_no_script_no_address_and_no_other_file(run: Path) -> None:
    text = render([read_run(run)])
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", text)
    assert not [a for a in page.attributes if a[0] in ("src", "href", "srcset", "action") or a[0].startswith("on")]


def test_markup_in_names_and_transcripts_is_text(tmp_path: Path) -> None:
    run = make_run(tmp_path, text=EVIL, speaker=EVIL.replace("/", ""))
    facts = read_run(run)
    assert facts.worst
    page = Page(render([facts]))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert "<script>alert" in " ".join(page.shown)


def test_class_results_are_recomputed_from_the_predictions(run: Path) -> None:
    facts = read_run(run)
    (discrete,) = facts.classes
    said = Predictions.read(run / "predictions" / "oof.csv").discrete
    truth = [MER_EMOTIONS[i % 6] for i in range(48)]
    assert discrete.matrix.sum() == 48
    assert np.trace(discrete.matrix) == sum(a == b for a, b in zip(said, truth, strict=True))
    sureness = [clip.sureness for clip in facts.worst]
    assert sureness == sorted(sureness)
    assert all(clip.truth != clip.prediction for clip in facts.worst)


def test_synthetic_is_stamped_and_real_is_not(run: Path, tmp_path: Path) -> None:
    assert "Synthetic data." in render([read_run(run)])
    real = render([read_run(make_run(tmp_path, synthetic=False))])
    assert "Synthetic data." not in real
    assert 'class="tag"' not in real


def test_two_runs_are_compared_side_by_side(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path)
    other = other.rename(tmp_path / "other")
    shown = " ".join(Page(render([read_run(run), read_run(other)])).shown)
    assert "side by side" in shown
    assert "other" in shown


def test_a_lost_corpus_is_said_not_hidden(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (tmp_path / "corpus").rename(tmp_path / "gone")
    facts = read_run(run)
    assert facts.gaps
    assert "MER-C014" in render([facts])


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a finished run"):
        read_run(tmp_path)


def test_the_verb_writes_the_page_and_says_where(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(["report", str(run), "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["synthetic"] is True
    assert out.read_text().startswith("<!doctype html>")
    assert main(["report", str(tmp_path / "none"), "--out", str(tmp_path / "no.html")]) == 2
    assert not (tmp_path / "no.html").exists()


def test_a_damaged_document_is_one_clear_error(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run / "metrics.json").write_text("{")
    with pytest.raises(MerToolsError, match=r"metrics\.json"):
        read_run(run)


@pytest.mark.parametrize(("file", "content"), [("metrics.json", "{}"), ("recipe.yaml", "[]"), ("metrics.json", "[]")])
def test_a_document_of_another_kind_is_one_clear_error(tmp_path: Path, file: str, content: str) -> None:
    run = make_run(tmp_path)
    (run / file).write_text(content)
    with pytest.raises(MerToolsError, match=r"MER-T071.*lacks"):
        read_run(run)
