"""TODO: say what s2s.config.check is."""

import dataclasses
import math
from typing import Any

from s2s.config.commands import (
    AlignConfig,
    AttentionConfig,
    BenchConfig,
    ClassifyConfig,
    EvaluateConfig,
    GatesConfig,
    GatherConfig,
    GivenPairs,
    GivenTexts,
    GradientsConfig,
    LengthsConfig,
    MemoryConfig,
    ReportConfig,
    ScoredData,
    TranslateConfig,
    _check_align,
    _check_attention,
    _check_bench,
    _check_classify,
    _check_evaluate,
    _check_gates,
    _check_gradients,
    _check_length_groups,
    _check_memory,
    _check_report,
    _check_scored,
    _check_texts,
    _check_translate,
)
from s2s.config.data import DataConfig, SubwordsConfig, _check_data, _check_subwords
from s2s.config.model import ModelConfig, _check_model
from s2s.config.options import _check_folders, _check_pair
from s2s.config.search import SearchConfig, _check_search
from s2s.config.training import Config, OptimConfig, _check_optim, _check_whole
from s2s.errors import ConfigError


def check(config: Any, prefix: str = "") -> None:
    """Check every number against its range, and combinations against sense.

    Raises:
        ConfigError: naming the option, what is allowed, and what came.
    """
    for item in dataclasses.fields(config):
        value, name = getattr(config, item.name), prefix + item.name
        if dataclasses.is_dataclass(value):
            check(value, f"{name}.")
        elif item.metadata["low"] is not None and value is not None:
            _check_range(name, value, item.metadata["low"], item.metadata["high"])
    for rule in _RULES.get(type(config), ()):
        rule(config)


def _check_range(name: str, value: float, low: float, high: float | None) -> None:
    if not math.isfinite(value) or value < low or (high is not None and value > high):
        allowed = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
        raise ConfigError(f"{name} must be {allowed}, but is {value:g}")


_RULES: dict[type, tuple[Any, ...]] = {
    DataConfig: (_check_data,),
    SubwordsConfig: (_check_subwords,),
    ScoredData: (_check_scored,),
    GivenTexts: (_check_texts,),
    ClassifyConfig: (_check_classify,),
    GivenPairs: (lambda data: _check_pair("data.test", data.test),),
    AlignConfig: (_check_align,),
    ModelConfig: (_check_model,),
    OptimConfig: (_check_optim,),
    SearchConfig: (_check_search,),
    Config: (_check_whole,),
    TranslateConfig: (_check_translate,),
    BenchConfig: (_check_bench,),
    EvaluateConfig: (_check_evaluate,),
    ReportConfig: (_check_evaluate, _check_report),
    AttentionConfig: (_check_attention,),
    GatherConfig: (lambda config: _check_folders("runs", config.runs),),
    GradientsConfig: (_check_gradients,),
    MemoryConfig: (_check_memory,),
    LengthsConfig: (_check_length_groups,),
    GatesConfig: (_check_gates,),
}
