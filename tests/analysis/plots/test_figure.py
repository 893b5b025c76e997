"""Pictures that are made, that are of a sensible size, and whose letters are drawn."""

import logging
import struct
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
from matplotlib import font_manager  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ft2font import FT2Font  # noqa: E402

from s2s.analysis.plots import attention_heat_map  # noqa: E402
from s2s.analysis.plots import figure as plots  # noqa: E402
from s2s.analysis.plots.attention_heat_map import plot_attention  # noqa: E402
from s2s.analysis.plots.figure import font_families  # noqa: E402
from s2s.config.pictures import Language  # noqa: E402
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


def characters_in(families: list[str]) -> set[str]:
    return {chr(code) for name in families for code in FT2Font(font_manager.findfont(name)).get_charmap()}


@pytest.fixture
def no_korean_font(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with matplotlib's own font and nothing else."""
    own = [font for font in font_manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(plots, "korean_font", lambda: None)


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
    figure = Figure()
    source = ["도서관에서yg|" * 2] * 40
    with matplotlib.rc_context({"font.family": font_families(source[0])}):
        attention_heat_map._draw(figure, weights(3, 40), source, ["I", "am", "it"], "", ["source", "target", "weight"])
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


@pytest.mark.parametrize("texts", [ENGLISH, KOREAN, [*KOREAN, "Đắk", "₩", "\\"], ["“책”", "中文", "\U0001f600"]])
def test_every_character_is_in_one_of_the_fonts(texts: list[str], caplog: pytest.LogCaptureFixture) -> None:
    assert set("".join(texts)) <= characters_in(font_families("".join(texts)))
    assert caplog.messages == []


def test_no_more_fonts_than_are_needed() -> None:
    """The backslash is DejaVu's: old Korean fonts draw it as the won sign."""
    assert font_families("") == font_families("".join(ENGLISH)) == font_families("C:\\") == ["DejaVu Sans"]
    assert font_families("".join([*KOREAN, *ENGLISH])) == ["DejaVu Sans", "NanumGothic"]


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("a\u202eb\nc", "a<U+202E>b<U+000A>c"),
        ("\ud800", "<U+D800>"),
        ("\U000e0041", "<U+E0041>"),
        ("▁I", "_I"),
        ("\u110e\u1162\u11a8", "책"),  # Korean in parts
        ("\u0645\u06cc\u200c\u0634", "\u0645\u06cc\u200c\u0634"),  # a joiner that Persian needs
    ],
)
def test_what_cannot_be_seen_is_spelt_out(text: str, drawn: str) -> None:
    assert plots.printable(text) == drawn


def test_long_words_are_cut() -> None:
    assert plots.label("a" * 24) == "a" * 24
    assert plots.label("a" * 25) == "a" * 23 + "…"
    assert plots.label("책" * 13) == "책" * 11 + "…"  # two columns each
    assert plots.label("\n" * 9) == "<U+000A><U+000A><U+000A"[:23] + "…"
    assert plots.label("") == ""


@pytest.mark.usefixtures("no_korean_font")
def test_what_no_font_holds_is_named_once_and_the_picture_drawn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "attention.png"
    plot_attention(weights(1, 2), ["책", "ไ"], ["book"], path, title="책")
    assert len(caplog.messages) == 1
    assert r"no font here holds '\u0e44\ucc45': drawn as boxes" in caplog.text
    assert 'for Korean pip install "s2s[plots]"' in caplog.text
    assert png_size(path) > (100, 100)


def test_missing_matplotlib_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'extra "plots" .*pip install "s2s\[plots\]"'):
        plot_attention(weights(1, 1), ["책"], ["book"], tmp_path / "attention.png")


def test_missing_korean_package_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert plots.korean_font() is None


@pytest.mark.usefixtures("no_korean_font")
def test_a_font_that_has_gone_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    for name in ("gone", "broken"):
        entry = font_manager.FontEntry(str(tmp_path / f"{name}.ttf"), name, "normal", weight=400)
        font_manager.fontManager.ttflist.append(entry)
    assert font_families("a책") == ["DejaVu Sans"]
    assert r"'\ucc45'" in caplog.text


def test_global_state_is_left_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plot_attention(weights(9, 8), KOREAN, ENGLISH, tmp_path / "attention.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(IsADirectoryError):
        plot_attention(weights(9, 8), KOREAN, ENGLISH, tmp_path / "folder.png")
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


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_the_same_picture_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        plot_attention(weights(9, 8), KOREAN, ENGLISH, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_figure_keeps_its_fonts_and_draws_itself_in_a_notebook() -> None:
    figure = attention_heat_map.draw_attention(weights(9, 8), KOREAN, ENGLISH, language=Language.ko)
    assert isinstance(figure, Figure)
    assert "NanumGothic" in figure.axes[0].get_xticklabels()[0].get_fontfamily()
    content, shown = figure._repr_png_()
    width, _ = struct.unpack(">II", content[16:24])
    assert content.startswith(b"\x89PNG")
    assert shown["width"] == round(width * 96 / plots.PIXELS_PER_INCH)


def test_matplotlib_has_nothing_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    """Such as that it lists the fonts of the machine for the first time."""
    with plots.new_figure():
        logging.getLogger("matplotlib.font_manager").warning("building the font cache; this may take a moment")
    assert caplog.messages == []
    logging.getLogger("matplotlib.font_manager").warning("of the user's own")
    assert len(caplog.messages) == 1
