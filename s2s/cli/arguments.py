"""What is typed after `s2s COMMAND`: flags and OPTION=VALUE, checked in s2s's own words before Hydra composes them."""

import difflib
import enum
import re
import types
import typing
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from s2s.cli.commands import Command
from s2s.cli.option_table import choices_of, default_choices, is_group, option_fields
from s2s.config.options import Options
from s2s.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_LEAST_LIKENESS = 0.7  # of names; 1 means equal
_TYPE_NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    types.NoneType: "null",
}


def with_names(words: Iterable[str], command: Command) -> list[str]:
    """The words with the name of the option that may stand without one, and with sentences quoted."""
    named = list(words)
    if command.first_word is not None and named and re.fullmatch(r"\w+", named[0]):
        named[0] = f"{command.first_word}={named[0]}"
    return [quote_text(word) if word.partition("=")[0] in command.texts else word for word in named]


def quote_text(argument: str) -> str:
    """`NAME=any text` with the text quoted for Hydra's grammar, and `${...}` in it kept from being looked up."""
    name, _, text = argument.partition("=")
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r'(\\+)(?="|\Z)', r"\1\1", text)  # a backslash before a quotation mark would take its meaning away
    text = text.replace('"', '\\"')
    return f'{name}="{text}"'


def check_words(words: Sequence[str], name: str, options: type[Options], *, is_sweep: bool) -> None:
    """Ensure that every word is OPTION=VALUE, or GROUP=CHOICE, for an option or group that a command has.

    Raises:
        ConfigError: naming the word, and the option that comes nearest.
    """
    groups = default_choices(options)
    type_of = {option: item.type for option, item in option_fields(options)}
    for word, following in zip(words, [*words[1:], ""], strict=False):  # names first, which takes no time
        if not _is_for_hydra(word):
            _check_name(word, following, [*type_of, *groups], name)
    for word in words:
        override = _parsed(word)
        if _is_for_hydra(word):
            continue
        option, value = override.key_or_group, override.value()
        if override.is_sweep_override():
            if not is_sweep:
                typed = override.get_value_string()
                raise ConfigError(
                    f"{word} has several values: add -m for a job each, or write {option}=[{typed}] for a list and "
                    f"{option}='\"{typed}\"' for a text"
                )
        elif option in groups and not isinstance(value, str | list | dict):
            raise ConfigError(f"{word}: expected one of {', '.join(choices_of(option))}")
        elif option not in groups and is_group(type_of[option]) and not isinstance(value, dict):
            example = next(inner for inner in type_of if inner.startswith(f"{option}."))
            raise ConfigError(f"{word}: {option} is a group of options, such as {example}=VALUE")


def _is_for_hydra(word: str) -> bool:
    """Whether a word sets one of Hydra's own options."""
    return re.match(r"[+~]{0,2}hydra[./].*=", word) is not None


def _check_name(word: str, following: str, options: Sequence[str], command: str) -> None:
    """Check that a word sets an existing option; `following` may be its value, as in `--seed 3`."""
    option, equals, value = word.lstrip("-+~").partition("=")
    nearest = _nearest(option.replace("-", "_"), options)
    if not option or not equals or word[0] in "-+~":
        if not equals and following and "=" not in following and following[0] not in "-+~":
            value = following
        advice = f"did you mean {nearest}={value or 'VALUE'}?" if nearest else f"s2s {command} --help lists the options"
        raise ConfigError(f"{word}: expected OPTION=VALUE; {advice}")
    if option not in options:
        advice = f"did you mean {nearest}?" if nearest else f"no such option; s2s {command} --help lists them"
        raise ConfigError(f"{option}: {advice}")


def _parsed(word: str) -> "Override":
    from hydra.core.override_parser.overrides_parser import OverridesParser  # with Hydra, which no typo needs
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as error:
        name = word.partition("=")[0]
        raise ConfigError(
            f"{word}: the value cannot be read; quote one with spaces, commas or brackets: {name}='\"...\"'"
        ) from error


def _nearest(word: str, options: Iterable[str]) -> str | None:
    """The option that was probably meant, its group perhaps left out."""
    option_of = {option.rpartition(".")[2]: option for option in options} | {option: option for option in options}
    near = difflib.get_close_matches(word, option_of, n=1, cutoff=_LEAST_LIKENESS)
    return option_of[near[0]] if near else None


def explain(error: Exception, options: type[Options]) -> str:
    """Say in a line what Hydra could not compose."""
    from hydra.errors import MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, choice = error.missing_cfg_file.rpartition("/")
        return f"{group}={choice}: expected {_one_of(error.options, choice)}"
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        option = cause.full_key.partition("[")[0]
        type_of = {name: item.type for name, item in option_fields(options)}
        if option in type_of:
            value = str(error).partition("=")[2]
            return f"{option}: expected {_expected(type_of[option], value)}, got {value}"
        nearest = _nearest(option, type_of)
        if nearest is not None:
            return f"{option}: did you mean {nearest}?"
    lines = [line for line in f"{error}\n{cause or ''}".splitlines() if line and not line.startswith("To append")]
    return " ".join(lines[:2])


def _expected(kind: Any, value: str) -> str:
    """What an option of this type takes."""
    if isinstance(kind, types.UnionType):
        return " or ".join(_expected(part, value) for part in typing.get_args(kind))
    if typing.get_origin(kind) is list:
        return f"a list in brackets, each entry {_expected(typing.get_args(kind)[0], value)}"
    if isinstance(kind, enum.EnumType):
        return _one_of(kind.__members__, value)
    return _TYPE_NAMES.get(kind, "another value")


def _one_of(names: Iterable[str], value: str) -> str:
    near = difflib.get_close_matches(value, names, n=1)
    return f"one of {', '.join(names)}" + (f" (did you mean {near[0]}?)" if near else "")
