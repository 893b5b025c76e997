"""Pages for a browser: one file each, which asks no network for anything.

A page with Korean brings the letters that it needs along, so that it shows no empty boxes where no Korean font is.
"""

import base64
import hashlib
import importlib.util
import io
import logging
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from s2s.analysis.plots.figure import COLOURS, korean_font

_logger = logging.getLogger(__name__)
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_HANGUL_RANGE = "U+1100-11FF, U+3130-318F, U+AC00-D7A3"  # the same for a style sheet
_KOREAN_FAMILY = "Letters of this page"  # as page.css calls it


def page(title: str, body: Markup, *scripts: str) -> str:
    """A whole HTML document.

    A policy in it lets the browser run these scripts and nothing else, and fetch nothing, whatever the body holds.

    Args:
        title: plain text.
        body: HTML, in which every text has been escaped.
        scripts: JavaScript, run after the body is there.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    return render(
        "page.html",
        title=title,
        script_hashes=" ".join(f"'sha256-{digest}'" for digest in digests) or "'none'",
        style=Markup(asset("parts.css") + asset("page.css") + _korean_face(body)),
        body=body,
        scripts=map(Markup, scripts),
    )


def render(template: str, **values: object) -> Markup:
    """HTML from a template beside this file; texts among the values are escaped."""
    return Markup(environment().get_template(template).render(values))


@cache
def environment() -> Environment:
    """Where templates are found, and what is the same for all of them."""
    found = Environment(
        loader=PackageLoader("s2s.analysis.pages", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.globals["COLOURS"] = COLOURS
    return found


def asset(name: str) -> str:
    """The text of a style sheet or script that stands beside this file."""
    return (files("s2s.analysis.pages") / name).read_text(encoding="utf-8")


def _korean_face(text: str) -> str:
    """The style rule that holds a font for the Korean letters of a text; a warning where there is no such font here."""
    letters = "".join(sorted(set(_HANGUL.findall(text))))
    font = korean_font()
    if not letters:
        return ""
    if font is None or importlib.util.find_spec("fontTools") is None:
        _logger.warning(
            "the page holds Korean and brings no font for it: it needs one where it is read; to put one into the page: "
            'pip install "s2s[plots]"'
        )
        return ""
    data = base64.b64encode(_subset(font, letters)).decode()
    return (
        f'@font-face {{ font-family: "{_KOREAN_FAMILY}"; font-display: block; unicode-range: {_HANGUL_RANGE}; '
        f"src: url(data:font/woff;base64,{data}) }}\n"
    )


def _subset(font: Path, letters: str) -> bytes:
    """A WOFF file with some letters of a font."""
    from fontTools import subset

    options = subset.Options(flavor="woff", hinting=False, layout_features=[], ignore_missing_unicodes=True)
    options.drop_tables += ["TSI0", "TSI1", "TSI2", "TSI3", "TSI5"]  # the sources of its hinting
    logging.getLogger("fontTools.subset").setLevel(logging.WARNING)  # it logs every table that it looks at
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=letters)
    content = io.BytesIO()
    with subset.load_font(str(font), options) as loaded:
        subsetter.subset(loaded)
        subset.save_font(loaded, content, options)
    return content.getvalue()
