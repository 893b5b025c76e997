"""s2s: sequence-to-sequence translation with attention.

from s2s import Translator
Translator.load("runs/phrasebook-lstm").translate(["저는 어제 책을 읽었어요."])
"""

from typing import TYPE_CHECKING, Any

from s2s.errors import S2SError

if TYPE_CHECKING:
    from s2s.decoding.line_constraints import LineConstraints
    from s2s.decoding.postprocessing import Translation
    from s2s.decoding.translator import Translator

__all__ = ["LineConstraints", "S2SError", "Translation", "Translator"]


def __getattr__(name: str) -> Any:
    """Import the translator, and torch with it, on first use: the processes that prepare text need neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from s2s.decoding import translator

    return getattr(translator, name)
