import pytest

from s2s.cli.bench import BenchConfig
from s2s.config.data import SubwordsConfig
from s2s.config.model import ModelConfig, Tie
from s2s.config.options import check_options
from s2s.config.training import Config, InitSubwords, TrainingConfig
from s2s.errors import ConfigError

TIED = ModelConfig(tie=Tie.all)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Config(model=ModelConfig(hidden_size=1)), r"^model\.hidden_size must be between 2 and 1,000,000, but is 1$"),
        (Config(model=ModelConfig(hidden_size=9)), r"^model\.hidden_size must be even"),
        (Config(seed=-3), r"^seed must be between 0 and 4,294,967,295, but is -3$"),
        (Config(init_subwords=InitSubwords.new), r"init_subwords=new belongs to init_from=RUN, which is not given"),
        (Config(model=TIED, subwords=SubwordsConfig(shared=False)), r"model\.tie=all needs one vocabulary"),
        (BenchConfig(model=TIED, subwords=SubwordsConfig(shared=False)), r"model\.tie=all needs one vocabulary"),
    ],
    ids=lambda item: str(item)[:60],
)
def test_contradictions_are_refused(options: Config, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(options)


@pytest.mark.parametrize(
    "options",
    [
        Config(),
        BenchConfig(),
        Config(init_from="runs/other", init_subwords=InitSubwords.new),
        Config(model=TIED),
        Config(training=TrainingConfig(max_minutes=None)),
    ],
    ids=lambda item: str(item)[:60],
)
def test_what_makes_sense_is_allowed(options: Config) -> None:
    check_options(options)
