"""`s2s train`: from a choice of data and model to a run folder that translates."""

from s2s.cli.commands import Command
from s2s.config.training import Config
from s2s.tasks.train_run import train

COMMAND = Command(train, Config, makes_runs=True)
