"""Pictures for a lecture: which source words each target word attends to, and how a model got better over time.

Letters: S source words, T target words, N points of a curve. matplotlib is an optional extra, so it is imported inside
the functions that draw; pyplot and rcParams, which belong to the caller, are never touched.

No picture shows empty boxes: `typeset` looks into the fonts' own character tables, for Korean ends at the NanumGothic
that comes with the extra, and spells out what no font can draw, such as <U+1F600>.
"""

import importlib.util
import logging
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2s.errors import ConfigError, MissingExtraError
from s2s.text_tables import letter_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

VERMILION, BLUE = "#D55E00", "#0072B2"
COLOURS = (VERMILION, BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""For the lines of a chart, in this order in every picture; marks and dashes tell lines apart as well."""
logger = logging.getLogger(__name__)
FORMATS = (".png", ".svg", ".pdf")
LABEL_COLUMNS = 24  # a longer word would make the margin larger than the picture
PIXELS_PER_INCH = 150
_INSTALL = 'pip install "s2s[plots]"'
_COLOURS = "Blues"
_ELLIPSIS = "…"
_ESCAPE_LETTERS = "<U+0123456789ABCDEF>" + _ELLIPSIS
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (such as direction marks), surrogates, line separators
_JOINERS = "\u200c\u200d"  # format characters that Persian and Indian words need; harmless where a font has them


@dataclass(frozen=True, slots=True)
class Label:
    """A text and a font file that holds every character in it."""

    text: str
    font: Path


def lay_grid(axes: "Axes", font: Path) -> None:
    """A light grid behind the curves, no frame, and numbers of one size along both axes."""
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")
    write_ticks(axes, font, 9)


def empty_figure(path: Path) -> "Figure":
    """A figure to draw on, once it is known that the file can be written.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ConfigError: the file's suffix names another format.
    """
    check_drawable(path)
    from matplotlib.figure import Figure

    return Figure()


def check_drawable(path: Path) -> None:
    """See that a picture can be made here, before what it is to show is computed.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ConfigError: the file's suffix names another format.
    """
    require_matplotlib()
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"expected a picture file ending in {', '.join(FORMATS)}, got {str(path)!r}")


def save_figure(figure: "Figure", path: Path, *, has_few_colours: bool = False) -> None:
    """Write a picture; its folder is made if need be.

    Args:
        has_few_colours: curves, or shades in steps; a PNG is then written at a third of its size.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # "tight" grows the picture around whatever the labels need, so that nothing is ever cut off.
    figure.savefig(path, format=path.suffix[1:].lower(), dpi=PIXELS_PER_INCH, bbox_inches="tight", pad_inches=0.15)
    if has_few_colours and path.suffix.lower() == ".png":
        _reduce_colours(path)


def _reduce_colours(path: Path) -> None:
    """Write a PNG again with a table of 256 colours: enough for some hues and the soft edges of lines and letters."""
    from PIL import Image

    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)


def typeset(texts: Sequence[str]) -> list[Label]:
    """Make texts fit to be drawn: one font for all if there is one, else each text its own.

    Characters that no single font holds beside the rest of their text, and invisible ones, become escapes.

    Raises:
        MissingExtraError: Korean is to be drawn and the font that comes with the extra is not installed.
    """
    tidied = [_tidy(text) for text in texts]
    needed = frozenset("".join(tidied))
    held = _characters_held(needed | frozenset(_ESCAPE_LETTERS), font_files())
    missing = sorted(needed.difference(*held.values()))
    if korean_font() is None and any("HANGUL" in unicodedata.name(char, "") for char in missing):
        raise MissingExtraError(f'no font here holds {"".join(missing)!r}; the extra "plots" brings one: {_INSTALL}')
    if missing:
        logger.warning("no font here holds %s: written as escapes; install a Noto font to see them", ascii(missing))
    return [_with_font(text, held) for text in tidied]


def font_files() -> Iterator[Path]:
    """Fonts to try, in order of preference: matplotlib's own, the extra's Korean one, then the machine's.

    The first two come with the packages, so that a picture looks the same on every machine. Of matplotlib's own fonts
    only DejaVu Sans counts: the others map characters to other signs (cm), or all to boxes (Last Resort).
    """
    from matplotlib import get_data_path
    from matplotlib.font_manager import fontManager

    own = Path(get_data_path())
    yield own / "fonts" / "ttf" / "DejaVuSans.ttf"
    korean = korean_font()
    if korean is not None:
        yield korean
    upright = [font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal")]
    for font in sorted(upright, key=lambda font: ("Sans" not in font.name, font.name, font.fname)):
        # Fonts made of boxes, of blanks or of coloured pictures say that they hold a character and show nothing of it.
        is_readable = not any(name in font.name.replace(" ", "") for name in ("LastResort", "Blank", "Emoji"))
        if is_readable and not Path(font.fname).is_relative_to(own):
            yield Path(font.fname)


def korean_font() -> Path | None:
    """NanumGothic inside koreanize-matplotlib, if installed; never imported, since its import changes rcParams."""
    spec = importlib.util.find_spec("koreanize_matplotlib")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "fonts" / "NanumGothic.ttf"
    return path if path.is_file() else None


def require_matplotlib() -> None:
    """Refuse with the command that installs matplotlib, if it is not there."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f'plots need matplotlib, the extra "plots" of s2s: {_INSTALL}') from error


def write(text: "Text", font: Path, points: float) -> None:
    """Set the font of a text that is already in the picture, and take "$", "_" and "^" in it for what they are."""
    from matplotlib.font_manager import FontProperties

    text.set_fontproperties(FontProperties(fname=str(font), size=points))
    text.set_parse_math(False)


def write_ticks(axes: "Axes", font: Path, points: float) -> None:
    """Set the font of the numbers along both axes."""
    for tick in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        write(tick, font, points)


def _characters_held(needed: frozenset[str], fonts: Iterable[Path]) -> dict[Path, frozenset[str]]:
    """Tell which of the needed characters each font holds; stop at the first that holds all, and tell of it alone."""
    from matplotlib.ft2font import FT2Font

    held: dict[Path, frozenset[str]] = {}
    for path in fonts:
        try:
            charmap = FT2Font(str(path)).get_charmap()
        except (OSError, RuntimeError):  # matplotlib's list of fonts outlives the files in it
            continue
        held[path] = frozenset(char for char in needed if ord(char) in charmap) - _drawn_otherwise(path)
        if held[path] == needed:
            return {path: needed}
    return held


def _drawn_otherwise(font: Path) -> frozenset[str]:
    """Characters that a font holds with the shape of another: old Korean fonts draw the backslash as the won sign."""
    return frozenset("\\" if font.name.startswith("Nanum") else "")


def _with_font(text: str, held: dict[Path, frozenset[str]]) -> Label:
    """Choose the first font that holds the whole text, else one with most of its letters that can spell the rest."""
    whole = next((path for path, chars in held.items() if chars.issuperset(text)), None)
    if whole is not None:
        return Label(text, whole)
    spellers = [path for path, chars in held.items() if chars.issuperset(_ESCAPE_LETTERS)]
    font = max(spellers, key=lambda path: sum(char in held[path] for char in text if char.isalpha()))
    return Label("".join(char if char in held[font] else _escape(char) for char in text), font)


def _tidy(text: str) -> str:
    """Compose letters (Korean from a Mac comes in parts), spell out what cannot be seen, and draw "▁" as "_"."""
    composed = unicodedata.normalize("NFC", text).replace("\u2581", "_")  # few Korean fonts hold sentencepiece's "▁"
    return "".join(
        _escape(char) if unicodedata.category(char) in _UNSEEN and char not in _JOINERS else char for char in composed
    )


def _escape(char: str) -> str:
    return f"<U+{ord(char):04X}>"


def shorten(text: str) -> str:
    """Cut a text to LABEL_COLUMNS, in which a Korean letter takes two."""
    widths = np.cumsum(letter_columns(text))
    if not text or widths[-1] <= LABEL_COLUMNS:
        return text
    return text[: int((widths < LABEL_COLUMNS).sum())] + _ELLIPSIS
