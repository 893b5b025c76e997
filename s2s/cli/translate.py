"""`s2s-translate`: lines from standard input, translations to standard output."""

import logging
import os
import re
import sys
from collections.abc import Iterator

from s2s.cli.app import run_app
from s2s.config import OutputFormat, TranslateConfig
from s2s.decoding.translator import Translation, Translator

_logger = logging.getLogger(__name__)
_READ_BYTES = 2**18  # some thousand lines of a file: a window in which sentences of about one length find each other
_MOST_LINE_BYTES = 2**20  # of a longer line the rest is dropped, so that input without line ends needs no huge memory


def main() -> None:
    """The command."""
    run_app("translate", TranslateConfig, translate)


def translate(config: TranslateConfig) -> None:
    """Translate standard input line by line: N lines in, N lines out, in order."""
    translator = Translator.load(config.run, search=config.search, device=config.device, precision=config.precision)
    number = 1
    for window in read_windows(sys.stdin.fileno()):
        lines = [decode(line, number + index) for index, line in enumerate(window)]
        for index, translation in enumerate(translator.translations(lines, first_line=number)):
            for line in format_translation(translation, number - 1 + index, config.search.format):
                sys.stdout.buffer.write(f"{line}\n".encode())
        sys.stdout.buffer.flush()
        number += len(window)


def read_windows(handle: int) -> Iterator[list[bytes]]:
    """Lines as they come: a read returns what is there, so a typed line comes at once and a file in large windows.

    Lines end at "\\n" only; a last line without it counts. Of a line of more than a mebibyte the rest is dropped.
    """
    rest = b""
    while chunk := os.read(handle, _READ_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[: _MOST_LINE_BYTES + 1]
        if lines:
            yield lines
    if rest:
        yield [rest]


def decode(line: bytes, number: int) -> str:
    """A line as text; bytes that are not UTF-8 become U+FFFD, with a warning that names the line."""
    if len(line) > _MOST_LINE_BYTES:
        _logger.warning("line %d: more than %d bytes; cut", number, _MOST_LINE_BYTES)
        line = line[:_MOST_LINE_BYTES]
    text = line.decode("utf-8", errors="replace")
    if "\ufffd" in text and not _is_utf8(line):
        _logger.warning("line %d: not valid UTF-8; the bytes that are not became U+FFFD", number)
    return text.removesuffix("\r")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _without_bars(text: str) -> str:
    """Text in which no three bars stand together: they separate the fields of a Moses line."""
    return re.sub(r"\|{3,}", lambda bars: " ".join(bars.group()), text)


def format_translation(translation: Translation, line_id: int, form: OutputFormat) -> list[str]:
    """The lines to write for a line of input.

    Args:
        translation: of the line.
        line_id: counted from 0, for the Moses form.
        form: text (the best translation) or moses (`id ||| text ||| features ||| score`, the best first).
    """
    match form:
        case OutputFormat.text:
            return [translation.texts[0]]
        case OutputFormat.moses:
            return [
                f"{line_id} ||| {_without_bars(text)} ||| "
                f"LogProb= {item.log_probability:.6f} Pieces= {len(item.ids)} ||| {item.score:.6f}"
                for text, item in zip(translation.texts, translation.hypotheses, strict=True)
            ]
