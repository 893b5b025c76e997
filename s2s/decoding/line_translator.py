"""From lines of input, as bytes, to lines of output."""

from dataclasses import dataclass

from s2s.decoding.columns import split_columns
from s2s.decoding.forms import format_translation
from s2s.decoding.lines import Share, decode
from s2s.decoding.translator import Translator
from s2s.decoding.wording import Translation

_SHARE_BATCHES = 4  # a share of several batches: fewer to hand out, and sentences of one batch differ less in length


@dataclass(frozen=True)
class LineTranslator:
    """A translator with what is around it in the shell."""

    translator: Translator

    @property
    def share_lines(self) -> int:
        """Lines of a share."""
        return _SHARE_BATCHES * self.translator.search.batch_size

    def __call__(self, share: Share) -> list[bytes]:
        """What to write for each line of a share, line ends included."""
        columns = self.translator.search.columns
        numbered = zip(share.numbers, share.lines, strict=True)
        asked = [split_columns(decode(line, number), columns, number) for number, line in numbered]
        sources, demands = [source for source, _ in asked], [demand for _, demand in asked]
        translations = self.translator.translations(sources, numbers=share.numbers, demands=demands)
        return list(map(self._written, translations, share.numbers, sources))

    def _written(self, translation: Translation, number: int, source: str) -> bytes:
        lines = format_translation(translation, number, source, self.translator.search.format)
        return "".join(f"{line}\n" for line in lines).encode()
