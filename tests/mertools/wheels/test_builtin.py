"""The built-in wheels are whole, say that they are not official, and order systems as the official ones do."""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr

from mertools.metrics import METRICS
from mertools.openset import read_column
from mertools.wheels import Wheels
from mertools.wheels.builtin import NAMES, forms_of


@pytest.fixture(scope="module")
def wheels() -> Wheels:
    return Wheels.builtin()


def test_they_say_that_they_are_not_official(wheels) -> None:
    assert wheels.label == "built-in (Plutchik, Parrott, Willcox): not official"
    assert not wheels.official
    assert wheels.warnings_for("mer2026") == wheels.warnings != ()


def test_every_label_is_a_known_word_that_stands_at_itself(wheels) -> None:
    for n, wheel in enumerate(wheels.wheels):
        for label in wheel.level1:
            assert wheels.places[label][n] == label
            assert wheels.cluster(label, n, 1) == wheel.level1[label]
            assert wheels.cluster(label, n, 2) == wheel.level2[label]


def test_every_word_stands_on_every_wheel_at_one_of_its_labels(wheels) -> None:
    assert [wheel.name for wheel in wheels.wheels] == [*NAMES]
    for places in wheels.places.values():
        assert all(place in wheel.level1 for place, wheel in zip(places, wheels.wheels, strict=True))


def test_the_published_structure(wheels) -> None:
    plutchik, parrott, willcox = wheels.wheels
    assert set(plutchik.level1.values()) == set(
        "joy trust fear surprise sadness disgust anger anticipation".split()  # noqa: SIM905
    )
    assert set(parrott.level1.values()) == set("love joy surprise anger sadness fear".split())  # noqa: SIM905
    assert set(willcox.level1.values()) == set("mad sad scared joyful powerful peaceful".split())  # noqa: SIM905
    assert parrott.level2["glee"] == "cheerfulness"
    assert plutchik.level1["terror"] == "fear"


@pytest.mark.parametrize(
    ("form", "base"),
    [
        ("happily", "happy"),
        ("Happier", "happy"),
        ("worries", "worry"),
        ("frustrations", "frustrated"),
        ("annoys", "annoyed"),
        ("angrily", "angry"),
        ("disappointments", "disappointed"),
        ("calmly", "calm"),
        ("don\u2019t know", None),
        ("meaning", None),
        ("neutral", None),
    ],
)
def test_forms_lead_to_their_word(wheels, form, base) -> None:
    found = wheels.base(form)
    if base is None:
        assert found is None
    else:
        assert wheels.places[found] == wheels.places[base]


def test_phrases_have_no_forms() -> None:
    assert list(forms_of("looking forward to")) == []


def systems(rng: np.random.Generator, truth: np.ndarray, said: np.ndarray, n: int) -> list[np.ndarray]:
    """Made predictions: words of the truth or the example's predictions kept at one rate, random ones added."""
    pool = np.array(sorted({word for row in (*truth, *said) for word in row}))
    made = []
    for _ in range(n):
        keep, extra = rng.uniform(0, 1), rng.uniform(0, 3)
        source = truth if rng.random() < 0.5 else said
        column = np.empty(len(truth), dtype=object)
        for i, row in enumerate(source):
            kept = [word for word in row if rng.random() < keep]
            column[i] = (*kept, *rng.choice(pool, rng.poisson(extra)))
        made.append(column)
    return made


def test_they_rank_made_systems_as_the_official_tables_do(real_data, wheels) -> None:
    cells = []
    for file in ("check", "predict"):
        with (real_data / "mer2024_ov" / f"{file}-openset.csv").open() as opened:
            cells.append({row["name"]: row["openset"] for row in csv.DictReader(opened)})
    names = sorted(cells[0])
    truth, said = (read_column(some, names) for some in cells)
    made = systems(np.random.default_rng(0), truth, said, 50)
    for year, name in (("2025", "ew2025_f1"), ("2026", "ew2026_level1_f1")):
        official = METRICS.get(name).bind(wheels=Wheels.read(real_data / "emotion_wheel" / year))
        ours = METRICS.get(name).bind(wheels=wheels)
        assert spearmanr([official(truth, s) for s in made], [ours(truth, s) for s in made])[0] > 0.97
