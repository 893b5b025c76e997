"""`s2s train`: from a choice of data and model to a run folder that translates."""

from s2s.cli.commands import Command
from s2s.config.training import Config


def train(config: Config) -> None:
    """Train, or go on with a run that was stopped."""
    from s2s.tasks.train_run import train

    train(config)


COMMAND = Command(train, Config, makes_runs=True)
