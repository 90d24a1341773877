"""Jobs trained in stacks: the same numbers as alone, whoever the mates are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines import MODELS, create_model, list_models
from baselines.data import Table
from baselines.jobs import Job, Trained, Watch, run_alone, run_jobs, try_jobs
from baselines.members import Task, predict_table, small_network_settings
from baselines.models.base import Batch, FusionModel
from baselines.models.dropout import dropout_layers, levels, mask_keys
from baselines.module import joint_loss
from baselines.options import TrainOptions
from baselines.population import StackPlan
from baselines.population.memory import bytes_per_member
from baselines.scoring import measures_of
from mertools.errors import TrainingError
from mertools.targets import Target

TARGETS = (Target("discrete", "classes", tuple("abcdef")), Target("valence", "value", range=(-5.0, 5.0)))
DIMS = (24, 17, 9)
MODELS_OF_CLIPS = [
    name
    for name in list_models()
    if issubclass(MODELS.get(name), FusionModel) and "utterance" in MODELS.get(name).levels
]
every_model = pytest.mark.parametrize("name", MODELS_OF_CLIPS)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    with small_network_settings(1):
        yield


@pytest.fixture(scope="module")
def table() -> Table:
    """200 clips in which the class can be found; embeddings and annotations are missing here and there."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 6, 200)
    spaces = [(0.4 * rng.normal(size=(6, d))[classes] + rng.normal(size=(200, d))).astype(np.float32) for d in DIMS]
    present = rng.random((200, len(DIMS))) > 0.1
    present[:, 0] = True
    valence = np.where(rng.random(200) > 0.1, classes - 2.5, np.nan)
    discrete = np.where(rng.random(200) > 0.1, classes, -1).astype(np.int64)
    return Table(tuple(f"c{i}" for i in range(200)), tuple(spaces), present, {"discrete": discrete, "valence": valence})


def job(table: Table, number: int, *, model: str = "attention", epochs: int = 8, **options: Any) -> Job:
    """Job `number`: its own clips, fold, seed, step size, penalty and dropout; every other keeps its best weights."""
    rows = np.random.default_rng(number).permutation(len(table))
    n_train = 100 + 7 * (number % 9)
    settings: dict[str, Any] = {
        "lr": (1e-3, 1e-2)[number % 2],
        "weight_decay": (0.0, 1e-3, 1e-2)[number % 3],
        "batch_size": 32,
        "stack": 2,
        **options,
    }
    config = {"hidden_dim": 16, "dropout": (0.0, 0.3, 0.5)[number % 3]}
    watch = Watch(rows[n_train:], 3, keep=number % 2 == 0)
    task = Task(model, config, TARGETS, TrainOptions(**settings))
    return Job(task, table, np.sort(rows[:n_train]), number, number % 5, epochs, watch)


def state(trained: Trained) -> list[torch.Tensor]:
    return list(trained.model.state_dict().values())


def assert_same(found: Sequence[Trained], expected: Sequence[Trained]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.scores == other.scores
        assert all(torch.equal(a, b) for a, b in zip(state(one), state(other), strict=True))


@every_model
@pytest.mark.slow
def test_numbers_do_not_depend_on_the_size_of_the_stack(name: str, table: Table) -> None:
    def jobs(stack: int) -> list[Job]:
        every = [job(table, n, model=name, stack=stack, threads=1 + stack % 2) for n in range(20)]
        return [replace(one, epochs=3) if n % 4 == 0 else one for n, one in enumerate(every)]  # some leave early

    results = {stack: list(run_jobs(jobs(stack))) for stack in (2, 3, 7, 20)}
    lengths = {len(trained.scores) for trained in results[2]}
    assert len(lengths) > 1, "no member left early"
    for stack in (3, 7, 20):
        assert_same(results[stack], results[2])


@every_model
def test_fifty_steps_in_a_stack_are_those_of_a_plain_training(name: str, table: Table) -> None:
    # 100 clips of 32: the last batch holds four. Steps small enough for rounding not to be amplified.
    jobs = [replace(job(table, 3 * n, model=name, lr=1e-4, epochs=13), watch=None, epochs=13) for n in range(3)]
    for stacked, one in zip(run_jobs(jobs), jobs, strict=True):
        alone = run_alone(one)
        clips = one.part(one.rows).batch
        for target, said in alone.model(clips).heads.items():
            torch.testing.assert_close(stacked.model(clips).heads[target], said, rtol=0, atol=1e-5)
        differing = [((a - b).abs() > 1e-5).sum().item() for a, b in zip(state(stacked), state(alone), strict=True)]
        # Adam makes steps of full size out of gradients that are rounding noise: those of the keys' biases, of which a
        # softmax takes no notice, and of units that hardly ever fire.
        allowed = 2e-3 if name == "misa" else 0
        assert sum(differing) <= allowed * sum(p.numel() for p in state(alone))
        start = one.network().state_dict().values()
        assert max(float((a - b).abs().max()) for a, b in zip(state(stacked), start, strict=True)) > 1e-3


@every_model
def test_held_out_losses_are_those_of_a_plain_training(name: str, table: Table) -> None:
    jobs = [job(table, n, model=name, lr=1e-4, epochs=4) for n in range(3)]
    for stacked, one in zip(run_jobs(jobs), jobs, strict=True):
        np.testing.assert_allclose(stacked.scores, run_alone(one).scores, atol=1e-5)


def test_a_stack_does_what_a_loop_written_out_does(table: Table) -> None:
    """Adam by torch, masks put on the inputs by hand, batches cut by hand."""
    one = replace(job(table, 1, lr=1e-3, grad_clip=0.05), watch=None, epochs=3)
    stacked = next(iter(run_jobs([one, job(table, 2, lr=1e-3, grad_clip=0.05)])))
    options, model = one.task.options, one.network().train()
    optimiser = torch.optim.Adam(model.parameters(), options.lr, weight_decay=options.weight_decay)
    part, generator, step = one.part(one.rows), one.streams.torch("order", one.fold), 0
    layers = dropout_layers(model)
    thresholds, scales = levels([layer.p for layer in layers])
    masks: dict[int, torch.Tensor] = {}

    def masked(number: int) -> Any:
        def hook(_: object, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (inputs[0] * masks[number][: len(inputs[0]), : inputs[0].shape[1]],)

        return hook

    for number, layer in enumerate(layers):
        layer.eval()
        layer.register_forward_pre_hook(masked(number))
    for _ in range(3):
        for rows in torch.randperm(len(part), generator=generator).split(32):
            keys = mask_keys(one.dropout_seed, step, 1, len(layers))[0]
            for number in range(len(layers)):
                width = DIMS[number] if number < 3 else 48
                numbers = np.array(
                    [
                        [slow_number(row * ((width + 1) // 2), column, width, keys[number]) for column in range(width)]
                        for row in range(len(rows))
                    ]
                )
                kept = numbers >= thresholds[number]
                masks[number] = torch.from_numpy(kept.astype(np.float32) * scales[number])
            optimiser.zero_grad()
            batch = part.rows(rows)
            joint_loss(model(batch.batch), batch.goals, options.value_weight).backward()
            torch.nn.utils.clip_grad_value_(model.parameters(), 0.05)
            optimiser.step()
            step += 1
    for a, b in zip(state(stacked), model.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def slow_number(first: int, column: int, width: int, keys: np.ndarray) -> int:
    """The number in [-32768, 32767] that decides about one element, in Python's integers."""
    half = (width + 1) // 2
    x = (first + column % half + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    x = (x ^ (x >> 31)) >> 32
    x = signed((x ^ int(keys[0])) * 0x2C1B3C6D, 32)
    x = signed(((x ^ (x >> 15)) ^ int(keys[1])) * 0x297A2D39, 32)
    return x >> 16 if column < half else signed(x, 16)


def signed(x: int, bits: int) -> int:
    return (x + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def test_results_come_in_the_order_of_the_jobs(table: Table) -> None:
    jobs = [job(table, n, epochs=2) for n in range(7)]
    other = [replace(j, task=replace(j.task, config={"hidden_dim": 8, "dropout": 0.1})) for j in jobs[:3]]
    mixed = [jobs[0], other[0], jobs[1], jobs[2], other[1], jobs[3], other[2], *jobs[4:]]
    assert [trained.job for trained in run_jobs(mixed)] == mixed


def test_the_network_is_that_of_the_best_epoch_where_asked(table: Table) -> None:
    jobs = [
        replace(one, watch=replace(one.watch, keep=True, patience=2))
        for one in (job(table, n, lr=3e-2, epochs=10) for n in range(4))
        if one.watch
    ]
    for trained, one in zip(run_jobs(jobs), jobs, strict=True):
        assert one.watch is not None
        assert trained.best_epochs < len(trained.scores)
        held = one.part(one.watch.rows)
        with torch.inference_mode():
            loss = joint_loss(trained.model(held.batch), held.goals, 1.0)
        assert -float(loss) == pytest.approx(max(trained.scores), abs=1e-5)


def test_a_measure_chooses_the_epoch_as_it_does_for_one_alone(table: Table) -> None:
    measure = measures_of(TARGETS, None)[0]
    jobs = [
        replace(one, watch=replace(one.watch, measure=measure, keep=True))
        for one in (job(table, n, lr=1e-3, epochs=4) for n in range(3))
        if one.watch
    ]
    for trained, one in zip(run_jobs(jobs), jobs, strict=True):
        assert one.watch is not None
        alone = run_alone(one)
        np.testing.assert_allclose(trained.scores, alone.scores, atol=0.02)  # one clip may change its class
        found = predict_table(trained.member(), table.rows(one.watch.rows), TARGETS)
        assert measure.goodness(table.rows(one.watch.rows).annotations, found) == pytest.approx(max(trained.scores))


def test_components_are_the_same_as_alone(table: Table) -> None:
    jobs = [job(table, n, lr=1e-4, epochs=3, pca=6) for n in range(3)]
    for stacked, one in zip(run_jobs(jobs), jobs, strict=True):
        np.testing.assert_allclose(stacked.scores, run_alone(one).scores, atol=1e-5)


def test_a_member_whose_loss_is_no_number_fails_alone(table: Table) -> None:
    jobs = [job(table, n) for n in range(5)]
    wild = replace(jobs[2].task, options=replace(jobs[2].task.options, lr=1e30))
    results = list(try_jobs([*jobs[:2], replace(jobs[2], task=wild), *jobs[3:]]))
    failed = results.pop(2)
    assert isinstance(failed, TrainingError)
    assert failed.code == "MER-T013"
    assert "fold 2, seed 2" in failed.message
    fine = [r for r in results if isinstance(r, Trained)]
    assert_same(fine, list(run_jobs([*jobs[:2], *jobs[3:]])))


def test_memory_bounds_the_stack(table: Table) -> None:
    one = job(table, 0, stack=0, memory=1.0, epochs=200)
    shared = sum(e.nbytes for e in table.embeddings)
    room = (3.5 * bytes_per_member(one) + shared) / 1e9
    jobs = [job(table, n, stack=0, memory=room, epochs=200) for n in range(8)]
    plan = StackPlan(jobs)
    assert sorted({len(plan.stack_of(n)) for n in range(8)}) == [2, 3]
    assert max(len(StackPlan([replace_memory(j, 0.0) for j in jobs]).stack_of(n)) for n in range(8)) == 8
    tiny = StackPlan([replace_memory(j, 1e-9) for j in jobs])
    assert {len(tiny.stack_of(n)) for n in range(8)} == {1}


def replace_memory(one: Job, memory: float) -> Job:
    return replace(one, task=replace(one.task, options=replace(one.task.options, memory=memory)))


@pytest.mark.parametrize(
    ("stack", "epochs", "expected"), [(1, 500, False), (0, 2, False), (0, 500, True), (5, 2, True)]
)
def test_what_is_stacked(table: Table, stack: int, epochs: int, expected: bool) -> None:
    plan = StackPlan([job(table, n, stack=stack, epochs=epochs) for n in range(3)])
    assert [plan.is_stacked(n) for n in range(3)] == [expected] * 3


def test_one_by_one_is_what_it_was(table: Table) -> None:
    jobs = [job(table, n, stack=1, epochs=2) for n in range(2)]
    assert_same(list(run_jobs(jobs)), [run_alone(one) for one in jobs])


def test_a_clip_with_nothing_counts_nowhere() -> None:
    """What fills a batch up: it has no embedding and no goal, and changes no gradient of the others."""
    model = create_model("attention", dims=DIMS, heads={"discrete": 6, "valence": 1}, hidden_dim=8)
    assert isinstance(model, FusionModel)
    torch.manual_seed(0)
    clips, goals = tuple(torch.randn(9, d) for d in DIMS), {"discrete": torch.arange(9) % 6, "valence": torch.randn(9)}
    present = torch.ones(9, 3, dtype=torch.bool)
    model.eval()
    gradients = []
    for fill in (0, 4):
        spaces = tuple(torch.cat((x, torch.randn(fill, x.shape[1]))) for x in clips)
        there = torch.cat((present, torch.zeros(fill, 3, dtype=torch.bool)))
        filled = {
            "discrete": torch.cat((goals["discrete"], torch.full((fill,), -1))),
            "valence": torch.cat((goals["valence"], torch.full((fill,), float("nan")))),
        }
        loss = joint_loss(model(Batch(spaces, there)), filled, 1.0)
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)
