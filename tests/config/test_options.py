import dataclasses
import enum
import importlib
import math
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

import s2s.cli
import s2s.config
from s2s.config.data import Corpus, SubwordsConfig
from s2s.config.model import Cell, ModelConfig
from s2s.config.optim import OptimConfig, Optimizer, Schedule
from s2s.config.options import (
    Options,
    as_argument,
    check_ascending,
    check_options,
    flatten,
    option,
    reset_without_effect,
    shown_number,
)
from s2s.config.search import Strategy
from s2s.config.training import Config
from s2s.errors import ConfigError


def option_classes() -> list[type[Options]]:
    """The groups of s2s.config, and those of the commands."""
    for package in (s2s.config, s2s.cli):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found: list[type[Options]] = [Options]
    for each in found:
        found += each.__subclasses__()
    return [each for each in found if each.__module__.startswith("s2s.") and each is not Options]


def own_options(has: str) -> list[tuple[type[Options], "dataclasses.Field[Any]"]]:
    """Options with such metadata, each with the class that defines it."""
    return [
        (group, item)
        for group in option_classes()
        for item in dataclasses.fields(group)
        if item.name in group.__annotations__ and item.metadata.get(has) not in (None, (), "")
    ]


def named(item: Any) -> str | None:
    return getattr(item, "__name__", None) or getattr(item, "name", None)


# ----------------------------------------------------------------------------------------------------------------------
# A toy


class Size(enum.Enum):
    small = "small"
    large = "large"
    huge = "huge"


@dataclass
class Hat(Options):
    size: Size = option(Size.small, "its size")
    feathers: int = option(2, "large: how many", low=1, high=9, only=[Size.large, Size.huge])
    ribbons: list[int] = option([3, 4], "their widths", low=1, high=1_000_000)
    weight: float | None = option(None, "of it", low=0.5, high=8)

    def check(self) -> None:
        if self.feathers > 4 and self.size is Size.large:
            raise ConfigError("too many feathers")


@dataclass
class Wardrobe(Options):
    name: str = option("x", "its name")
    hat: Hat = field(default_factory=Hat)
    is_open: bool = option(False, "whether it is")

    def check(self) -> None:
        if self.is_open and self.hat.size is Size.huge:
            raise ConfigError("does not close")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Wardrobe(hat=Hat(weight=0.4)), r"^hat\.weight must be between 0\.5 and 8, but is 0\.4$"),
        (Wardrobe(hat=Hat(weight=math.inf)), r"^hat\.weight must be between 0\.5 and 8, but is inf$"),
        (Wardrobe(hat=Hat(Size.large, feathers=10)), r"^hat\.feathers must be between 1 and 9, but is 10$"),
        (Wardrobe(hat=Hat(ribbons=[7, 0])), r"^hat\.ribbons must be between 1 and 1,000,000, but is 0$"),
        (Wardrobe(hat=Hat(feathers=3)), r"^hat\.feathers=3 belongs to hat\.size=large or huge, not to small$"),
        (Wardrobe(hat=Hat(Size.large, feathers=5)), r"^too many feathers$"),
        (Wardrobe(is_open=True, hat=Hat(Size.huge)), r"^does not close$"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(options: Wardrobe, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check_options(options)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "hat",
    [Hat(), Hat(feathers=2), Hat(Size.large, feathers=4), Hat(Size.huge, feathers=9), Hat(ribbons=[], weight=0.5)],
)
def test_what_makes_sense_is_allowed(hat: Hat) -> None:
    check_options(Wardrobe(hat=hat))


def test_a_prefix_stands_before_names() -> None:
    with pytest.raises(ConfigError, match=r"^my\.hat\.feathers must be"):
        check_options(Wardrobe(hat=Hat(feathers=0)), "my.")


def test_options_by_their_dotted_names() -> None:
    assert flatten(Wardrobe(hat=Hat(Size.large)), "w.") == {
        "w.name": "x",
        "w.hat.size": "large",
        "w.hat.feathers": 2,
        "w.hat.ribbons": [3, 4],
        "w.hat.weight": None,
        "w.is_open": False,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (0.5, "0.5"),
        (7, "7"),
        (None, "null"),
        (Size.huge, "huge"),
        (["a", 2, Size.small], "a,2,small"),
        ([], "[]"),
        (["a b", "a, b", "(1)", "[x]"], 'a b,"a, b","(1)","[x]"'),
        (['say "so"', "\\"], r'"say \"so\"","\\"'),
        ([" a", "null", ""], '" a","null",""'),
    ],
)
def test_a_value_as_on_the_command_line(value: Any, text: str) -> None:
    assert as_argument(value) == text


@pytest.mark.parametrize("numbers", [[], [3, 2], [2, 2]])
def test_numbers_that_do_not_ascend_are_refused(numbers: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"^edges must be ascending numbers, such as 10,100, but is "):
        check_ascending("edges", numbers)
    check_ascending("edges", [2, 3, 5])


# ----------------------------------------------------------------------------------------------------------------------
# All options


SETTINGS_FOR_CHECKS: dict[str, dict[str, Any]] = {
    "AlignConfig": {"run": "x"},
    "AttentionConfig.step": {"text": "x"},
    "DataConfig.dev_share": {"corpus": Corpus.files, "train": ["x"]},
    "ModelConfig.hidden_size": {"bidirectional": False},
    "OptimConfig.decay_steps": {"schedule": Schedule.cosine, "warmup_steps": 0},
    "OptimConfig.momentum": {"optimizer": Optimizer.sgd},
    "OptimConfig.plateau_factor": {"schedule": Schedule.plateau},
    "OptimConfig.plateau_patience": {"schedule": Schedule.plateau},
    "SearchConfig.diverse_groups": {"beam_size": 10_000},
    "SearchConfig.diversity_strength": {"diverse_groups": 5},
    "SearchConfig.min_length_factor": {"max_length_factor": 1000},
    "SearchConfig.num_best": {"beam_size": 10_000},
    "SearchConfig.seed": {"strategy": Strategy.sample},
    "SearchConfig.temperature": {"strategy": Strategy.sample},
    "SearchConfig.top_k": {"strategy": Strategy.sample},
    "SearchConfig.top_p": {"strategy": Strategy.sample},
    "SubwordsConfig.sampling_alpha": {"sampling": True},
}
"""What makes a value at the end of an option's range a choice that makes sense."""


@pytest.mark.parametrize(("group", "item"), own_options("low"), ids=named)
def test_every_range_is_kept(group: type[Options], item: "dataclasses.Field[Any]") -> None:
    """Both ends are allowed, and what lies beyond is not; the checks of combinations are other tests'."""
    low, high, is_list = item.metadata["low"], item.metadata["high"], "list" in str(item.type)
    step = 0.001 if "float" in str(item.type) else 1
    settings = SETTINGS_FOR_CHECKS.get(group.__name__) or SETTINGS_FOR_CHECKS.get(f"{group.__name__}.{item.name}", {})
    for value in (low - step, high + step, math.nan, 10**400):
        with pytest.raises(ConfigError, match=rf"^{item.name} must be between .* and .*, but is "):
            check_options(group(**{item.name: [value] if is_list else value}))
    for value in (low, high):
        check_options(group(**{item.name: [value] if is_list else value, **settings}))


def other_choices(only: list[enum.Enum]) -> Iterator[enum.Enum]:
    yield from (choice for choice in type(only[0]) if choice not in only)


@pytest.mark.parametrize(("group", "item"), own_options("only"), ids=named)
def test_every_option_that_belongs_to_a_choice_is_refused_with_another(
    group: type[Options], item: "dataclasses.Field[Any]"
) -> None:
    only = item.metadata["only"]
    [other] = [name for name, value in vars(group()).items() if type(value) is type(only[0])]
    default = getattr(group(), item.name)
    value = {bool: True, list: ["a"]}.get(type(default), 0.25 if isinstance(default, float) else 7)
    for choice in other_choices(only):
        with pytest.raises(ConfigError, match=rf"^{item.name}=.* belongs to {other}=.*, not to {choice.name}$"):
            check_options(group(**{item.name: value, other: choice}))


@pytest.mark.parametrize(("group", "item"), own_options("needs"), ids=named)
def test_every_option_that_needs_another_is_refused_without_it(
    group: type[Options], item: "dataclasses.Field[Any]"
) -> None:
    needs = item.metadata["needs"]
    with pytest.raises(ConfigError, match=rf"^{item.name}=0.25 belongs to {needs}=true$"):
        check_options(group(**{item.name: 0.25, needs: False}))


def test_options_without_an_effect_do_no_harm_in_a_saved_run() -> None:
    options = OptimConfig(plateau_factor=0.3, adam_beta1=0.8, optimizer=Optimizer.sgd)
    check_options(options, is_saved=True)
    with pytest.raises(ConfigError, match="must be between"):
        check_options(OptimConfig(plateau_factor=3), is_saved=True)
    config = Config(optim=options, subwords=SubwordsConfig(sampling_alpha=0.7))
    reset_without_effect(config)
    assert config == Config(optim=OptimConfig(optimizer=Optimizer.sgd))


@pytest.mark.parametrize(
    ("number", "text"),
    [(7, "7"), (0.95, "0.95"), (1e-9, "1e-09"), (2147483648, "2,147,483,648"), (-(10**400), "a number of 401 digits")],
)
def test_numbers_as_people_read_them(number: float, text: str) -> None:
    assert shown_number(number) == text


def test_a_message_of_a_real_option() -> None:
    with pytest.raises(ConfigError, match=r"^model\.dropout must be between 0 and 0\.95, but is 0\.99$"):
        check_options(ModelConfig(Cell.gru, dropout=0.99), "model.")
