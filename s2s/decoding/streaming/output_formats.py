"""Output formats: a line of text, Moses n-best lines, or a JSON object."""

import json
import re
from typing import Any

from s2s.config.decoding import OutputFormat
from s2s.data.word_alignment import format_pharaoh
from s2s.decoding.postprocessing import NBestList

_DIGITS = 6  # of logarithms, which differ from batch to batch by up to 1e-4


def format_translation(translation: NBestList, line: int, source: str, output_format: OutputFormat) -> list[str]:
    """The lines to write for a line of input.

    Args:
        translation: of the line; its alignments, if any, are written too.
        line: number of the line, counted from 1; moses and json count from 0.
        source: the text of the line.
        output_format: text (the best), moses (all, the best first: `id ||| text ||| features ||| score`) or json.
    """
    match output_format:
        case OutputFormat.text:
            return [_text(translation)]
        case OutputFormat.moses:
            return _moses(translation, line - 1)
        case OutputFormat.json:
            return [json.dumps(_json_object(translation, line - 1, source), ensure_ascii=False)]


def _text(translation: NBestList) -> str:
    """The best translation, and its alignment, if any: `text ||| 0-0 1-1`."""
    if translation.alignments is None:
        return translation.texts[0]
    return f"{_without_bars(translation.texts[0])} ||| {format_pharaoh(translation.alignments[0])}"


def _moses(translation: NBestList, line_id: int) -> list[str]:
    """A line each hypothesis; an alignment is a fifth field, as Moses writes them."""
    lines = [
        f"{line_id} ||| {_without_bars(text)} ||| "
        f"LogProb= {item.log_probability:.{_DIGITS}f} Pieces= {len(item.ids)} ||| {item.score:.{_DIGITS}f}"
        for text, item in zip(translation.texts, translation.hypotheses, strict=True)
    ]
    if translation.alignments is None:
        return lines
    return [f"{line} ||| {format_pharaoh(links)}" for line, links in zip(lines, translation.alignments, strict=True)]


def _json_object(translation: NBestList, line_id: int, source: str) -> dict[str, Any]:
    hypotheses: list[dict[str, Any]] = [
        {
            "text": text,
            "score": round(item.score, _DIGITS),
            "log_probability": round(item.log_probability, _DIGITS),
            "pieces": list(pieces),
            "token_log_probabilities": [round(value, _DIGITS) for value in item.token_log_probabilities],
        }
        for text, item, pieces in zip(translation.texts, translation.hypotheses, translation.pieces, strict=True)
    ]
    for hypothesis, links in zip(hypotheses, translation.alignments or (), strict=False):
        hypothesis["alignments"] = format_pharaoh(links)
    return {"id": line_id, "source": source, "hypotheses": hypotheses}


def _without_bars(text: str) -> str:
    """Text in which no three bars stand together: they separate fields."""
    return re.sub(r"\|{3,}", lambda bars: " ".join(bars.group()), text)
