import pytest

from s2s.config.optim import OptimConfig, Optimizer, Schedule
from s2s.config.options import check_options
from s2s.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            OptimConfig(decay_steps=500),
            r"optim\.decay_steps=500 belongs to optim\.schedule=cosine, not to inverse_sqrt",
        ),
        (OptimConfig(schedule=Schedule.plateau, decay_steps=500), r"optim\.schedule=cosine, not to plateau"),
        (
            OptimConfig(schedule=Schedule.cosine, warmup_steps=30, decay_steps=30),
            r"optim\.decay_steps=30 must be greater than optim\.warmup_steps=30",
        ),
        (OptimConfig(momentum=0.5), r"optim\.momentum=0\.5 belongs to optim\.optimizer=sgd, not to adam"),
        (
            OptimConfig(Optimizer.adamw, momentum=0.0),
            r"optim\.momentum=0\.0 belongs to optim\.optimizer=sgd, not to adamw",
        ),
    ],
    ids=lambda item: str(item)[:60],
)
def test_contradictions_are_refused(options: OptimConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(options, "optim.")


@pytest.mark.parametrize(
    "options",
    [
        OptimConfig(schedule=Schedule.cosine, warmup_steps=30, decay_steps=31),
        OptimConfig(schedule=Schedule.cosine),
        OptimConfig(Optimizer.sgd, momentum=0.0),
        OptimConfig(Optimizer.adamw, weight_decay=0.1),
    ],
    ids=str,
)
def test_what_makes_sense_is_allowed(options: OptimConfig) -> None:
    check_options(options, "optim.")
