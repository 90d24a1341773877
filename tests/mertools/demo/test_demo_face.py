"""The face moves as the expression asks; measured on pixels, not on the settings."""

from dataclasses import replace

import numpy as np
import pytest

from mertools.demo import DemoSettings, Scene, write_script
from mertools.demo.face import ACTIONS, EXPRESSIONS, film
from mertools.labels import MER_EMOTIONS

SCENES = write_script(DemoSettings(takes=1))


def shown(emotion: str, intensity: float = 1.0) -> Scene:
    """The same scene with another emotion: pose, light and noise stay as they are."""
    scene = next(s for s in SCENES if s.speaker.name == "speaker_1")
    return replace(scene, emotion=emotion, intensity=intensity)


def still(scene: Scene) -> np.ndarray:
    *_, last = film(scene, np.zeros(30), 192, 25)
    return last


def test_every_label_has_an_expression_made_of_known_actions() -> None:
    assert set(EXPRESSIONS) == set(MER_EMOTIONS)
    assert {name for actions in EXPRESSIONS.values() for name in actions} <= set(ACTIONS)


def test_frames_are_rgb_of_the_size_asked_for_and_the_same_every_time() -> None:
    first = list(film(SCENES[0], np.linspace(0, 1, 5), 128, 25))
    again = list(film(SCENES[0], np.linspace(0, 1, 5), 128, 25))
    assert len(first) == 5
    assert all(f.shape == (128, 128, 3) and f.dtype == np.uint8 for f in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_jaw_drops_in_surprise_more_than_at_rest() -> None:
    rest, dropped = (still(shown(emotion)).max(axis=-1).astype(int) for emotion in ("neutral", "surprise"))
    rows, columns = np.nonzero(rest - dropped > 80)  # what was lip and is now the inside of the mouth
    assert len(rows) > 100
    assert 0.5 < np.median(rows) / 192 < 0.8
    assert 0.3 < np.median(columns) / 192 < 0.7


def test_lips_follow_the_voice() -> None:
    scene = shown("neutral")
    *_, silent = film(scene, np.zeros(30), 192, 25)
    *_, loud = film(scene, np.ones(30), 192, 25)
    changed = np.abs(silent.astype(int) - loud.astype(int)).sum(axis=-1) > 60
    rows, columns = np.nonzero(changed)
    assert changed.sum() > 100
    assert rows.min() > 192 * 0.5  # nothing above the nose moves
    assert 192 * 0.2 < columns.mean() < 192 * 0.8


def test_a_stronger_expression_differs_more_from_rest() -> None:
    rest = still(shown("happy", 0.0)).astype(int)
    slight, strong = (np.abs(still(shown("happy", i)).astype(int) - rest).mean() for i in (0.4, 1.0))
    assert strong > slight > 0


@pytest.mark.slow
def test_mtcnn_finds_one_face_in_every_clip() -> None:
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True)
    for scene in write_script(DemoSettings()):
        *_, frame = film(scene, np.full(20, 0.3), 256, 25)
        boxes, confidences = detector.detect(frame)
        assert boxes is not None, scene.name
        assert confidences.max() > 0.9, scene.name
