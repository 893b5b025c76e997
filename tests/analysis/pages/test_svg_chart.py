"""Charts: round ticks, gaps, lines that can be told apart, and letters that are escaped."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.analysis.pages.page import environment
from s2s.analysis.pages.svg_chart import ChartLine, line_chart, ticks
from s2s.analysis.plots.figure import COLOURS


def svg_of(*lines: ChartLine) -> ElementTree.Element:
    text = line_chart(lines, x_name="x < 3", y_name="y & z")
    return ElementTree.fromstring(text[: text.index("</svg>") + 6])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 3400], [0, 1000, 2000, 3000, 4000]),
        ([1.7, 3.34], [1.5, 2, 2.5, 3, 3.5]),
        ([38.1, 38.1], [30, 40]),
        ([0, 0], [0, 2e-10]),
        ([-3, 4], [-4, -2, 0, 2, 4]),
    ],
)
def test_ticks_on_paper(values: list[float], expected: list[float]) -> None:
    found = ticks(values)
    assert (found[0], found[-1]) == pytest.approx((expected[0], expected[-1]))
    assert found == pytest.approx(expected)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=5))
def test_ticks_hold_all_values(values: list[float]) -> None:
    found = ticks(values)
    step = found[1] - found[0]
    assert 2 <= len(found) <= 9
    assert found[0] <= min(values) + 1e-6 * step
    assert found[-1] >= max(values) - 1e-6 * step


def test_a_line_with_a_gap() -> None:
    """From (0, 0) at the lower left to (10, 10) at the upper right, where both axes end."""
    points = [(0.0, 0.0), (2.0, math.nan), (5.0, 5.0), (10.0, 10.0)]
    paths = [path.get("d", "") for path in svg_of(ChartLine("a", 0, points)).iter("path") if path.get("fill") == "none"]
    assert paths == ["M66.0 284.0M338.0 148.0L610.0 12.0"]


def test_points_say_their_values_and_names_are_escaped() -> None:
    root = svg_of(ChartLine("<b>&", 1, [(1.0, 2.5), (3.0, math.nan)]))
    assert [title.text for title in root.iter("title")] == ["<b>&: 1, 2.5"]
    assert root.get("aria-label") == "y & z by x < 3"
    assert "<b>" not in line_chart([ChartLine("<b>", 0, [(1.0, 2.5)])], x_name="x", y_name="y")


def test_long_lines_are_thinned_and_keep_their_ends() -> None:
    root = svg_of(ChartLine("a", 0, [(float(x), 1.0) for x in range(5000)]))
    [path] = [path.get("d", "") for path in root.iter("path")]  # and no marks
    places = re.findall(r"[ML]([\d.]+) ", path)
    assert 300 < len(places) <= 401
    assert (places[0], places[-1]) == ("66.0", "609.9")  # 4,999 of an axis that ends at 5,000


def test_nothing_to_draw() -> None:
    assert "<svg" not in line_chart([], x_name="x", y_name="y")
    assert "<svg" not in line_chart([ChartLine("a", 0, [(1.0, math.nan)])], x_name="x", y_name="y")


def test_many_lines_look_different() -> None:
    swatch = environment().get_template("line_styles.html").module.swatch
    assert len({swatch(style) for style in range(4 * 5 * len(COLOURS))}) == 4 * 5 * len(COLOURS)
