import math

import pytest
import torch
from torch import nn

from s2s.config import OptimConfig, Schedule
from s2s.training.optim import Plateau, WeightAverage, build_adam, learning_rate

# ----------------------------------------------------------------------------------------------------------------------
# Learning rate


def rate(step: int, schedule: Schedule, warmup_steps: int = 4, plateau_scale: float = 1.0) -> float:
    return learning_rate(step, highest=0.8, schedule=schedule, warmup_steps=warmup_steps, plateau_scale=plateau_scale)


@pytest.mark.parametrize("schedule", Schedule)
def test_warm_up_is_linear(schedule: Schedule) -> None:
    assert [rate(step, schedule) for step in (1, 2, 3, 4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_constant_stays() -> None:
    assert {rate(step, Schedule.constant) for step in (4, 5, 99, 10**7)} == {0.8}


def test_inverse_sqrt_halves_when_steps_quadruple() -> None:
    assert [rate(step, Schedule.inverse_sqrt) for step in (4, 16, 64)] == pytest.approx([0.8, 0.4, 0.2])


def test_plateau_scales_after_warm_up_only() -> None:
    assert rate(2, Schedule.plateau, plateau_scale=0.25) == pytest.approx(0.4)
    assert rate(9, Schedule.plateau, plateau_scale=0.25) == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", [Schedule.constant, Schedule.inverse_sqrt])
def test_only_plateau_looks_at_its_scale(schedule: Schedule) -> None:
    assert rate(9, schedule, plateau_scale=0.25) == rate(9, schedule)


def test_without_warm_up_the_first_step_has_the_highest_rate() -> None:
    assert [rate(1, schedule, warmup_steps=0) for schedule in Schedule] == [0.8, 0.8, 0.8]
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
    """Decays are 1/10, 2/11, 3/12, ... up to the limit of 0.2."""
    weight = nn.Parameter(torch.tensor([1.0]))
    average = WeightAverage([weight], decay=0.2)
    assert average.averages[0].item() == 1.0
    expected = 1.0
    for step, (value, decay) in enumerate(((3.0, 0.1), (5.0, 2 / 11), (-2.0, 0.2), (7.0, 0.2)), start=1):
        weight.data.fill_(value)
        average.update(step)
        expected = decay * expected + (1 - decay) * value
        assert average.averages[0].item() == pytest.approx(expected, rel=1e-6)


def test_the_decay_grows_to_its_full_value() -> None:
    weight = nn.Parameter(torch.tensor([0.0]))
    average = WeightAverage([weight], decay=0.99)
    for step, decay in ((1, 0.1), (891, 0.99), (10**6, 0.99)):
        average.averages[0].fill_(1.0)
        average.update(step)
        assert average.averages[0].item() == pytest.approx(decay, rel=1e-5)


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
# Adam


def test_adam_takes_the_steps_of_the_paper() -> None:
    """Kingma and Ba 2015, algorithm 1, by hand."""
    config = OptimConfig(learning_rate=0.05, adam_beta1=0.8, adam_beta2=0.95)
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    adam = build_adam([weight], config)
    expected = weight.detach().clone()
    mean, square = torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for step in range(1, 6):
        gradient = torch.tensor([0.3 * step, -1.0, 1e-4 / step], dtype=torch.float64)
        weight.grad = gradient.clone()
        adam.step()
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.95 * square + 0.05 * gradient**2
        expected -= 0.05 * (mean / (1 - 0.8**step)) / ((square / (1 - 0.95**step)).sqrt() + 1e-8)
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-12, atol=1e-15)


def test_the_loop_may_set_the_rate() -> None:
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    adam = build_adam([weight], OptimConfig(learning_rate=0.5))
    adam.param_groups[0]["lr"] = 0.125
    weight.grad = torch.tensor([3.0], dtype=torch.float64)
    adam.step()
    assert weight.item() == pytest.approx(1 - 0.125, rel=1e-6)  # Adam's first step is as long as its rate
