"""Pictures for a lecture: which source words each target word attends to, and how a model got better over time.

Letters: S source words, T target words, N points of a curve. matplotlib is an optional extra, so it is imported inside
the functions that draw; pyplot and rcParams, which belong to the caller, are never touched.

No picture shows empty boxes: `typeset` looks into the fonts' own character tables, for Korean ends at the NanumGothic
that comes with the extra, and spells out what no font can draw, such as <U+1F600>.
"""

import importlib.util
import logging
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.colours import BLUE, VERMILION
from s2s.analysis.terminal import letter_columns
from s2s.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

logger = logging.getLogger(__name__)

FORMATS = (".png", ".svg", ".pdf")
LABEL_COLUMNS = 24  # a longer word would make the margin larger than the picture
PIXELS_PER_INCH = 150

_INSTALL = 'pip install "s2s[plots]"'
_COLOURS = "Blues"
_FIXED_TEXT = "source target attention weight 0.25"  # the letters of what every picture says besides
_CURVE_TEXT = "loss on the dev set (nats a) training (minutes) best: 0123456789.−"  # likewise
_ELLIPSIS = "…"
_ESCAPE_LETTERS = "<U+0123456789ABCDEF>" + _ELLIPSIS
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (such as direction marks), surrogates, line separators
_JOINERS = "\u200c\u200d"  # format characters that Persian and Indian words need; harmless where a font has them


@dataclass(frozen=True, slots=True)
class Label:
    """A text and a font file that holds every character in it."""

    text: str
    font: Path


@dataclass(frozen=True, slots=True)
class _Texts:
    source: list[Label]
    target: list[Label]
    title: Label
    plain: Path  # the font of all that every picture says


def plot_attention(
    weights_TS: NDArray[np.floating[Any]],
    source_words: Sequence[str],
    target_words: Sequence[str],
    path: Path,
    *,
    title: str = "",
) -> None:
    """Draw attention as a heat map, source words across the top and target words down, as .png, .svg or .pdf.

    Args:
        weights_TS: a row for each target word; 0 to 1.
        path: the file to write; its folder is made if need be.

    Raises:
        MissingExtraError: matplotlib is not installed, or no font here can draw Korean.
        ConfigError: the file's suffix names another format.
        ValueError: the weights are not finite, or of another shape than the words ask for.
    """
    figure = empty_figure(path)
    _check_weights(weights_TS, len(source_words), len(target_words))
    _draw_attention(figure, weights_TS, _typeset_all(source_words, target_words, title))
    save_figure(figure, path)


def plot_curve(
    minutes_N: Sequence[float],
    loss_nats_N: Sequence[float],
    score_N: Sequence[float],
    path: Path,
    *,
    best: int | None = None,
    title: str = "",
    score_name: str = "BLEU",
    unit: str = "target token",
) -> None:
    """Draw a score and the loss on the dev set over the minutes of training, one above the other.

    Args:
        loss_nats_N: NaN leaves a gap.
        score_N: the higher the better.
        path: the file to write; its folder is made if need be.
        best: the point to mark.
        score_name: what the score is called.
        unit: what the loss is a mean over.

    Raises:
        MissingExtraError: matplotlib is not installed, or no font here can draw Korean.
        ConfigError: the file's suffix names another format.
    """
    figure = empty_figure(path)
    heading, plain = typeset([" ".join(title.split()), _CURVE_TEXT + score_name + unit])
    figure.set_size_inches(7, 5.5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    _draw_curve(upper, minutes_N, score_N, f"{score_name} on the dev set", BLUE, "o", plain.font)
    _draw_curve(lower, minutes_N, loss_nats_N, f"loss on the dev set\n(nats a {unit})", VERMILION, "s", plain.font)
    write(lower.set_xlabel("training (minutes)", labelpad=6), plain.font, 11)
    lower.set_xlim(left=0)
    if best is not None:
        _mark(upper, minutes_N[best], score_N[best], f"best: {score_N[best]:.2f}", plain.font)
        _mark(lower, minutes_N[best], loss_nats_N[best], f"{loss_nats_N[best]:.3f}", plain.font)
    write(upper.set_title(heading.text, pad=12), heading.font, 12)
    save_figure(figure, path)


def _draw_curve(
    axes: "Axes",
    minutes_N: Sequence[float],
    values_N: Sequence[float],
    name: str,
    colour: str,
    marker: str,
    font: Path,
) -> None:
    """One curve with its points, over a light grid; the name of its axis has its colour too."""
    points = 4.0 if len(minutes_N) <= 60 else 0.0  # more would run into a band
    axes.plot(minutes_N, values_N, color=colour, marker=marker, markersize=points, linewidth=1.6)
    axes.margins(y=0.12)
    write(axes.set_ylabel(name, color=colour, labelpad=8), font, 11)
    lay_grid(axes, font)


def lay_grid(axes: "Axes", font: Path) -> None:
    """A light grid behind the curves, no frame, and numbers of one size along both axes."""
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")
    write_ticks(axes, font, 9)


def _mark(axes: "Axes", minutes: float, value: float, text: str, font: Path) -> None:
    """A ring around a point, and what it is, on the side where there is room."""
    axes.plot([minutes], [value], marker="o", markersize=10, color="black", fillstyle="none", markeredgewidth=1.4)
    is_right = minutes > sum(axes.get_xlim()) / 2
    low, high = axes.get_ylim()
    is_high = value > (low + high) / 2
    note = axes.annotate(
        text,
        (minutes, value),
        xytext=(-10 if is_right else 10, -12 if is_high else 12),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top" if is_high else "bottom",
    )
    write(note, font, 10)


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


def _check_weights(weights_TS: NDArray[np.floating[Any]], num_source: int, num_target: int) -> None:
    if weights_TS.shape != (num_target, num_source) or weights_TS.size == 0:
        raise ValueError(
            f"expected weights of shape (target words, source words) = ({num_target}, {num_source}), at least 1 x 1, "
            f"got {weights_TS.shape}"
        )
    if not np.isfinite(weights_TS).all():
        raise ValueError("expected finite weights, got NaN or infinity")


def _typeset_all(source: Sequence[str], target: Sequence[str], title: str) -> _Texts:
    """Cut long words and find the fonts of all texts together, so that they share one if any font holds all."""
    words = [shorten(_tidy(word)) for word in [*source, *target]]
    *labels, heading, plain = typeset([*words, " ".join(title.split()), _FIXED_TEXT])
    labels = [Label(shorten(label.text), label.font) for label in labels]  # again: an escape is longer than its letter
    return _Texts(labels[: len(source)], labels[len(source) :], heading, plain.font)


def _draw_attention(figure: "Figure", weights_TS: NDArray[np.floating[Any]], texts: _Texts) -> None:
    """Fill the figure with square cells; labels, title and colour bar stand outside it, as far as they need."""
    cell_inches = _cell_inches(*weights_TS.shape)
    height, width = (num_words * cell_inches for num_words in weights_TS.shape)
    points = min(13.0, 36 * cell_inches)  # half a cell: lines slanted by 45 degrees stand 0.7 cells apart
    figure.set_size_inches(width, height)

    axes = figure.add_axes((0, 0, 1, 1))
    cells = axes.pcolormesh(weights_TS, cmap=_COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=2 * cell_inches)
    axes.invert_yaxis()
    axes.spines[:].set_color("0.6")
    _label_words(axes, texts, points)
    # In letters that an eye can read even beside 200 words; 8 of them to the inch, and the margins count.
    heading = "\n".join(textwrap.wrap(texts.title.text, width=int(8 * (width + 2))))
    write(axes.set_title(heading, pad=12), texts.title.font, max(points, 9) + 3)

    bar_height = max(height, 1.7)  # inches: room for its own label beside a picture of few words
    bar_axes = figure.add_axes((1 + 0.25 / width, 1 - bar_height / height, 0.16 / width, bar_height / height))
    bar = figure.colorbar(cells, cax=bar_axes, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.outline.set_visible(False)
    write(bar_axes.set_ylabel("attention weight"), texts.plain, max(points, 9))
    write_ticks(bar_axes, texts.plain, max(points, 9) - 1)


def _label_words(axes: "Axes", texts: _Texts, points: float) -> None:
    """Write the source words slanted across the top, so that long ones do not meet, and the target words down."""
    axes.xaxis.set_label_position("top")
    axes.tick_params(length=0, bottom=False, labelbottom=False, labeltop=True)
    axes.set_xticks(np.arange(len(texts.source)) + 0.5, labels=[label.text for label in texts.source])
    axes.set_yticks(np.arange(len(texts.target)) + 0.5, labels=[label.text for label in texts.target])
    for text, label in zip(axes.get_xticklabels(), texts.source, strict=True):
        write(text, label.font, points)
        text.set(rotation=45, rotation_mode="anchor", ha="left", va="center")
    for text, label in zip(axes.get_yticklabels(), texts.target, strict=True):
        write(text, label.font, points)
    for axis_name in (axes.set_xlabel("source", labelpad=8), axes.set_ylabel("target", labelpad=8)):
        write(axis_name, texts.plain, max(points, 9) + 1)


def write(text: "Text", font: Path, points: float) -> None:
    """Set the font of a text that is already in the picture, and take "$", "_" and "^" in it for what they are."""
    from matplotlib.font_manager import FontProperties

    text.set_fontproperties(FontProperties(fname=str(font), size=points))
    text.set_parse_math(False)


def write_ticks(axes: "Axes", font: Path, points: float) -> None:
    """Set the font of the numbers along both axes."""
    for tick in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        write(tick, font, points)


def _cell_inches(num_source: int, num_target: int) -> float:
    """The side of a cell: half an inch for a few words, a quarter from 40 on; the picture ends at 30 inches."""
    longer = max(num_source, num_target)
    return min(0.5, max(10 / longer, 0.25), 30 / longer)


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
