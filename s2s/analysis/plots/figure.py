"""What all pictures share: files, fonts and colours.

matplotlib is an optional extra, so it is imported inside the functions that draw. pyplot is never used, and rcParams,
which belong to the caller, are as they were once a picture is drawn.
"""

import importlib.util
import logging
import struct
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from wcwidth import wcwidth

from s2s.errors import ConfigError, MissingExtraError
from s2s.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VERMILION, BLUE = "#D55E00", "#0072B2"
COLOURS = (VERMILION, BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""For the lines of a chart, in this order in every picture; marks and dashes tell lines apart as well."""
SHARE_COLOURS = "Blues"
"""matplotlib's name of the colours of numbers from 0 to 1."""
FORMATS = (".png", ".svg", ".pdf")
LABEL_COLUMNS = 24  # a longer word would make the margin larger than the picture
PIXELS_PER_INCH = 150
_SCREEN_POINTS_PER_INCH = 96
_logger = logging.getLogger(__name__)
_INSTALL = 'pip install "s2s[plots]"'
_PLAIN = "DejaVu Sans"  # comes with matplotlib
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (such as direction marks), surrogates, line separators
_JOINERS = "\u200c\u200d"  # format characters that Persian and Indian words need; harmless where a font has them


@contextmanager
def new_figure(texts: Iterable[str] = ()) -> Iterator["Figure"]:
    """A figure to draw on, complete at the end of the block; a notebook shows it.

    Args:
        texts: what is written in the picture besides plain English: fonts are chosen that hold its characters.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context

    families = font_families("".join(texts))
    with rc_context({"font.family": families, "text.parse_math": False}), _without_notices():
        figure = _notebook_figure()()
        yield figure
        figure.draw_without_rendering()  # letters that come into being only now still get these fonts


def save_figure(figure: "Figure", path: Path, *, has_few_colours: bool = False) -> None:
    """Write a figure as .png, .svg or .pdf, byte for byte the same for the same figure.

    Args:
        path: of the file; its folder is made if need be.
        has_few_colours: curves, or shades in steps; a PNG is then written at a third of its size.

    Raises:
        ConfigError: the file's suffix names another format.
    """
    check_drawable(path)
    form, content = path.suffix[1:].lower(), BytesIO()
    _write(figure, content, form)
    write_bytes(path, _with_few_colours(content) if has_few_colours and form == "png" else content.getvalue())


def _write(figure: "Figure", file: BytesIO, form: str) -> None:
    from matplotlib import rc_context

    # A file holds neither the time nor random names, so that it changes only when the picture does.
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with rc_context({"svg.hashsalt": "s2s"}), _without_notices():
        # "tight" grows the picture around whatever the labels need, so that nothing is ever cut off.
        figure.savefig(
            file,
            format=form,
            dpi=PIXELS_PER_INCH,
            bbox_inches="tight",
            pad_inches=0.15,
            metadata=undated.get(form),
        )


@cache
def _notebook_figure() -> type["Figure"]:
    """matplotlib's figure, which a notebook draws although pyplot does not know it."""
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            """The picture, and how large it is to be shown: an inch of it as 96 points of the screen."""
            content = BytesIO()
            _write(self, content, "png")
            width, height = struct.unpack(">II", content.getvalue()[16:24])
            scale = _SCREEN_POINTS_PER_INCH / PIXELS_PER_INCH
            return content.getvalue(), {"width": round(width * scale), "height": round(height * scale)}

    return NotebookFigure


@contextmanager
def _without_notices() -> Iterator[None]:
    """Keep what matplotlib has to tell, such as that it lists the fonts for the first time, from people."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # `font_families` has named them
            yield
    finally:
        logger.setLevel(level)


def check_drawable(path: Path) -> None:
    """Ensure that a picture can be drawn here, before what it is to show is computed.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ConfigError: the file's suffix names another format.
    """
    require_matplotlib()
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"expected a picture file ending in {', '.join(FORMATS)}, got {str(path)!r}")


def require_matplotlib() -> None:
    """Refuse with the command that installs matplotlib, if it is not there."""
    try:
        with _without_notices():
            import matplotlib.font_manager  # noqa: F401 - the first time on a machine, it lists the fonts
    except ImportError as error:
        raise MissingExtraError(f'plots need matplotlib, the extra "plots" of s2s: {_INSTALL}') from error


def _with_few_colours(content: BytesIO) -> bytes:
    """A PNG with a table of 256 colours: enough for some hues and the soft edges of lines and letters."""
    from PIL import Image

    reduced = BytesIO()
    with Image.open(content) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(reduced, "png", optimize=True)
    return reduced.getvalue()


def font_families(text: str) -> list[str]:
    """The fonts in which matplotlib is to look for each character of a text, one after the other.

    They are matplotlib's own, the extra's Korean one, and such of the machine's fonts as hold what is still missing.
    A warning names the characters that no font holds.
    """
    from matplotlib import get_data_path
    from matplotlib.font_manager import fontManager
    from matplotlib.ft2font import FT2Font

    korean = korean_font()
    if korean is not None and not any(font.fname == str(korean) for font in fontManager.ttflist):
        fontManager.addfont(korean)
    # Fonts made of boxes, of blanks or of coloured pictures say that they hold a character and show nothing of it, and
    # matplotlib's other fonts map characters to other signs.
    fonts = [
        font
        for font in fontManager.ttflist
        if font.style == "normal"
        and font.weight in (400, "normal")
        and not any(name in font.name.replace(" ", "") for name in ("LastResort", "Blank", "Emoji"))
        and (font.name == _PLAIN or not font.fname.startswith(get_data_path()))
    ]
    preferred = (_PLAIN, "NanumGothic")
    fonts.sort(key=lambda font: (*(font.name != name for name in preferred), "Sans" not in font.name, font.name))
    families, missing = [_PLAIN], set(text)
    for font in fonts:
        if not missing:
            break
        try:
            held = missing & {chr(code) for code in FT2Font(font.fname).get_charmap()}
        except (OSError, RuntimeError):  # matplotlib's list of fonts outlives the files in it
            continue
        if held:
            families.append(font.name)
            missing -= held
    if missing:
        _logger.warning(
            "no font here holds %s: drawn as boxes; install one that does, such as a Noto font, or for Korean %s",
            ascii("".join(sorted(missing))),
            _INSTALL,
        )
    return list(dict.fromkeys(families))


def korean_font() -> Path | None:
    """NanumGothic inside koreanize-matplotlib, if installed; never imported, since its import changes rcParams."""
    spec = importlib.util.find_spec("koreanize_matplotlib")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "fonts" / "NanumGothic.ttf"
    return path if path.is_file() else None


def printable(text: str) -> str:
    """A text in one line: letters composed (Korean from a Mac comes in parts), what cannot be seen as <U+202E>.

    Sentencepiece's "▁", which many fonts draw as a thick bar, becomes "_".
    """
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSEEN and char not in _JOINERS else char
        for char in unicodedata.normalize("NFC", text).replace("▁", "_")
    )


def label(text: str) -> str:
    """A text as `printable` has it, cut to LABEL_COLUMNS, of which a Korean letter takes two."""
    text = printable(text)
    columns = np.cumsum([wcwidth(char) for char in text])
    if not text or columns[-1] <= LABEL_COLUMNS:
        return text
    return text[: int((columns < LABEL_COLUMNS).sum())] + "…"


def lay_grid(axes: "Axes") -> None:
    """A light grid behind the curves, no frame, and numbers of one size along both axes."""
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")
    axes.tick_params(labelsize=9)
