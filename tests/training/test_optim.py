import math

import pytest
import torch
from torch import Tensor, nn

from s2s.config.optim import OptimConfig, Optimizer, Schedule
from s2s.training.optim import Plateau, WeightAverage, build_optimizer, learning_rate, parameter_groups

# ----------------------------------------------------------------------------------------------------------------------
# Learning rate


def rate(
    step: int, schedule: Schedule, warmup_steps: int = 4, decay_steps: int = 44, plateau_scale: float = 1.0
) -> float:
    return learning_rate(
        step,
        highest=0.8,
        schedule=schedule,
        warmup_steps=warmup_steps,
        decay_steps=decay_steps,
        plateau_scale=plateau_scale,
    )


@pytest.mark.parametrize("schedule", Schedule)
def test_warm_up_is_linear(schedule: Schedule) -> None:
    assert [rate(step, schedule) for step in (1, 2, 3, 4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_constant_stays() -> None:
    assert {rate(step, Schedule.constant) for step in (4, 5, 99, 10**7)} == {0.8}


def test_inverse_sqrt_halves_when_steps_quadruple() -> None:
    assert [rate(step, Schedule.inverse_sqrt) for step in (4, 16, 64)] == pytest.approx([0.8, 0.4, 0.2])


def test_half_way_down_the_cosine_is_half() -> None:
    """From step 4 to step 44: the quarters of half a turn."""
    rates = [rate(step, Schedule.cosine) for step in (4, 14, 24, 34, 44)]
    eighth = math.sqrt(2) / 2
    assert rates == pytest.approx([0.8, 0.4 * (1 + eighth), 0.4, 0.4 * (1 - eighth), 0.0])


def test_cosine_ends_at_zero_and_stays_there() -> None:
    assert {rate(step, Schedule.cosine) for step in (44, 45, 84, 10**7)} == {0.0}
    assert rate(43, Schedule.cosine) > 0


def test_cosine_without_warm_up_begins_at_the_first_step() -> None:
    assert [rate(step, Schedule.cosine, 0, decay_steps=5) for step in (1, 3, 5)] == pytest.approx([0.8, 0.4, 0.0])


@pytest.mark.parametrize("warmup_steps", [0, 1, 2, 3, 7])
def test_a_cosine_that_ends_before_it_begins_is_zero_after_warm_up(warmup_steps: int) -> None:
    rates = [rate(step, Schedule.cosine, warmup_steps, decay_steps=1) for step in range(1, 12)]
    first = max(warmup_steps, 1)
    assert rates == pytest.approx([0.8 * step / first for step in range(1, first)] + [0.0] * (12 - first))


def test_plateau_scales_after_warm_up_only() -> None:
    assert rate(2, Schedule.plateau, plateau_scale=0.25) == pytest.approx(0.4)
    assert rate(9, Schedule.plateau, plateau_scale=0.25) == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", [Schedule.constant, Schedule.inverse_sqrt])
def test_only_plateau_looks_at_its_scale(schedule: Schedule) -> None:
    assert rate(9, schedule, plateau_scale=0.25) == rate(9, schedule)


def test_without_warm_up_the_first_step_has_the_highest_rate() -> None:
    assert [rate(1, schedule, warmup_steps=0) for schedule in Schedule] == [0.8] * 4
    assert rate(4, Schedule.inverse_sqrt, warmup_steps=0) == pytest.approx(0.4)


@pytest.mark.parametrize("schedule", Schedule)
@pytest.mark.parametrize("warmup_steps", [0, 1, 7])
def test_the_rate_is_never_above_the_highest(schedule: Schedule, warmup_steps: int) -> None:
    rates = [rate(step, schedule, warmup_steps) for step in range(1, 40)]
    assert max(rates) == pytest.approx(0.8)
    assert min(rates) > 0


# ----------------------------------------------------------------------------------------------------------------------
# Plateau


def test_plateau_on_paper() -> None:
    plateau = Plateau()
    scales = []
    for loss in (3.0, 2.0, 2.5, 2.0, 1.9, 1.95, 1.95, 1.95, 1.95):
        plateau.update(loss, factor=0.5, patience=1)
        scales.append(plateau.scale)
    # Two no better than 2.0 (2.5 and 2.0) cut once; 1.9 is better; then four no better than 1.9 cut twice.
    assert scales == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert plateau.best_loss == 1.9


def test_plateau_without_patience_cuts_at_once() -> None:
    plateau = Plateau()
    for loss in (1.0, 1.0, 1.5):
        plateau.update(loss, factor=0.1, patience=0)
    assert plateau.scale == pytest.approx(0.01)


def test_a_loss_that_is_no_number_is_no_better() -> None:
    plateau = Plateau()
    for loss in (1.0, math.nan, math.nan):
        plateau.update(loss, factor=0.5, patience=1)
    assert (plateau.scale, plateau.best_loss) == (0.5, 1.0)


# ----------------------------------------------------------------------------------------------------------------------
# Average of weights


def test_the_average_on_paper() -> None:
    """Decays a step are 4/13, 8/17, ... up to the limit of 0.5; every fourth step counts, for four."""
    weight = nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage([weight], decay=0.5)
    expected = 1.0
    for step, value, decay in ((4, 3.0, 4 / 13), (8, 5.0, 8 / 17), (12, -2.0, 0.5), (16, 7.0, 0.5)):
        for between in range(step - 3, step):
            weight.data.fill_(99.0)
            average.update(between)
            assert average.averages[0].item() == pytest.approx(expected, rel=1e-6)
        weight.data.fill_(value)
        average.update(step)
        expected = decay**4 * expected + (1 - decay**4) * value
        assert average.averages[0].item() == pytest.approx(expected, rel=1e-6)


def test_the_decay_grows_to_its_full_value() -> None:
    weight = nn.Parameter(torch.tensor([0.0]))
    average = WeightAverage([weight], decay=0.99)
    for step, decay in ((4, 4 / 13), (892, 0.99), (10**6, 0.99)):
        average.averages[0].fill_(1.0)
        average.update(step)
        assert average.averages[0].item() == pytest.approx(decay**4, rel=1e-5)


def test_a_swap_exchanges_and_a_second_one_undoes() -> None:
    weights = [nn.Parameter(torch.randn(3, 5)), nn.Parameter(torch.randn(7))]
    average = WeightAverage(weights, decay=0.9)
    before = [weight.detach().clone() for weight in weights]
    for weight in weights:
        weight.data.add_(1.0)
    after = [weight.detach().clone() for weight in weights]
    average.swap()
    assert all(torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))
    assert all(torch.equal(held, new) for held, new in zip(average.averages, after, strict=True))
    average.swap()
    assert all(torch.equal(weight, new) for weight, new in zip(weights, after, strict=True))
    assert all(torch.equal(held, old) for held, old in zip(average.averages, before, strict=True))


def test_the_average_is_no_part_of_the_gradient() -> None:
    weight = nn.Parameter(torch.ones(3))
    average = WeightAverage([weight], decay=0.9)
    average.update(1)
    average.swap()
    assert weight.requires_grad
    assert weight.grad is None
    assert not average.averages[0].requires_grad


# ----------------------------------------------------------------------------------------------------------------------
# Optimizers


GRADIENTS = [[0.3, -1.0, 1e-4], [0.6, 0.5, -2e-3], [0.9, -0.25, 1e-4], [-1.2, 2.0, 3e-5], [0.0, 0.125, 1.0]]


def matrix(values: list[float]) -> nn.Parameter:
    """A weight that decays: one row."""
    return nn.Parameter(torch.tensor([values], dtype=torch.float64))


def moved(optimizer: torch.optim.Optimizer, weight: nn.Parameter) -> list[Tensor]:
    """The weight after each of five steps."""
    path = []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor(gradient, dtype=torch.float64).reshape(weight.shape)
        optimizer.step()
        path.append(weight.detach().clone().flatten())
    return path


def adam_on_paper(decay: float, is_decoupled: bool) -> list[Tensor]:
    """Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2."""
    weight = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    mean = square = torch.zeros(3, dtype=torch.float64)
    path = []
    for step, row in enumerate(GRADIENTS, start=1):
        gradient = torch.tensor(row, dtype=torch.float64)
        if not is_decoupled:
            gradient = gradient + decay * weight
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.95 * square + 0.05 * gradient**2
        shrunk = weight - 0.05 * decay * weight if is_decoupled else weight
        weight = shrunk - 0.05 * (mean / (1 - 0.8**step)) / ((square / (1 - 0.95**step)).sqrt() + 1e-8)
        path.append(weight)
    return path


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("optimizer", [Optimizer.adam, Optimizer.adamw])
def test_adam_takes_the_steps_of_the_papers(optimizer: Optimizer, weight_decay: float) -> None:
    config = OptimConfig(optimizer, 0.05, adam_beta1=0.8, adam_beta2=0.95, weight_decay=weight_decay)
    weight = matrix([1.0, -2.0, 0.5])
    found = moved(build_optimizer([weight], config), weight)
    expected = adam_on_paper(weight_decay, is_decoupled=optimizer is Optimizer.adamw)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-15)


def test_sgd_on_paper() -> None:
    """From 1 with gradients 4 and 2, momentum 1/2, rate 1/8: velocities 4 and 4, so 1, 1/2, 0."""
    weight = matrix([1.0])
    sgd = build_optimizer([weight], OptimConfig(Optimizer.sgd, 0.125, momentum=0.5))
    path = []
    for gradient in (4.0, 2.0):
        weight.grad = torch.full_like(weight, gradient)
        sgd.step()
        path.append(weight.item())
    assert path == [0.5, 0.0]


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Optimizer.sgd, 2 - 0.25 * (0.5 * 2)),  # the gradient of an L2 penalty of 1/2: 1/2 times the weight
        (Optimizer.adam, 2 - 0.25),  # Adam's first step is as long as its rate, whatever the penalty's gradient
        (Optimizer.adamw, 2 - 0.25 * 0.5 * 2),  # no gradient: only the share that is taken off
    ],
)
def test_weight_decay_on_paper(optimizer: Optimizer, expected: float) -> None:
    """A weight of 2 without any gradient, rate 1/4, decay 1/2; a bias stays."""
    weight, bias = matrix([2.0]), nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
    made = build_optimizer([weight, bias], OptimConfig(optimizer, 0.25, momentum=0.0, weight_decay=0.5))
    weight.grad, bias.grad = torch.zeros_like(weight), torch.zeros_like(bias)
    made.step()
    assert weight.item() == pytest.approx(expected, rel=1e-7)
    assert bias.item() == 2.0


def unfused(parameters: list[nn.Parameter], config: OptimConfig) -> torch.optim.Optimizer:
    groups = [
        {"params": [weight], "weight_decay": config.weight_decay if weight.dim() > 1 else 0.0} for weight in parameters
    ]
    betas, rate = (config.adam_beta1, config.adam_beta2), config.learning_rate
    match config.optimizer:
        case Optimizer.adam:
            return torch.optim.Adam(groups, lr=rate, betas=betas, foreach=False, fused=False)
        case Optimizer.adamw:
            return torch.optim.AdamW(groups, lr=rate, betas=betas, foreach=False, fused=False)
        case Optimizer.sgd:
            return torch.optim.SGD(groups, lr=rate, momentum=config.momentum, foreach=False, fused=False)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("optimizer", Optimizer)
def test_the_fused_pass_equals_torch_one_weight_after_the_other(optimizer: Optimizer, weight_decay: float) -> None:
    torch.manual_seed(3)
    config = OptimConfig(optimizer, 0.01, momentum=0.8, weight_decay=weight_decay)
    first = [nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in ((3, 5), (3,), (7, 3), (7,))]
    second = [nn.Parameter(weight.detach().clone()) for weight in first]
    made = [build_optimizer(first, config), unfused(second, config)]
    for _ in range(6):
        for one, other in zip(first, second, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        for each in made:
            each.step()
    torch.testing.assert_close(first, second, rtol=1e-12, atol=1e-14)


def test_groups_of_parameters() -> None:
    weights, biases = [matrix([1.0]), matrix([2.0])], [nn.Parameter(torch.zeros(3))]
    assert parameter_groups([*weights, *biases], 0.0) == [{"params": [*weights, *biases], "weight_decay": 0.0}]
    assert [group["weight_decay"] for group in parameter_groups([*weights, *biases], 0.1)] == [0.1, 0.0]
    assert [len(group["params"]) for group in parameter_groups([*weights, *biases], 0.1)] == [2, 1]
    assert [group["weight_decay"] for group in parameter_groups(weights, 0.1)] == [0.1]
    assert [group["weight_decay"] for group in parameter_groups(biases, 0.1)] == [0.0]


@pytest.mark.parametrize("optimizer", Optimizer)
def test_the_loop_may_set_the_rate(optimizer: Optimizer) -> None:
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    made = build_optimizer([weight], OptimConfig(optimizer, 0.5))
    made.param_groups[0]["lr"] = 0.125
    weight.grad = torch.tensor([1.0], dtype=torch.float64)
    made.step()
    assert weight.item() == pytest.approx(1 - 0.125, rel=1e-6)  # Adam's first step is as long as its rate
