"""`s2s-train`: from a choice of data and model to a run folder that translates."""

from s2s.cli.app import run_app
from s2s.config.training import Config
from s2s.tasks.train_run import train


def main() -> None:
    """The command."""
    run_app("train", Config, train, makes_runs=True)
