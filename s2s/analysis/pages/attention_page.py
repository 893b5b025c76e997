"""Attention on a page: point at a word of the translation, and the source words light up."""

from collections.abc import Sequence

from s2s.analysis.attention import WordAttention
from s2s.analysis.pages.page import asset, page, render


def attention_page(sentences: Sequence[WordAttention], title: str, languages: tuple[str, str]) -> str:
    """A page of sentences.

    Args:
        sentences: one after the other.
        title: plain text.
        languages: of source and target, such as ko and en, by which a browser chooses fonts.
    """
    body = render("attention_page.html", title=title, sentences=sentences, languages=languages)
    return page(title, body, asset("attention.js"))
