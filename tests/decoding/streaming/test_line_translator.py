"""Lines of bytes in, lines out: when the model's confidence tells of a doubtful translation."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from s2s.config.decoding import Column
from s2s.config.search import SearchConfig, Strategy
from s2s.decoding.streaming.line_translator import load_line_translator


@pytest.mark.parametrize(
    ("search", "columns", "has_confidence"),
    [
        (SearchConfig(Strategy.greedy), [], True),
        (SearchConfig(Strategy.beam), [], True),
        (SearchConfig(Strategy.sample), [], False),
        (SearchConfig(must=["six"]), [], False),
        (SearchConfig(min_length=40), [], False),
        (SearchConfig(), [Column.prefix], False),
    ],
)
def test_what_is_drawn_or_forced_is_never_called_unsure(
    tiny_run: Path, search: SearchConfig, columns: Sequence[Column], has_confidence: bool
) -> None:
    """It is less probable than what search finds by itself."""
    translator = load_line_translator(str(tiny_run), search=search, columns=columns, device="cpu")
    assert (translator.familiarity.confidence is not None) == has_confidence
