"""Small inline SVG charts. Every text that comes from data is escaped here; the template takes them as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape

from mertools.report.facts import ClassFacts, ValueFacts


def interval_chart(value: float, low: float | None, high: float | None, floors: Mapping[str, float]) -> Markup:
    """A value with its interval on a line, and floors as marks below it."""
    shown = [v for v in (value, low, high, *floors.values()) if v is not None]
    ticks = _ticks(min(shown), max(shown))
    left, right, parts = ticks[0], ticks[-1], [_axis(ticks)]
    if low is not None and high is not None:
        parts.append(f'<rect class="band" x="{_x(low, left, right):.1f}" y="26" width="'
                     f'{_x(high, left, right) - _x(low, left, right):.1f}" height="16" rx="8"/>')  # fmt: skip
    parts.append(f'<circle class="dot" cx="{_x(value, left, right):.1f}" cy="34" r="8"/>')
    parts.append(f'<text class="big" x="{_x(value, left, right):.1f}" y="17" text-anchor="middle">{value:.3f}</text>')
    for row, (name, floor) in enumerate(floors.items()):
        x, y = _x(floor, left, right), 88 + 18 * row
        anchor, dx = ("start", 8) if x < 320 else ("end", -8)
        parts.append(f'<line class="floor" x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{y}"/>')
        parts.append(f'<text x="{x + dx:.1f}" y="{y}" text-anchor="{anchor}">{escape(name)}: {floor:.3f}</text>')
    return _svg(640, 78 + 18 * len(floors), parts, f"{value:.3f} with its interval and trivial floors")


def fold_chart(names: Sequence[str], values: Sequence[float | None], mean: float | None) -> Markup:
    """One bar per fold, the mean as a line. Folds without a value are marked."""
    known = [v for v in values if v is not None]
    left, right = min([0.0, *known]), max([1e-9, *known])
    parts, zero = [], _x(0.0, left, right, 120, 290)
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        y = 8 + 24 * row
        parts.append(f'<text x="110" y="{y + 13}" text-anchor="end">{escape(_short(name, 14))}</text>')
        if value is None:
            parts.append(f'<text class="mute" x="{zero + 6:.1f}" y="{y + 13}">undefined</text>')
            continue
        x = _x(value, left, right, 120, 290)
        parts.append(
            f'<rect class="bar" x="{min(zero, x):.1f}" y="{y}" width="{abs(x - zero):.1f}" height="17" rx="3"/>'
        )
        parts.append(f'<text x="{max(zero, x) + 6:.1f}" y="{y + 13}">{value:.3f}</text>')
    bottom = 8 + 24 * len(names)
    if mean is not None:
        x = _x(mean, left, right, 120, 290)
        parts.append(f'<line class="mean" x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{bottom}"/>')
        parts.append(f'<text class="mute" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">pooled {mean:.3f}</text>')
    return _svg(480, bottom + 20, parts, "score of each fold")


def confusion_chart(facts: ClassFacts) -> Markup:
    """The confusion matrix; shading is the share of the true class, the number is clips."""
    n, cell, margin = len(facts.labels), 62, 92
    shares = facts.matrix / np.maximum(facts.matrix.sum(axis=1, keepdims=True), 1)
    parts = [f'<text class="mute" x="{margin + n * cell / 2}" y="12" text-anchor="middle">predicted</text>']
    for i, label in enumerate(facts.labels):
        short, middle = escape(_short(label, 11)), margin + (i + 0.5) * cell
        parts.append(f'<text x="{middle}" y="32" text-anchor="middle">{short}</text>')
        parts.append(f'<text x="{margin - 8}" y="{40 + (i + 0.6) * cell * 0.75}" text-anchor="end">{short}</text>')
        for j in range(n):
            title = f"{label} taken for {facts.labels[j]}: {facts.matrix[i, j]} ({shares[i, j]:.0%})"
            corner = (margin + j * cell, 40 + i * cell * 0.75)
            parts.append(_square(corner, cell, int(facts.matrix[i, j]), float(shares[i, j]), i == j, title))
    return _svg(margin + n * cell + 10, int(44 + n * cell * 0.75), parts, f"confusion matrix of {facts.target}")


def heat_chart(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float | None]]) -> Markup:
    """Values in a grid, shaded from the lowest to the highest."""
    known = [v for row in values for v in row if v is not None]
    low, width = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0) or 1.0
    side, margin, parts = 84, 130, []
    for j, column in enumerate(columns):
        parts.append(
            f'<text x="{margin + (j + 0.5) * side}" y="16" text-anchor="middle">{escape(_short(column, 13))}</text>'
        )
    for i, (name, found) in enumerate(zip(rows, values, strict=True)):
        y = 26 + 34 * i
        parts.append(f'<text x="{margin - 8}" y="{y + 20}" text-anchor="end">{escape(_short(name, 18))}</text>')
        for j, value in enumerate(found):
            box = f'x="{margin + j * side}" y="{y}" width="{side - 2}" height="32" rx="3"'
            share = 0.0 if value is None else (value - low) / width
            shown = "undefined" if value is None else f"{value:.3f}"
            parts.append(
                f'<g><title>{escape(name)}, {escape(columns[j])}: {shown}</title><rect class="cell" {box}/>'
                f'<rect class="right" fill-opacity="{0.85 * share:.3f}" {box}/><text class="'
                f'{"deep" if share > 0.65 else "count"}" x="{margin + (j + 0.5) * side - 1}" y="{y + 21}" '
                f'text-anchor="middle">{shown}</text></g>'
            )
    return _svg(margin + len(columns) * side + 10, 32 + 34 * len(rows), parts, "score under each condition")


def _square(corner: tuple[float, float], side: float, count: int, share: float, right: bool, title: str) -> str:
    """One cell of the confusion matrix."""
    x, y = corner
    box = f'x="{x}" y="{y}" width="{side - 2}" height="{side * 0.75 - 2}" rx="3"'
    return (
        f'<g><title>{escape(title)}</title><rect class="cell" {box}/>'
        f'<rect class="{"right" if right else "wrong"}" fill-opacity="{share:.3f}" {box}/>'
        f'<text class="{"deep" if share > 0.55 else "count"}" x="{x + side / 2 - 1}" y="{y + side * 0.45}" '
        f'text-anchor="middle">{count}</text></g>'
    )


def scatter_chart(facts: ValueFacts) -> Markup:
    """Predicted against annotated values, with the line of equality."""
    size, margin = 330, 48
    ticks = _ticks(min(facts.range[0], *facts.prediction), max(facts.range[1], *facts.prediction))
    low, high = ticks[0], ticks[-1]

    def place(value: float) -> float:
        return (value - low) / (high - low) * size

    parts = [f'<rect class="cell" x="{margin}" y="6" width="{size}" height="{size}"/>',
             f'<line class="floor" x1="{margin}" y1="{6 + size}" x2="{margin + size}" y2="6"/>']  # fmt: skip
    for truth, said in zip(facts.truth, facts.prediction, strict=True):
        parts.append(
            f'<circle class="point" cx="{margin + place(truth):.1f}" cy="{6 + size - place(said):.1f}" r="3.5"/>'
        )
    for value in ticks:
        x, y, label = margin + place(float(value)), 10 + size - place(float(value)), f"{value:.3g}</text>"
        parts.append(f'<text class="mute" x="{x:.1f}" y="{size + 22}" text-anchor="middle">{label}')
        parts.append(f'<text class="mute" x="{margin - 6}" y="{y:.1f}" text-anchor="end">{label}')
    parts.append(f'<text class="mute" x="{margin + size / 2}" y="{size + 40}" text-anchor="middle">annotated</text>')
    parts.append(f'<text class="mute" x="{margin + 8}" y="22">predicted</text>')
    return _svg(size + margin + 16, size + 48, parts, f"predicted against annotated {facts.target}")


def status_bar(statuses: Mapping[str, int]) -> Markup:
    """A bar of clips by status: done, failed, not extracted."""
    total, x, parts = max(sum(statuses.values()), 1), 0.0, []
    for status, count in statuses.items():
        width = 160 * count / total
        kind = {"ok": "right", "not extracted": "cell"}.get(status, "wrong")
        box = f'x="{x:.1f}" y="2" width="{max(width, 0.5):.1f}" height="12"'
        parts.append(f'<rect class="{kind}" {box}><title>{escape(status)}: {count}</title></rect>')
        x += width
    return _svg(160, 16, parts, "clips by status", fixed=True)


def _svg(width: float, height: float, parts: Sequence[str], title: str, *, fixed: bool = False) -> Markup:
    size = f'width="{width:.0f}" height="{height:.0f}"' if fixed else f'style="max-width:{width:.0f}px"'
    head = f'<svg viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img" aria-label="{escape(title)}">'
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704 - every text inside was escaped above


def _axis(values: Sequence[float]) -> str:
    left, right, ticks = values[0], values[-1], []
    for value in values:
        x = _x(value, left, right)
        ticks.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="44" y2="50"/>')
        ticks.append(f'<text class="mute" x="{x:.1f}" y="65" text-anchor="middle">{value:.3g}</text>')
    return f'<line class="tick" x1="30" x2="610" y1="44" y2="44"/>{"".join(ticks)}'


def _x(value: float, left: float, right: float, start: float = 30, length: float = 580) -> float:
    return start + (value - left) / max(right - left, 1e-9) * length


def _ticks(low: float, high: float) -> list[float]:
    """Up to eight multiples of a round step whose first and last enclose both values."""
    span = max(high - low, 1e-3)
    power = 10.0 ** np.floor(np.log10(span))
    step = next(s * power for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0) if span / (s * power) <= 6)
    first, last = int(np.floor(low / step)), int(np.ceil(high / step))
    return [k * step for k in range(first, max(last, first + 1) + 1)]


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
