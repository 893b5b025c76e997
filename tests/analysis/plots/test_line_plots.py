"""Curves in panels: legends, ticks and files."""

from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from s2s.analysis.plots import line_plots
from s2s.analysis.plots.figure import font_families
from s2s.analysis.plots.heat_maps import HeatMap, plot_heat_maps
from s2s.analysis.plots.line_plots import Curve, Panel, plot_panels
from s2s.errors import ConfigError

np = pytest.importorskip("numpy")

FALLING = Curve("plain: $h_t$", range(50), [10.0**-step for step in range(50)], dash="--")
SPREAD = Curve("한국어", [1, 10, 100], [1e-3, float("nan"), 1.0], [1e-4, 1e-3, 0.1], [1e-2, 1.0, 3.0], colour=9)
PANELS = [
    Panel("first", "steps", "norm", [FALLING, SPREAD], is_y_log=True),
    Panel("둘째", "fillers", "%", [FALLING], is_x_log=True, x_ticks=[1, 10], y_limits=(-4, 104)),
    Panel(
        "", "class", "BLEU", [Curve("", [0, 1], [3, 2], dash="")], x_ticks=[0, 1], x_tick_names=["1-2\n(7)", "3-\n(9)"]
    ),
]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("num_panels", [1, 3])
def test_panels_become_a_picture(tmp_path: Path, suffix: str, num_panels: int) -> None:
    path = tmp_path / "new" / f"panels{suffix}"
    plot_panels(PANELS[:num_panels], path)
    assert path.stat().st_size > 1000
    if suffix == ".png":
        with Image.open(path) as image:
            assert image.mode == "P"  # a table of colours: a third of the size
            assert (700 < image.width < 950) if num_panels == 1 else (1400 < image.width < 1700)


def test_each_name_is_in_the_legend_once_and_below_all_curves() -> None:
    with rc_context({"font.family": font_families("한국어둘째"), "text.parse_math": False}):
        figure = Figure(figsize=(10, 4))
        axes = figure.subplots(1, 2)
        for each, panel in zip(axes, PANELS[:2], strict=True):
            line_plots._draw_panel(each, panel)
        figure.tight_layout()
        legend = line_plots._add_legend(figure)
        figure.draw_without_rendering()
    assert [text.get_text() for text in legend.get_texts()] == ["plain: $h_t$", "한국어"]
    assert legend.get_window_extent().y1 <= min(each.get_tightbbox().y0 for each in axes)


@pytest.mark.parametrize(("exponent", "text"), [(-20, "10⁻²⁰"), (0, "10⁰"), (12, "10¹²")])
def test_powers_of_ten(exponent: int, text: str) -> None:
    assert line_plots._power(exponent) == text


@pytest.mark.parametrize(
    ("low", "high", "exponents"),
    [
        (1e-40, 5.0, [-40, -35, -30, -25, -20, -15, -10, -5, 0]),
        (2e-27, 3e25, [-20, -10, 0, 10, 20]),
        (0.5, 2000, [0, 1, 2, 3]),
        (2.0, 3.0, []),
    ],
)
def test_exponents_are_round(low: float, high: float, exponents: list[int]) -> None:
    assert list(line_plots._round_exponents(low, high)) == exponents


def test_ticks_on_a_logarithmic_axis_are_powers() -> None:
    axes = Figure().subplots()
    line_plots._draw_panel(axes, PANELS[0])
    axes.figure.draw_without_rendering()
    texts = [tick.get_text() for tick in axes.get_yticklabels()]
    assert texts[1:4] == ["10⁻⁴⁰", "10⁻³⁰", "10⁻²⁰"]


def test_limits_and_ticks_are_those_asked_for() -> None:
    axes = Figure().subplots()
    line_plots._draw_panel(axes, PANELS[1])
    assert axes.get_ylim() == (-4, 104)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "10"]


MAP = HeatMap("forget gate", np.array([[0.0, 0.5, 1.0], [0.2, 0.4, 0.6]]), True)
SIGNED = HeatMap("cell state", np.array([[-3.0, 0.5, 1.0], [0.2, 0.4, 2.0]]), False)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("maps", [[MAP], [MAP, SIGNED, MAP]])
def test_heat_maps_become_a_picture(tmp_path: Path, suffix: str, maps: list[HeatMap]) -> None:
    path = tmp_path / "new" / f"maps{suffix}"
    plot_heat_maps(maps, ["unit 7", "unit 3"], ["▁저는", "▁$1", "</s>"], path, title="긴 제목 " * 30, divided_after=1)
    assert path.stat().st_size > 1000


def test_colours_of_states_are_even_around_0_and_those_of_shares_end_at_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    still = HeatMap("cell state", np.zeros((2, 3)), False)
    plot_heat_maps([MAP, SIGNED, still], ["a", "b"], ["c", "d", "e"], tmp_path / "x.svg")
    limits = [axes.collections[0].get_clim() for axes in drawn[0].axes[:3]]
    assert limits == [(0, 1), (-3, 3), (-1, 1)]


def test_impossible_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.gif"):
        plot_panels(PANELS, tmp_path / "p.gif")
    with pytest.raises(ConfigError, match=r"\.gif"):
        plot_heat_maps([MAP], ["a", "b"], ["c", "d", "e"], tmp_path / "p.gif")
    with pytest.raises(AssertionError, match=r"\(2, 3\) is no map of 2 x 2"):
        plot_heat_maps([MAP], ["a", "b"], ["c", "d"], tmp_path / "p.png")
