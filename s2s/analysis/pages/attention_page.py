"""Attention on a page: point at a word of the translation, and the source words light up.

I source words, J target words.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.attention import WordAttention
from s2s.analysis.pages.page import asset, page

HINT = (
    "Point at a word of the translation, tap it, or move to it with Tab and the arrow keys: the source words light up "
    "as strongly as the model looks at them when it says that word."
)
_STRONG_PERCENT = 72  # on a stronger blue, white letters are easier to read than black ones


def attention_page(sentences: Sequence[WordAttention], title: str, languages: tuple[str, str]) -> str:
    """A page of sentences.

    Args:
        sentences: one after the other.
        title: plain text.
        languages: of source and target, such as ko and en, by which a browser chooses fonts.
    """
    figures = (attention_figure(sentence, languages) for sentence in sentences)
    body = [f"<h1>{escape(title)}</h1>", f'<p class="hint">{HINT}</p>', *figures]
    return page(title, "\n".join(body), attention_script())


def attention_script() -> str:
    """What makes the figures of a page answer; once a page."""
    return asset("attention.js")


def attention_figure(sentence: WordAttention, languages: tuple[str, str]) -> str:
    """The words of both sides, and a table of all weights, as HTML."""
    source_language, target_language = map(escape, languages)
    return "\n".join(
        [
            f'<section class="attention" data-strong-percent="{_STRONG_PERCENT}">',
            f'<p class="side">source ({source_language})</p>',
            f'<ul class="words source" lang="{source_language}">{_source_words(sentence.source)}</ul>',
            f'<p class="side">translation ({target_language})</p>',
            f'<ul class="words target" lang="{target_language}">{_target_words(sentence)}</ul>',
            '<p class="note" aria-live="polite"></p>',
            f"<details><summary>all weights, in percent</summary>{_heat_table(sentence)}</details>",
            "</section>",
        ]
    )


def _source_words(words: Sequence[str]) -> str:
    return "".join(
        f'<li class="word lit"><span class="text">{escape(word)}</span><span class="share"></span></li>'
        for word in words
    )


def _target_words(sentence: WordAttention) -> str:
    return "".join(
        f'<li><button type="button" class="word" data-percents="{_percents(row_I)}">'
        f'<span class="text">{escape(word)}</span></button></li>'
        for word, row_I in zip(sentence.target, sentence.weights_JI, strict=True)
    )


def _percents(row_I: NDArray[np.floating[Any]]) -> str:
    return " ".join(f"{100 * weight:.2f}" for weight in row_I)


def _heat_table(sentence: WordAttention) -> str:
    heads = "".join(f'<th scope="col"><span>{escape(word)}</span></th>' for word in sentence.source)
    rows = "".join(
        f'<tr><th scope="row">{escape(word)}</th>{"".join(map(_cell, row_I.tolist()))}</tr>'
        for word, row_I in zip(sentence.target, sentence.weights_JI, strict=True)
    )
    table = f'<table class="heat"><thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _cell(weight: float) -> str:
    percent = 100 * weight
    strong = " strong" if percent > _STRONG_PERCENT else ""
    text = f"{percent:.0f}" if percent >= 0.5 else ""
    return f'<td class="lit{strong}" style="--weight: {weight:.4f}">{text}</td>'
