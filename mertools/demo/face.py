"""A face that moves: scikit-image's public-domain photograph, warped frame by frame as an expression asks.

Positions are pixels of that photograph (512 x 512), measured on it once: MTCNN's five landmarks (eyes, nose, corners
of the mouth), brows and lips by eye. An expression is a point in the small space of `ACTIONS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

import cv2
import numpy as np

from mertools.demo.script import Scene, Speaker

EYES = ((205.0, 101.7), (246.8, 103.7))
MOUTH_CORNERS = ((201.7, 139.2), (245.3, 141.9))
_CENTRE = (224.0, 112.0)
_TOP, _LEFT, _SIDE = 0, 104, 240  # the part of the photograph that is used: rows 0..240, columns 104..344

ACTIONS = ("corners", "width", "open", "brow_inner", "brow_outer", "knit", "lids")
"""What can move: mouth corners up, mouth wider, lips apart, inner and outer brows up, brows together, lids apart."""

REST = {"corners": -0.75, "width": -0.35, "open": -0.8}
"""The photograph smiles; this takes the smile away."""

EXPRESSIONS: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "angry": {
        "corners": -0.25,
        "width": -0.1,
        "open": -0.1,
        "brow_inner": -1.1,
        "brow_outer": -0.4,
        "knit": 1.0,
        "lids": -0.5,
    },
    "happy": {"corners": 1.2, "width": 0.9, "open": 1.0, "brow_outer": 0.2, "lids": -0.3},
    "sad": {
        "corners": -1.1,
        "width": -0.2,
        "open": 0.0,
        "brow_inner": 0.9,
        "brow_outer": -0.4,
        "knit": 0.4,
        "lids": -0.8,
    },
    "worried": {
        "corners": -0.5,
        "width": 0.8,
        "open": 0.7,
        "brow_inner": 1.0,
        "brow_outer": 0.1,
        "knit": 1.0,
        "lids": 0.15,
    },
    "surprise": {"corners": -0.1, "width": -0.9, "open": 3.0, "brow_inner": 1.1, "brow_outer": 1.1, "lids": 0.45},
}
"""Full-blown expressions, as differences from `REST`."""


def film(scene: Scene, envelope: np.ndarray, size: int, fps: int) -> Iterator[np.ndarray]:
    """The frames of a scene.

    Args:
        scene: who, which emotion, how strongly, how long.
        envelope: loudness of the voice at each frame in [0, 1], shape ``(T,)``; the lips follow it.
        size: width and height of a frame, pixels.
        fps: frames per second.

    Yields:
        ``T`` frames, ``(size, size, 3)`` uint8, RGB.
    """
    draw = np.random.default_rng((*scene.seed, 1))
    photo = _portrait(scene.speaker)
    times_s = np.arange(len(envelope)) / fps
    actions = _actions(scene, envelope, times_s, draw)
    poses = _poses(scene.speaker, times_s, size, draw)
    noise = draw.normal(0, 2.0, (size, size, 1)).astype(np.float32)
    for step, pose in enumerate(poses):
        sources, cavity = _warp({name: float(track[step]) for name, track in actions.items()})
        maps = cv2.warpAffine(sources, pose, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        frame = cv2.remap(
            photo, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        ).astype(np.float32)
        shade = cv2.warpAffine(cavity, pose, (size, size), flags=cv2.INTER_LINEAR)[..., None]
        frame += shade * (np.array([58.0, 20.0, 22.0], np.float32) - frame)
        yield np.clip(frame + np.roll(noise, 7 * step, axis=0), 0, 255).astype(np.uint8)


def _portrait(speaker: Speaker) -> np.ndarray:
    """The part of the photograph that is used, in the colours of a speaker: ``(240, 240, 3)`` float32."""
    light = (_photograph() / 255.0) ** speaker.gamma * np.array(speaker.gains, np.float32)
    return np.clip(light * 255.0, 0, 255).astype(np.float32)


@cache
def _photograph() -> np.ndarray:
    from skimage import data

    photo: np.ndarray = data.astronaut()[  # type: ignore[no-untyped-call]
        _TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE
    ].astype(np.float32)
    return photo


def _actions(
    scene: Scene, envelope: np.ndarray, times_s: np.ndarray, draw: np.random.Generator
) -> dict[str, np.ndarray]:
    """Each action over time, ``(T,)``: the expression rises, stays and fades, with a person's own manner in it."""
    onset_s = draw.uniform(0.1, 0.5)
    rise = 1 / (1 + np.exp(-(times_s - onset_s) / 0.09))
    strength = scene.intensity * (0.2 + 0.8 * rise) * (1 - 0.2 * times_s / max(times_s[-1], 1.0))
    manner = np.random.default_rng((scene.seed[0], 4, *scene.speaker.name.encode()))
    tracks = {}
    for name in ACTIONS:
        goal = EXPRESSIONS[scene.emotion].get(name, 0.0)
        own = manner.normal(0, 0.12) + draw.normal(0, 0.16)
        tracks[name] = REST.get(name, 0.0) + goal * strength + own + 0.05 * _wander(times_s, draw)
    tracks["open"] = np.maximum(tracks["open"], -0.85) + 1.1 * envelope
    return tracks


def _poses(speaker: Speaker, times_s: np.ndarray, size: int, draw: np.random.Generator) -> Iterator[np.ndarray]:
    """Affine maps from the portrait to the frame, one per time."""
    scale = size / 196.0 * speaker.zoom
    shift = size * 0.012 * np.stack([_wander(times_s, draw), _wander(times_s, draw)], axis=1)
    turn = np.deg2rad(speaker.tilt_deg + draw.normal(0, 1.5) + 1.6 * _wander(times_s, draw))
    breath = scale * (1 + 0.012 * _wander(times_s, draw))
    centre = np.array([_CENTRE[0] - _LEFT, _CENTRE[1] - _TOP])
    middle = size * (np.array([0.5, 0.5]) + draw.normal(0, 0.015, 2))
    for step in range(len(times_s)):
        c, s = breath[step] * np.cos(turn[step]), breath[step] * np.sin(turn[step])
        wide = speaker.aspect * (-1 if speaker.mirror else 1)
        linear = np.array([[c * wide, -s], [s * wide, c]])
        yield np.column_stack([linear, middle + shift[step] - linear @ centre])


def _wander(times_s: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A slow aimless movement of about unit size, ``(T,)``."""
    rates_hz, phases = draw.uniform(0.15, 1.1, 3), draw.uniform(0, 2 * np.pi, 3)
    waves: np.ndarray = np.sin(2 * np.pi * rates_hz * times_s[:, None] + phases).sum(axis=1) / 1.7
    return waves


@cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    """Photograph coordinates ``x, y`` of the portrait's pixels."""
    y, x = np.mgrid[_TOP : _TOP + _SIDE, _LEFT : _LEFT + _SIDE].astype(np.float32)
    return x, y


@cache
def _fields() -> Mapping[str, np.ndarray]:
    """Displacement of every pixel, ``(240, 240, 2)`` in pixels of the photograph, for one unit of each action."""
    (left, right), (eye_l, eye_r) = MOUTH_CORNERS, EYES
    return {
        "corners": _push((*left, 0.0, -6.0, 10, 9), (*right, 0.0, -6.0, 10, 9))
        + _push((203, 127, 0.0, -1.8, 12, 9), (245, 129, 0.0, -1.8, 12, 9)),
        "width": _push((*left, -4.5, 0.0, 11, 13), (*right, 4.5, 0.0, 11, 13)),
        "brow_inner": _push((211, 90, 0.0, -5.0, 7, 7), (238, 92, 0.0, -5.0, 7, 7)),
        "brow_outer": _push((194, 89, 0.0, -5.0, 9, 7), (258, 92, 0.0, -5.0, 9, 7)),
        "knit": _push((209, 91, 4.0, 0.0, 9, 7), (240, 93, -4.0, 0.0, 9, 7)),
        "lids": _push((eye_l[0], eye_l[1] - 6, 0.0, -2.0, 9, 4.5), (eye_r[0], eye_r[1] - 6, 0.0, -2.0, 9, 4.5))
        + _push((eye_l[0], eye_l[1] + 5, 0.0, 1.0, 9, 4.5), (eye_r[0], eye_r[1] + 5, 0.0, 1.0, 9, 4.5)),
    }


def _push(*bumps: tuple[float, float, float, float, float, float]) -> np.ndarray:
    """Sum of Gaussian bumps ``(x, y, dx, dy, sigma_x, sigma_y)`` of displacement."""
    x, y = _grid()
    field = np.zeros((_SIDE, _SIDE, 2), np.float32)
    for centre_x, centre_y, dx, dy, sigma_x, sigma_y in bumps:
        weight = np.exp(-0.5 * (((x - centre_x) / sigma_x) ** 2 + ((y - centre_y) / sigma_y) ** 2))
        field += weight[..., None] * np.array([dx, dy], np.float32)
    return field


def _warp(actions: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the portrait comes from, and how far it shows the inside of the mouth.

    Returns:
        Source coordinates ``(240, 240, 2)`` float32 in the portrait, and the cavity ``(240, 240)`` float32 in [0, 1].
    """
    x, y = _grid()
    moved = np.stack([x, y], axis=-1)
    for name, field in _fields().items():
        moved -= actions.get(name, 0.0) * field
    sources, cavity = _part_lips(moved, 5.0 * actions.get("open", 0.0))
    return sources - np.array([_LEFT, _TOP], np.float32), cavity


_LIP_ROWS = np.array([0.0, 143.0, 148.2, 148.2, 154.0, 178.0, 206.0, 512.0])
"""Rows that part when the mouth opens, between top and bottom of the photograph: lower edge of the upper lip and of
the teeth (twice), lower lip, chin, collar."""


def _part_lips(moved: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Move lower lip and chin by `gap` pixels (negative closes); what appears between the teeth and the lip is dark."""
    sources, cavity = moved.copy(), np.zeros(moved.shape[:2], np.float32)
    rows, columns = slice(130 - _TOP, 210 - _TOP), slice(180 - _LEFT, 268 - _LEFT)
    for column in range(columns.start, columns.stop):
        across = (column + _LEFT - 223.5) / 21.0
        lips = np.sqrt(max(0.0, 1 - across**2)) if gap > 0 else np.exp(-0.5 * (across / 0.8) ** 2)
        jaw = np.exp(-0.5 * (across / 1.1) ** 2)
        smile = 5.5 * min(across**2, 1.0)  # the line between the lips rises towards the corners
        down = gap * np.array([0, 0, 0, lips, 0.6 * lips + 0.4 * jaw, 0.6 * jaw, 0, 0])
        if gap < 0:
            down[2] = down[3]
        seen = moved[rows, column, 1] + smile
        sources[rows, column, 1] = np.interp(seen, _LIP_ROWS + down, _LIP_ROWS) - smile
        if gap > 0:
            edges = np.minimum(seen - _LIP_ROWS[2], _LIP_ROWS[3] + down[3] - seen)
            cavity[rows, column] = np.clip(edges, 0, 1) * min(1.0, down[3] / 2.0)
    return sources, cavity
