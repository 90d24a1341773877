"""``mertools sweep`` and ``train`` with the published protocol, as a user types them."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mertools import cli
from mertools.config import load_yaml
from mertools.corpus import Clip, Corpus, Split
from mertools.store import SpaceSpec, open_store
from mertools.targets import Target

EMOTIONS = ("angry", "happy", "sad")


@pytest.fixture(autouse=True)
def _logger_as_before() -> Iterator[None]:
    logger = logging.getLogger("baselines")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 36 clips of six speakers with one space in which the class can be found."""
    made, rng = tmp_path_factory.mktemp("cli") / "corpus", np.random.default_rng(0)
    clips = tuple(
        Clip(
            f"clip{n:02d}",
            "train",
            cells={"name": f"clip{n:02d}", "split": "train", "speaker": f"s{n // 6}", "discrete": EMOTIONS[n % 3]},
        )
        for n in range(36)
    )
    Corpus("small", made, clips, made, (Split("train"),), (Target("discrete", "classes", EMOTIONS),)).write()
    centres = 2 * rng.normal(size=(3, 6))
    with open_store(made / "store", create=True) as store:
        space = store.declare(SpaceSpec("face/small", "utterance", 6, 1, {}))
        with store.writer(space) as writer:
            for n, clip in enumerate(clips):
                writer.add(clip.name, (centres[n % 3] + rng.normal(size=6)).astype(np.float32)[None], np.zeros(1))
    return made


def words(folder: Path, out: Path, *more: str) -> list[str]:
    return [
        "--corpus", str(folder), "--target", "discrete", "--features", "face/small", "--model", "attention",
        "--folds", "2", "--out", str(out), *more,
    ]  # fmt: skip


QUICK = ("epochs=4", "batch_size=8", "hidden_dim=[4,8]", "lr=[1e-2, 3e-2]", "dropout=0.1", "repeats=2")


def run(capsys: pytest.CaptureFixture[str], *given: str) -> tuple[int, str, str]:
    code = cli.main(list(given))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_sweep_says_what_it_does_and_what_it_found(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    code, text, progress = run(capsys, "sweep", *words(folder, out, "--trials", "3", *QUICK))
    assert code == 0
    assert "3 trials on 2 folds: 6 trainings to do, chosen by waf" in progress
    assert "3/3 trials, number " in progress
    assert "search: 3 trials (random), chosen by waf" in text
    assert text.count("\n  fold ") == 2
    assert "OPTIMISTIC" not in text
    code, text, progress = run(capsys, "sweep", *words(folder, out, "--trials", "3", "--json", *QUICK))
    document = json.loads(text)
    assert code == 0
    assert "nothing is left to do" in progress
    assert document["search"]["trials"] == 3
    assert document["run"] == str(out)


def test_its_recipe_repeats_it_and_is_no_recipe_of_a_training(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    assert run(capsys, "sweep", *words(folder, first, "--trials", "2", *QUICK))[0] == 0
    recipe = str(first / "recipe.yaml")
    assert run(capsys, "sweep", "--recipe", recipe, "--out", str(second))[0] == 0
    documents = [json.loads((f / "metrics.json").read_text()) for f in (first, second)]
    assert documents[0] == documents[1]
    assert load_yaml(first / "recipe.yaml") == load_yaml(second / "recipe.yaml")
    code, _, error = run(capsys, "train", "--recipe", recipe, "--out", str(tmp_path / "three"))
    assert code == 2
    assert "MER-T062" in error
    assert f"mertools sweep --recipe {recipe}" in error


def test_a_sweep_may_start_from_the_recipe_of_a_training(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "train", *words(folder, tmp_path / "run", "epochs=3", "hidden_dim=4", "batch_size=8"))[0] == 0
    assert not (load_yaml(tmp_path / "run" / "recipe.yaml") or {}).get("sweep")
    recipe, space = str(tmp_path / "run" / "recipe.yaml"), tmp_path / "space.yaml"
    space.write_text("lr: {low: 1e-3, high: 1e-1, log: true}\n")
    code, _, _ = run(
        capsys, "sweep", "--recipe", recipe, "--space", str(space), "--trials", "2", "--out", str(tmp_path / "swept")
    )
    metrics = json.loads((tmp_path / "swept" / "metrics.json").read_text())
    assert code == 0
    assert len(metrics["seeds"]) == 6
    assert {tuple(c["options"]) for c in metrics["search"]["chosen"]} == {("lr",)}
    options = load_yaml(tmp_path / "swept" / "recipe.yaml")["options"]
    assert (options["epochs"], options["hidden_dim"]) == (3, 4)


def test_published_scores_are_marked_wherever_they_are_shown(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    given = words(folder, out, "protocol=published", "epochs=4", "hidden_dim=4", "lr=1e-2")
    code, text, _ = run(capsys, "train", *given)
    assert code == 0
    assert "OPTIMISTIC: epochs were chosen on the very clips that are scored" in text
    assert "gap " in text
    assert run(capsys, "report", str(out), "--out", str(tmp_path / "page.html"))[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert '<span class="tag">optimistic</span>' in page
    assert "Optimistic: epochs were chosen on the very clips that are scored." in page


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--trials", "0"), "MER-T124"),
        (("--sampler", "tpe", "selection=last"), "MER-T124"),
        (("dropuot=[0.1,0.2]",), "MER-T121"),
        (("dropuot=0.1",), "MER-T001"),
        (("select_by=f1",), "MER-T120"),
        (("--space", "absent.yaml"), "MER-R005"),
        (("lr=[]",), "MER-T123"),
        (("trials=3",), "MER-T063"),
        (("model=attention",), "MER-T063"),
        (("epochs=0",), "MER-R004"),
    ],
)
def test_wrong_input_is_one_paragraph_and_leaves_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], code: str
) -> None:
    found, _, error = run(capsys, "sweep", *words(folder, tmp_path / "run", *more))
    assert found == 2
    assert code in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def test_what_is_lacking_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "sweep", "--out", str(tmp_path / "run"))
    assert code == 2
    assert "sweep needs --corpus DIR" in error
