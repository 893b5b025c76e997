"""s2s: sequence-to-sequence translation with attention.

import s2s
translator = s2s.Translator.load("runs/phrasebook-lstm")
translator.translate("저는 어제 책을 읽었어요.")
"""

import importlib
from typing import TYPE_CHECKING, Any

from s2s.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    Interrupted,
    MissingExtraError,
    OutputError,
    RunError,
    S2SError,
    TrainingError,
)

if TYPE_CHECKING:
    from s2s.api.alignment import Alignment
    from s2s.api.attention import AttentionMap
    from s2s.api.beam import Beam, BeamStep
    from s2s.api.gates import Gates
    from s2s.api.results import Results
    from s2s.api.run import LearningCurve, Metrics, Run
    from s2s.api.score import Score
    from s2s.api.six_steps import SixSteps
    from s2s.api.training import train
    from s2s.api.translation import Translation
    from s2s.api.translator import Translator
    from s2s.config.search import SearchConfig
    from s2s.decoding.line_constraints import LineConstraints

    __version__: str

__all__ = [
    "Alignment",
    "AttentionMap",
    "Beam",
    "BeamStep",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "Gates",
    "Interrupted",
    "LearningCurve",
    "LineConstraints",
    "Metrics",
    "MissingExtraError",
    "OutputError",
    "Results",
    "Run",
    "RunError",
    "S2SError",
    "Score",
    "SearchConfig",
    "SixSteps",
    "TrainingError",
    "Translation",
    "Translator",
    "train",
]

_HOMES = {
    "api.alignment": ["Alignment"],
    "api.attention": ["AttentionMap"],
    "api.beam": ["Beam", "BeamStep"],
    "api.gates": ["Gates"],
    "api.results": ["Results"],
    "api.run": ["LearningCurve", "Metrics", "Run"],
    "api.score": ["Score"],
    "api.six_steps": ["SixSteps"],
    "api.training": ["train"],
    "api.translation": ["Translation"],
    "api.translator": ["Translator"],
    "config.search": ["SearchConfig"],
    "decoding.line_constraints": ["LineConstraints"],
}
"""Where each name is at home that is imported, and torch with it, on first use: importing s2s takes no time."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("s2s")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"s2s.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
