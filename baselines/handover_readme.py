"""The page that an organiser reads first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baselines.runs import Run


def readme(run: Run, facts: Mapping[str, Any], ablations: Sequence[Mapping[str, Any]]) -> str:
    """What the package is, how to rebuild it, and what each space is worth.

    Args:
        run: the run.
        facts: content of ``handover.json``.
        ablations: from `baselines.ablations`.
    """
    metrics = run.metrics
    interval = metrics["interval"]
    ends = "" if interval["low"] is None else f" (95 % interval {interval['low']:.4f} to {interval['high']:.4f})"
    primary = metrics["metrics"][metrics["primary"]]
    lines = [
        f"# {facts['track'] or metrics['corpus']}: {metrics['model']}",
        "",
        f"Trained with mertools {facts['mertools']} on {metrics['n_clips']} clips of {metrics['corpus']}; seeds "
        f"{', '.join(map(str, facts['seeds']))}; {len(facts['members'])} models.",
        "",
        f"Out of fold: {metrics['primary']} {'undefined' if primary is None else f'{primary:.4f}'}{ends}.",
        "",
        "Spaces, with the settings in `run/checkpoints/model.json`:",
        "",
        *(f"* `{feature.label}` ({feature.dim} dimensions)" for feature in run.design.features),
        "",
        "## Rebuild",
        "",
        "    pip install -r requirements.txt",
        "    python rebuild.py",
        "",
        f"It makes the predictions of {', '.join(facts['splits'])} from `embeddings/` on CPU and compares them, and "
        "the upload if there is one, with what lies here, to the byte. Equal bytes are promised for the versions in "
        "requirements.txt and the processor in environment.json; another one may differ in the last digits of a "
        "probability.",
        "",
        "`SHA256SUMS` has the sum of every file: sha256sum -c SHA256SUMS. To train again: mertools train --recipe "
        "run/recipe.yaml --corpus DIR --out RUN.",
        "",
        "## Ablations",
        "",
    ]
    rows = [
        f"| {', '.join(entry['left_out']) or '-'} | {_number(entry['metrics'].get(entry['primary']))} | "
        f"{_number(entry['difference']['value'])} ({_number(entry['difference']['low'])} to "
        f"{_number(entry['difference']['high'])}) |"
        for entry in ablations
    ]
    table = ["| left out | " + str(metrics["primary"]) + " | difference, 95 % interval |", "|---|---|---|", *rows]
    return "\n".join([*lines, *(table if rows else ["None were run."])]) + "\n"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"
