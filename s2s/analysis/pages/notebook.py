"""Pieces of HTML for a notebook: they bring their style along, ask no network for anything, and run no script."""

from collections.abc import Sequence

from markupsafe import Markup

from s2s.analysis.pages.page import asset, render


def fragment(template: str, **values: object) -> str:
    """A result as HTML for a notebook, light or dark as the notebook is.

    Args:
        template: a file beside this one.
        values: what it shows; texts among them are escaped.
    """
    return joined([render(template, **values)])


def joined(parts: Sequence[str]) -> str:
    """Several pieces of HTML, such as those of `fragment`, as one with a style of its own."""
    # A rule inside .s2s-result applies to nothing else in the notebook.
    style = f"{asset('notebook.css')}\n.s2s-result {{\n{asset('parts.css')}}}\n"
    body = Markup("\n").join(map(Markup, (_without_style(part) for part in parts)))
    return f'<div class="s2s-result"><style>\n{style}</style>\n{body}\n</div>'


def _without_style(part: str) -> str:
    before, begins, rest = part.partition("<style>")
    return before + rest.partition("</style>")[2] if begins else part
