"""The output for a line."""

import json

import pytest

from s2s.config.decoding import OutputFormat
from s2s.decoding.postprocessing import NBestList
from s2s.decoding.search.backpointers import Hypothesis
from s2s.decoding.streaming.output_formats import format_translation

PLAIN = NBestList(("a ||||| b || c",), (Hypothesis((5, 6), -2.0, -1.0, (-0.5, -1.25, -0.25)),), (("▁a", "c"),))
ALIGNED = NBestList(
    ("x |||", "y z"),
    (Hypothesis((5,), -0.25, -0.125, (-0.125, -0.125)), Hypothesis((6, 7), -3.0, -1.0, (-1.0, -1.0, -1.0))),
    (("▁x",), ("▁y", "▁z")),
    (((2, 0),), ((0, 0), (1, 0))),
)
NOTHING = NBestList(("",), (Hypothesis((), 0.0, 0.0, ()),), ((),))


def test_moses_lines_keep_their_fields() -> None:
    assert format_translation(PLAIN, 5, "source", OutputFormat.moses) == [
        "4 ||| a | | | | | b || c ||| LogProb= -2.000000 Pieces= 2 ||| -1.000000"
    ]
    assert format_translation(ALIGNED, 1, "source", OutputFormat.moses) == [
        "0 ||| x | | | ||| LogProb= -0.250000 Pieces= 1 ||| -0.125000 ||| 2-0",
        "0 ||| y z ||| LogProb= -3.000000 Pieces= 2 ||| -1.000000 ||| 0-0 1-0",
    ]
    assert format_translation(NOTHING, 2, "", OutputFormat.moses) == [
        "1 |||  ||| LogProb= 0.000000 Pieces= 0 ||| 0.000000"
    ]


def test_text_is_the_best_translation_alone_or_with_its_alignment() -> None:
    assert format_translation(PLAIN, 5, "source", OutputFormat.text) == ["a ||||| b || c"]
    assert format_translation(ALIGNED, 5, "source", OutputFormat.text) == ["x | | | ||| 2-0"]


def test_a_json_object_holds_all_that_is_known() -> None:
    (line,) = format_translation(ALIGNED, 3, 'a "b"\u2028\n하나', OutputFormat.json)
    assert "\n" not in line
    assert "하나" in line
    assert json.loads(line) == {
        "id": 2,
        "source": 'a "b"\u2028\n하나',
        "hypotheses": [
            {
                "text": "x |||",
                "score": -0.125,
                "log_probability": -0.25,
                "pieces": ["▁x"],
                "token_log_probabilities": [-0.125, -0.125],
                "alignments": "2-0",
            },
            {
                "text": "y z",
                "score": -1.0,
                "log_probability": -3.0,
                "pieces": ["▁y", "▁z"],
                "token_log_probabilities": [-1.0, -1.0, -1.0],
                "alignments": "0-0 1-0",
            },
        ],
    }


@pytest.mark.parametrize("translation", [PLAIN, NOTHING])
def test_alignments_are_written_only_where_there_are_any(translation: NBestList) -> None:
    (line,) = format_translation(translation, 1, "", OutputFormat.json)
    (hypothesis,) = json.loads(line)["hypotheses"]
    assert "alignments" not in hypothesis
