"""Options as keywords: names and types are those of the dataclasses in `s2s.config`, and errors speak of keywords."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any, TypedDict, TypeVar

from s2s.config.mistakes import nearest
from s2s.config.options import check_options
from s2s.config.pictures import Language
from s2s.config.search import SearchConfig, Strategy
from s2s.config.typed_values import typed_value
from s2s.errors import ConfigError, S2SError

_NAMES = "|".join(item.name for item in fields(SearchConfig))
_PREFIX = re.compile(rf"^run=(?=\S)|(?<![\w/.=-])search\.(?=({_NAMES})\b(?![./]\w))")
"""What the shell's names of options have and keywords have not; paths and values are left alone."""
F = TypeVar("F", bound=Callable[..., Any])


class SearchOptions(TypedDict, total=False):
    """The fields of `SearchConfig` for those who write programs and for their editors; a test compares the two."""

    strategy: Strategy | str
    beam_size: int
    length_normalization: str
    length_penalty: float
    word_reward: float
    coverage_penalty: float
    min_length: int
    min_length_factor: float
    max_length: int | None
    max_length_factor: float
    max_length_offset: int
    no_repeat_ngram: int
    avoid: list[str]
    must: list[str]
    diverse_groups: int
    diversity_strength: float
    temperature: float
    top_k: int
    top_p: float
    seed: int
    max_source_pieces: int
    mbr: str
    replace_unknown: bool


class NBestOptions(SearchOptions, total=False):
    """All of them, for methods that give several translations of a sentence."""

    num_best: int


Search = SearchConfig | Strategy | str | None
"""How to search: "greedy", "beam" or "sample", or all options at once; None: as before."""


def search_config(base: SearchConfig, search: Search, options: Mapping[str, Any]) -> SearchConfig:
    """Options of search, some of them replaced by keywords.

    Args:
        base: what holds where nothing else is said.
        search: see `Search`.
        options: by their names in `SearchConfig`.

    Raises:
        ConfigError: a keyword is unknown, has a value that it does not take, or contradicts another one.
    """
    config = search if isinstance(search, SearchConfig) else base
    with keyword_errors():
        given = dict(options)
        if search is not None and not isinstance(search, SearchConfig):
            given = {"strategy": typed_value("search", Strategy, search), **given}
        types_of = {item.name: item.type for item in fields(SearchConfig)}
        for name in given:
            if name not in types_of:
                raise ConfigError(unknown_keyword(name, types_of))
        config = replace(config, **{name: typed_value(name, types_of[name], value) for name, value in given.items()})
        check_options(config)
    return config


def unknown_keyword(name: str, known: Iterable[str]) -> str:
    """What to say of a keyword that there is not."""
    near = nearest(name, known)
    return f"{name}: no such keyword; " + (f"did you mean {near}?" if near else "help() lists those that there are")


def language_of(language: Language | str) -> Language:
    """The language of a picture by its name.

    Raises:
        ConfigError: there is no such language.
    """
    found: Language = typed_value("language", Language, language)
    return found


@contextmanager
def keyword_errors() -> Iterator[None]:
    """Errors of the block that name options as the shell has them (`search.beam_size=0`) name keywords instead."""
    try:
        yield
    except S2SError as error:
        text = _PREFIX.sub("", str(error))
        error.args = (text.replace("with s2s train", "with s2s.train"), *error.args[1:])
        raise


def takes_search_options(function: F) -> F:
    """Give a function that takes `**options` the names and defaults of `SearchConfig`, as `help` and notebooks show."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    defaults = SearchConfig()
    taken = {each.name for each in own}
    options = [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=getattr(defaults, item.name))
        for item in fields(SearchConfig)
        if item.name not in taken
    ]
    function.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return function


def flat_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options by their dotted names: a dot may be written as two underscores, as a keyword has to."""
    return {name.replace("__", "."): value for name, value in options.items()}
