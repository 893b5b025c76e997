"""Pictures that are made, that are of a sensible size, and that never show empty boxes."""

import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
from matplotlib.ft2font import FT2Font  # noqa: E402

from s2s.analysis.plots import attention_heat_map  # noqa: E402
from s2s.analysis.plots import figure as plots  # noqa: E402
from s2s.analysis.plots.attention_heat_map import plot_attention  # noqa: E402
from s2s.analysis.plots.figure import Label, typeset  # noqa: E402
from s2s.errors import ConfigError, MissingExtraError  # noqa: E402

KOREAN = ["저는", "어제", "도서관에서", "책", "세", "권을", "읽었어요", "."]  # 8 words
ENGLISH = ["I", "read", "three", "books", "at", "the", "library", "yesterday", "."]  # 9 words
NAUGHTY = [
    "$x_1^2$",
    "$\\frac{",
    "a\nb\x00\t",
    "\ud800",
    "",
    " ",
    "\u202eabc",
    "שלום",
    "مرحبا",
    "\U0001f600안녕",
    "ไทย",
    "▁저는",
]


def weights(num_target: int, num_source: int) -> np.ndarray:
    return np.random.default_rng(7).dirichlet(np.ones(num_source), size=num_target)


def png_size(path: Path) -> tuple[int, int]:
    """Width and height, which a PNG file holds in its 17th to 24th byte."""
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", head[16:])


def characters_in(font: Path) -> set[str]:
    return {chr(code) for code in FT2Font(str(font)).get_charmap()}


@pytest.fixture
def no_korean_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with matplotlib's own font and nothing else."""
    dejavu = next(plots.font_files())
    monkeypatch.setattr(plots, "korean_font", lambda: None)
    monkeypatch.setattr(plots, "font_files", lambda: iter([dejavu]))


def test_attention_becomes_a_png(tmp_path: Path) -> None:
    path = tmp_path / "new" / "attention.png"
    plot_attention(weights(9, 8), KOREAN, ENGLISH, path, title="저는 $5 → I _paid_ 5^2")
    width, height = png_size(path)
    # 8 x 9 cells of 75 pixels, and margins for the words.
    assert 600 + 100 < width < 600 + 700
    assert 675 + 100 < height < 675 + 700


@pytest.mark.parametrize("suffix", [".svg", ".SVG"])
def test_attention_becomes_an_svg_that_needs_no_font(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"attention{suffix}"
    plot_attention(weights(9, 8), KOREAN, ENGLISH, path)
    root = ElementTree.parse(path).getroot()
    assert root.tag.endswith("svg")
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))  # letters are drawn as shapes


@pytest.mark.parametrize(("num_target", "num_source", "cell_pixels"), [(1, 1, 75), (40, 39, 37), (3, 150, 30)])
def test_picture_grows_with_the_words(tmp_path: Path, num_target: int, num_source: int, cell_pixels: int) -> None:
    path = tmp_path / "attention.png"
    source, target = (KOREAN * 19)[:num_source], (ENGLISH * 5)[:num_target]
    plot_attention(weights(num_target, num_source), source, target, path)
    width, height = png_size(path)
    assert 50 < width - num_source * cell_pixels < 400
    assert 50 < height - num_target * cell_pixels < 400


def test_slanted_words_do_not_meet() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    source = ["도서관에서yg|" * 2] * 40
    attention_heat_map._draw_attention(
        figure, weights(3, 40), attention_heat_map._typeset_all(source, ["I", "am", "it"], "")
    )
    figure.draw_without_rendering()
    words = figure.axes[0].get_xticklabels()
    heights = []
    for word in words:
        word.set_rotation(0)
        heights.append(word.get_window_extent().height)
    between = (words[1].get_transform().transform((1.5, 0)) - words[0].get_transform().transform((0.5, 0)))[0]
    assert max(heights) < between * np.sqrt(0.5)


def test_naughty_words_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "attention.png"
    plot_attention(weights(12, 12), NAUGHTY, NAUGHTY[::-1], path, title="$\\alpha{ \n \U0001f600 \ud800")
    assert png_size(path) > (900, 900)


@pytest.mark.parametrize("texts", [ENGLISH, KOREAN, [*KOREAN, "Đắk", "₩", "\\"], NAUGHTY])
def test_every_character_is_in_the_chosen_font(texts: list[str]) -> None:
    for label in typeset(texts):
        assert set(label.text) <= characters_in(label.font)


def test_one_font_for_all_words_if_there_is_one() -> None:
    assert {label.font.name for label in typeset(ENGLISH)} == {"DejaVuSans.ttf"}
    assert len({label.font for label in typeset([*KOREAN, *ENGLISH])}) == 1
    assert [label.text for label in typeset([*KOREAN, *ENGLISH])] == [*KOREAN, *ENGLISH]


def test_texts_that_share_no_font_get_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {Path("latin"): frozenset("ab"), Path("korean"): frozenset("책을a")}
    held = {path: chars | frozenset("<U+0123456789ABCDEF>…") for path, chars in held.items()}
    monkeypatch.setattr(plots, "_characters_held", lambda needed, fonts: held)
    latin, korean = Path("latin"), Path("korean")
    expected = [Label("ba", latin), Label("책a", korean), Label("책을<U+0062>", korean)]
    assert typeset(["ba", "책a", "책을b"]) == expected


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a\u202eb\nc", "a<U+202E>b<U+000A>c"),
        ("\ud800", "<U+D800>"),
        ("\uf8ffa", "<U+F8FF>a"),  # private use: no font here means anything by it
        ("\U000e0041", "<U+E0041>"),
        ("▁I", "_I"),
    ],
)
@pytest.mark.usefixtures("no_korean_font")
def test_what_cannot_be_seen_is_spelt_out(text: str, drawn: str) -> None:
    assert typeset([text])[0].text == drawn


def test_letters_count_for_more_than_signs() -> None:
    assert typeset(["\U0001f600\U0001f601안"])[0].text == "<U+1F600><U+1F601>안"


def test_korean_in_parts_is_put_together() -> None:
    assert typeset(["\u110e\u1162\u11a8"])[0].text == "책"


def test_long_words_are_cut() -> None:
    assert plots.shorten("a" * 24) == "a" * 24
    assert plots.shorten("a" * 25) == "a" * 23 + "…"
    assert plots.shorten("책" * 13) == "책" * 11 + "…"  # two columns each


@pytest.mark.usefixtures("no_korean_font")
def test_korean_without_a_korean_font_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r'no font here holds .*pip install "s2s\[plots\]"'):
        plot_attention(weights(1, 1), ["책"], ["book"], tmp_path / "attention.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_korean_font")
def test_other_missing_letters_warn(caplog: pytest.LogCaptureFixture) -> None:
    assert typeset(["ไ"])[0].text == "<U+0E44>"
    assert r"['\u0e44']: written as escapes" in caplog.text


def test_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'extra "plots" .*pip install "s2s\[plots\]"'):
        plot_attention(weights(1, 1), ["책"], ["book"], tmp_path / "attention.png")


def test_missing_korean_package_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert plots.korean_font() is None


def test_a_font_that_has_gone_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    dejavu = next(plots.font_files())
    fonts = [tmp_path / "gone.ttf", tmp_path / "broken.ttf", dejavu]
    assert plots._characters_held(frozenset("ab"), fonts) == {dejavu: frozenset("ab")}


def test_global_state_is_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plot_attention(weights(9, 8), KOREAN, ENGLISH, tmp_path / "attention.png")
    assert dict(matplotlib.rcParams) == before
    assert "koreanize_matplotlib" not in sys.modules


def test_impossible_pictures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "attention.png"
    with pytest.raises(ValueError, match=r"\(9, 8\), at least 1 x 1, got \(8, 9\)"):
        plot_attention(weights(8, 9), KOREAN, ENGLISH, path)
    with pytest.raises(ValueError, match="at least 1 x 1"):
        plot_attention(np.zeros((0, 8)), KOREAN, [], path)
    with pytest.raises(ValueError, match="finite"):
        plot_attention(np.full((9, 8), np.nan), KOREAN, ENGLISH, path)
    with pytest.raises(ConfigError, match=r"\.png, \.svg, \.pdf, got '.*attention\.gif'"):
        plot_attention(weights(9, 8), KOREAN, ENGLISH, path.with_suffix(".gif"))
