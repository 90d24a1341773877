"""Speed of a random search at the size of MER2023. ``python benchmarks/sweep.py`` writes results/sweep.json.

Trials × 5 folds of ``attention`` trained in stacks, against a plain loop shaped like the published one: a data set that
hands out clips, a loader that collates 32 of them, one model after another on the default number of threads, outputs of
the left-out part and of all test sets recorded every epoch with gradients, 100 epochs. The loop is timed on a few
members and epochs and scaled. The data are synthetic, with classes that can be found as well as in the real ones.

Wall and processor seconds; on a busy machine compare the latter. ``--device cuda`` trains the stacks on a GPU.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import machine
from torch.utils.data import DataLoader, Dataset

from baselines.data import Table
from baselines.jobs import Job, Trained, Watch, run_jobs
from baselines.members import Task, small_network_settings
from baselines.models.base import Batch
from baselines.module import joint_loss
from baselines.options import TrainOptions
from baselines.population import StackPlan
from baselines.population.memory import bytes_per_member
from baselines.scoring import Measure, measures_of
from mertools.labels import MER_EMOTIONS
from mertools.targets import Target
from mertools.tracks import get_track

N_CLIPS, DIMS, TESTS, BATCH, EPOCHS = 3373, (1024, 1024, 768), (411, 412, 834), 32, 100
TARGETS = (Target("discrete", "classes", MER_EMOTIONS), Target("valence", "value", range=(-5.0, 5.0)))
SHARES = np.array([871, 822, 689, 383, 462, 146]) / N_CLIPS
SIGNAL = 0.085
"""Distance of class centres per dimension, which brings the scores near those of MER2023's baseline."""


def make_table(n: int, rng: np.random.Generator, centres: list[np.ndarray]) -> Table:
    """Clips of six classes with a valence that goes with the class."""
    classes = rng.choice(6, n, p=SHARES)
    valence = np.array([-0.1, -2.5, 1.8, -2.4, -1.0, -0.4])[classes] + rng.normal(size=n)
    spaces = tuple((SIGNAL * c[classes] + rng.normal(size=(n, c.shape[1]))).astype(np.float32) for c in centres)
    names = tuple(f"clip{i:05d}" for i in range(n))
    return Table(names, spaces, np.ones((n, 3), bool), {"discrete": classes, "valence": valence.clip(-5, 5)})


def make_jobs(table: Table, n_trials: int, measure: Measure, options: TrainOptions, hidden_dim: int) -> list[Job]:
    """A random search over step size, dropout and penalty, five folds each; the left-out part tells the epoch."""
    rng = np.random.default_rng(1)
    folds = np.array_split(rng.permutation(len(table)), 5)
    jobs = []
    for trial in range(n_trials):
        drawn = replace(options, lr=float(rng.choice([1e-3, 1e-4])), weight_decay=float(rng.choice([1e-5, 1e-3])))
        config = {"hidden_dim": hidden_dim, "dropout": float(rng.choice([0.2, 0.3, 0.4, 0.5]))}
        for number, held in enumerate(folds):
            rows = np.setdiff1d(np.arange(len(table)), held)
            watch = Watch(held, drawn.patience, measure)
            jobs.append(Job(Task("attention", config, TARGETS, drawn), table, rows, trial, number, drawn.epochs, watch))
    return jobs


class Clips(Dataset[dict[str, Any]]):
    """One clip after another, as the published loaders do."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.table)

    def __getitem__(self, row: int) -> dict[str, Any]:
        """One clip."""
        return {
            "embeddings": [torch.from_numpy(e[row]) for e in self.table.embeddings],
            "discrete": int(self.table.annotations["discrete"][row]),
            "valence": float(self.table.annotations["valence"][row]),
        }


def collate(clips: list[dict[str, Any]]) -> tuple[Batch, dict[str, torch.Tensor]]:
    """A batch of clips."""
    spaces = tuple(torch.stack([c["embeddings"][m] for c in clips]) for m in range(3))
    goals = {
        "discrete": torch.tensor([c["discrete"] for c in clips]),
        "valence": torch.tensor([c["valence"] for c in clips], dtype=torch.float32),
    }
    return Batch(spaces, torch.ones(len(clips), 3, dtype=torch.bool)), goals


def plain_epochs(job: Job, tests: list[Table], n_epochs: int) -> tuple[float, list[float]]:
    """The plain loop on one member; the best score of the watched clips and the wall seconds of each epoch."""
    assert job.watch is not None
    assert job.watch.measure is not None
    model, watch, measure = job.network(), job.watch, job.watch.measure
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.forward = torch.nn.Dropout(module.p).forward  # type: ignore[attr-defined, operator]
    options = job.task.options
    optimiser = torch.optim.Adam(model.parameters(), options.lr, weight_decay=options.weight_decay)
    held = job.table.rows(watch.rows)
    train = DataLoader(Clips(job.table.rows(job.rows)), BATCH, shuffle=True, collate_fn=collate)
    others = [DataLoader(Clips(t), BATCH, collate_fn=collate) for t in (held, *tests)]
    best, seconds = -np.inf, []
    for _ in range(n_epochs):
        start = time.perf_counter()
        model.train()
        for batch, goals in train:
            optimiser.zero_grad()
            joint_loss(model(batch), goals, 1.0).backward()
            optimiser.step()
        model.eval()
        found = []
        for loader in others:
            heads = [model(batch).heads for batch, _ in loader]
            found.append({t: torch.cat([h[t] for h in heads]).detach() for t in heads[0]})
        predictions = {
            "discrete": torch.softmax(found[0]["discrete"].double(), 1).numpy(),
            "valence": found[0]["valence"].squeeze(1).double().numpy(),
        }
        best = max(best, measure.goodness(held.annotations, predictions))
        seconds.append(time.perf_counter() - start)
    return best, seconds


@contextmanager
def measured(into: dict[str, Any]) -> Iterator[None]:
    """Wall and processor seconds of what is inside, and the load of the machine."""
    start, start_cpu = time.perf_counter(), time.process_time()
    yield
    into |= {
        "wall_s": round(time.perf_counter() - start, 2),
        "cpu_s": round(time.process_time() - start_cpu, 2),
        "load_1_min": round(os.getloadavg()[0], 1),
    }


def selected(found: list[Trained]) -> float:
    """The mean over folds of the best trial."""
    return float(np.array([t.best_score for t in found]).reshape(-1, 5).mean(axis=1).max())


def per_epoch(facts: dict[str, Any], n_epochs: int) -> dict[str, Any]:
    """Add seconds per epoch of one member."""
    return facts | {"epochs": n_epochs} | {f"{k}_per_epoch": round(facts[k] / n_epochs, 4) for k in ("wall_s", "cpu_s")}


def save(results: dict[str, Any], out: Path) -> None:
    """Write what is known so far."""
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--loop-members", type=int, default=10)
    parser.add_argument("--loop-epochs", type=int, default=5)
    parser.add_argument("--full-loops", type=int, default=0, help="trials that the loop trains for all 100 epochs")
    parser.add_argument("--hidden-dim", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "sweep.json")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rng = np.random.default_rng(0)
    centres = [rng.normal(size=(6, d)) for d in DIMS]
    table = make_table(N_CLIPS, rng, centres)
    tests = [make_table(n, rng, centres) for n in TESTS]
    measure = measures_of(TARGETS, get_track("mer2023-multi"))[0]
    options = TrainOptions(
        batch_size=BATCH, epochs=EPOCHS, standardise_values=False, standardise=False, threads=args.threads,
        device=args.device,
    )  # fmt: skip
    jobs = make_jobs(table, args.trials, measure, options, args.hidden_dim)
    results: dict[str, Any] = {"machine": machine(), "torch": torch.__version__, "arguments": vars(args) | {"out": ""}}

    loop: dict[str, Any] = {"threads": args.threads}
    torch.set_num_threads(args.threads)
    with measured(loop):
        for job in jobs[: args.loop_members]:
            plain_epochs(job, tests, args.loop_epochs)
    loop = per_epoch(loop, args.loop_epochs * min(args.loop_members, len(jobs)))
    results["loop"] = loop

    same: dict[str, Any] = {"threads": args.threads}
    few = [replace(job, epochs=args.loop_epochs) for job in jobs[: args.loop_members]]
    few = [replace(job, task=replace(job.task, options=replace(job.task.options, stack=len(few)))) for job in few]
    with small_network_settings(args.threads):
        for _ in run_jobs([replace(job, epochs=1) for job in few]):  # recordings are made
            pass
        with measured(same):
            for _ in run_jobs(few):
                pass
    results["stack, epoch for epoch"] = per_epoch(same, args.loop_epochs * len(few))

    per_loop = {k: loop[f"{k}_per_epoch"] for k in ("wall_s", "cpu_s")}
    per_stack = {k: same[k] / (args.loop_epochs * len(few)) for k in per_loop}
    results["times faster"] = {"epoch for epoch": {k: round(per_loop[k] / per_stack[k], 2) for k in per_loop}}
    save(results, args.out)

    search: dict[str, Any] = {"members": len(jobs), "patience": options.patience}
    with small_network_settings(args.threads), measured(search):
        found = list(run_jobs(jobs))
    search = per_epoch(search, sum(len(t.scores) for t in found)) | {
        "stack": len(StackPlan(jobs).stack_of(0)),
        "selected_score": round(selected(found), 4),
        "peak_megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "estimated_megabytes": round(len(jobs) * bytes_per_member(jobs[0]) / 1e6),
    }
    results["search, with early stopping"] = search
    if args.full_loops:
        torch.set_num_threads(args.threads)
        scores = [plain_epochs(job, tests, EPOCHS)[0] for job in jobs[: 5 * args.full_loops]]
        results["loop, all epochs"] = {
            "selected_score": round(float(np.array(scores).reshape(-1, 5).mean(axis=1).max()), 4),
            "selected_score_of_stack": round(selected(found[: 5 * args.full_loops]), 4),
        }
    scaled = {k: loop[f"{k}_per_epoch"] * EPOCHS * len(jobs) for k in ("wall_s", "cpu_s")}
    results["loop, scaled to the search"] = {k: round(v) for k, v in scaled.items()}
    results["times faster"]["whole search"] = {k: round(scaled[k] / search[k], 2) for k in scaled}
    save(results, args.out)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
