"""Who says what, how strongly and with which label: the plan of the synthetic corpus, a pure function of its seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mertools.errors import ConfigError
from mertools.labels import MER_EMOTIONS, MER_VALENCE_RANGE

TRAIN_SPLIT, TEST_SPLIT = "train", "test1"


@dataclass(frozen=True)
class DemoSettings:
    """Size and seed of the synthetic corpus.

    Attributes:
        speakers: number of speakers; each speaks every emotion `takes` times.
        test_speakers: how many of them form the test split (nobody stands in both splits).
        takes: clips per speaker and emotion.
        seconds: mean length of a clip; single clips differ by up to 15 %.
        size: width and height of the video, pixels, even.
        fps: frames per second.
        seed: everything random is drawn from it.
    """

    speakers: int = 10
    test_speakers: int = 3
    takes: int = 2
    seconds: float = 2.0
    size: int = 256
    fps: int = 25
    seed: int = 2023

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            ConfigError: if there would be no training or no test speaker, or the video could not be encoded.
        """
        if not 1 <= self.test_speakers < self.speakers or self.takes < 1:
            raise ConfigError(
                "MER-R101",
                f"{self.speakers} speakers, {self.test_speakers} for the test, and {self.takes} takes make no corpus.",
                "Expected at least one speaker on each side and one take.",
            )
        if self.size < 96 or self.size % 2 or self.seconds < 0.8 or self.fps < 5:
            raise ConfigError(
                "MER-R102",
                f"clips of {self.size} pixels, {self.seconds} s and {self.fps} frames/s cannot be made.",
                "Expected an even size of at least 96 pixels, 0.8 s and 5 frames/s.",
            )


@dataclass(frozen=True)
class Speaker:
    """What stays the same in all clips of one speaker.

    Attributes:
        name: "speaker_1", ...
        split: the split all of their clips belong to.
        f0_hz: habitual pitch.
        tract: vocal tract scale; formants are multiplied by it (high = short tract).
        mirror: whether the photograph is mirrored.
        zoom: size of the face relative to the photograph's crop.
        aspect: width of the face relative to its height.
        tilt_deg: habitual tilt of the head.
        gains: brightness of the red, green and blue channel.
        gamma: exponent of brightness.
    """

    name: str
    split: str
    f0_hz: float
    tract: float
    mirror: bool
    zoom: float
    aspect: float
    tilt_deg: float
    gains: tuple[float, float, float]
    gamma: float


@dataclass(frozen=True)
class Scene:
    """One clip of the plan.

    Attributes:
        name: clip name; says nothing about the emotion.
        speaker: who speaks.
        emotion: the label.
        intensity: how strongly it is shown, 0 (not at all) to 1.
        valence: annotated valence in [-5, 5], steps of 0.25.
        duration_s: length of the clip.
        text: what is said; only loosely tied to the emotion.
        openset: open-vocabulary labels.
        caption: a description of face and voice.
        seed: seed of everything random within the clip.
    """

    name: str
    speaker: Speaker
    emotion: str
    intensity: float
    valence: float
    duration_s: float
    text: str
    openset: tuple[str, ...]
    caption: str
    seed: tuple[int, ...]


_VALENCE: Mapping[str, float] = {
    "neutral": 0.25, "angry": -3.0, "happy": 3.5, "sad": -2.75, "worried": -1.75, "surprise": 1.0,
}  # fmt: skip
_WORDS: Mapping[str, tuple[str, ...]] = {
    "neutral": ("calm", "composed", "matter-of-fact"),
    "angry": ("angry", "irritated", "furious"),
    "happy": ("happy", "delighted", "cheerful"),
    "sad": ("sad", "downcast", "hopeless"),
    "worried": ("worried", "anxious", "uneasy"),
    "surprise": ("surprised", "amazed", "astonished"),
}
_FACES: Mapping[str, str] = {
    "neutral": "The face is at rest, the lips are closed",
    "angry": "The brows are lowered and drawn together, the lips are pressed",
    "happy": "The corners of the mouth rise into a broad smile",
    "sad": "The corners of the mouth drop and the inner brows rise",
    "worried": "The brows are raised and knit, the mouth is stretched",
    "surprise": "The brows fly up, the eyes widen and the jaw drops",
}
_VOICES: Mapping[str, str] = {
    "neutral": "the voice is even",
    "angry": "the voice is loud, hard and fast",
    "happy": "the voice is bright and lively",
    "sad": "the voice is low, soft and slow",
    "worried": "the voice is thin and trembling",
    "surprise": "the voice leaps upwards",
}
_LINES: Mapping[str, tuple[str, ...]] = {
    "neutral": (
        "The {thing} is on the second floor.",
        "We meet at {hour} as usual.",
        "I put the {thing} on the table.",
    ),
    "angry": ("How often must I say it about the {thing}!", "Stop it, it is {hour} already!", "Who broke the {thing}?"),
    "happy": ("The {thing} turned out so well!", "You came at {hour}, how lovely!", "I love the {thing}!"),
    "sad": ("The {thing} is gone for good.", "She left at {hour} and never wrote.", "Nothing is left of the {thing}."),
    "worried": ("What if the {thing} fails?", "He is not back and it is {hour}.", "I am not sure about the {thing}."),
    "surprise": ("Is that really the {thing}?", "What, it is {hour} already?", "I never expected the {thing}!"),
}
_THINGS = ("letter", "train", "garden", "machine", "dinner", "photograph", "contract", "bicycle")
_HOURS = ("six", "seven", "eight", "nine", "ten")
_TELLING_LINE = 0.55
"""How often the line belongs to the emotion; otherwise it is drawn from another, so that text alone says little."""


def write_script(settings: DemoSettings) -> tuple[Scene, ...]:
    """Plan all clips: every speaker shows every emotion equally often, in an order that says nothing.

    Args:
        settings: size and seed.

    Returns:
        Scenes in file order, equal for equal settings.
    """
    speakers = [_speaker(index, settings) for index in range(settings.speakers)]
    cast = [(speaker, emotion) for speaker in speakers for emotion in MER_EMOTIONS for _ in range(settings.takes)]
    order = np.random.default_rng((settings.seed, 1)).permutation(len(cast))
    shuffled = [cast[index] for index in order]
    return tuple(_scene(n, speaker, emotion, settings) for n, (speaker, emotion) in enumerate(shuffled, start=1))


def _speaker(index: int, settings: DemoSettings) -> Speaker:
    draw = np.random.default_rng((settings.seed, 2, index))
    high = index % 2 == 0  # high and low voices alternate, also within the test split
    return Speaker(
        name=f"speaker_{index + 1}",
        split=TRAIN_SPLIT if index < settings.speakers - settings.test_speakers else TEST_SPLIT,
        f0_hz=float(draw.uniform(185, 225) if high else draw.uniform(105, 135)),
        tract=float(draw.uniform(1.08, 1.18) if high else draw.uniform(0.92, 1.0)),
        mirror=bool((index // 2) % 2),
        zoom=float(draw.uniform(0.88, 1.12)),
        aspect=float(draw.uniform(0.92, 1.08)),
        tilt_deg=float(draw.uniform(-5, 5)),
        gains=(float(draw.uniform(0.82, 1.12)), float(draw.uniform(0.85, 1.08)), float(draw.uniform(0.8, 1.1))),
        gamma=float(draw.uniform(0.8, 1.3)),
    )


def _scene(number: int, speaker: Speaker, emotion: str, settings: DemoSettings) -> Scene:
    seed = (settings.seed, 3, number)
    draw = np.random.default_rng(seed)
    intensity = float(draw.uniform(0.3, 1.0))
    low, high = MER_VALENCE_RANGE
    valence = float(np.clip(_VALENCE[emotion] * (0.45 + 0.7 * intensity) + draw.normal(0, 0.5), low, high))
    told = emotion if draw.random() < _TELLING_LINE else MER_EMOTIONS[draw.integers(len(MER_EMOTIONS))]
    line = _LINES[told][draw.integers(len(_LINES[told]))]
    words = draw.permutation(_WORDS[emotion])[: 1 + int(draw.integers(2))]
    degree = "slightly" if intensity < 0.5 else "clearly" if intensity < 0.8 else "strongly"
    return Scene(
        name=f"demo_{number:04d}",
        speaker=speaker,
        emotion=emotion,
        intensity=intensity,
        valence=round(valence * 4) / 4,
        duration_s=settings.seconds * float(draw.uniform(0.85, 1.15)),
        text=line.format(thing=_THINGS[draw.integers(len(_THINGS))], hour=_HOURS[draw.integers(len(_HOURS))]),
        openset=tuple(str(word) for word in words),
        caption=f"{_FACES[emotion]}; {_VOICES[emotion]}. The person is {degree} {words[0]}.",
        seed=seed,
    )
