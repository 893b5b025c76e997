"""What is said of names and values that are none."""

import enum
from typing import Any

import pytest

from s2s.config.mistakes import expected, nearest, one_of


class Size(enum.Enum):
    small = "small"
    large = "large"


@pytest.mark.parametrize(
    ("kind", "in_shell", "in_python"),
    [
        (int, "a whole number", "a whole number"),
        (bool | None, "true or false or null", "True or False or None"),
        (Size, "one of small, large (did you mean large?)", "one of 'small', 'large' (did you mean 'large'?)"),
        (list[float], "a list, each entry a number", "a list, each entry a number"),
    ],
)
def test_what_was_expected(kind: Any, in_shell: str, in_python: str) -> None:
    assert expected(kind, "lage") == in_shell
    assert expected(kind, "lage", in_python=True) == in_python


def test_what_was_meant() -> None:
    options = ["seed", "model.hidden_size", "search.beam_size"]
    assert nearest("sead", options) == "seed"
    assert nearest("dim", options) == "model.hidden_size"
    assert nearest("model.beam", options) == "search.beam_size"
    assert nearest("xyz", options) is None
    assert one_of(["cpu", "cuda"], "GPU", repr) == "one of 'cpu', 'cuda' (did you mean 'cuda'?)"
    assert one_of(["cpu", "cuda"], "") == "one of cpu, cuda"
