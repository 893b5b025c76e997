"""Text to piece ids and back; the only file that touches sentencepiece."""

import io
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from random import Random

import sentencepiece

from s2s.config.data import SubwordKind
from s2s.data.vocabulary.subword_regularization import BPESegmenter, UnigramSegmenter
from s2s.errors import DataError, RunError
from s2s.files import read_bounded

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Ids that every vocabulary begins with: padding, unknown, start of a target (`<s>`), end of a sentence (`</s>`)."""
NO_TEXT = [PAD, UNK, BOS]
"""Ids that no translation holds: a model's probabilities are over all others."""
VERSION = str(sentencepiece.__version__)
"""Of the library: another one may learn other pieces from the same text."""
_TOO_MANY_PIECES = re.compile(r"Please set it to a value <= (\d+)")
_TOO_FEW_PIECES = re.compile(r"required_chars\. \d+ vs (\d+)")
_WORD = re.compile("▁?[^▁]+|▁")
_MAX_TRAINING_LINES = 1_000_000
_MAX_BYTES = 100_000_000  # of a model, which takes some 25 bytes a piece and has 250,000 for its rules of spelling
_SPECIAL_PIECES = ["<pad>", "<unk>", "<s>", "</s>"]


class Subwords:
    """A trained sentencepiece model.

    Text is brought to Unicode NFKC first (Hangul typed as separate letters becomes syllables) and white space is
    collapsed, so `decode(encode(text))` is `text` for text that is in that form and has only known characters.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._segmenters: dict[float, UnigramSegmenter | BPESegmenter] = {}

    @classmethod
    def load(cls, path: Path) -> "Subwords":
        """Read a model file.

        Raises:
            RunError: the file is missing, or is not a sentencepiece model such as s2s learns.
        """
        try:
            subwords = cls(read_bounded(path, _MAX_BYTES))
            if subwords.all_pieces()[: EOS + 1] != _SPECIAL_PIECES:  # and so that each of them is text
                raise ValueError(f"it does not begin with the pieces {' '.join(_SPECIAL_PIECES)}")
            return subwords
        except (OSError, RuntimeError, ValueError) as error:
            raise RunError(f"{path}: expected a sentencepiece model, but it cannot be read ({error})") from error

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Piece ids of each line, without any special id; a blank line gives an empty list."""
        ids: list[list[int]] = self._processor.encode(list(lines), num_threads=1)
        return ids

    def resample(self, rows: Sequence[Sequence[int]], *, alpha: float, seed: int) -> list[list[int]]:
        """Segment encoded sentences anew, at random: the same text in other pieces.

        A function of its arguments, whatever was called before and in whatever thread. Rows whose text does not lead
        back to them (they hold an unknown character, or did not come from `encode`) are kept as they are.

        Args:
            rows: ids of sentences, without special ids.
            alpha: unigram: a segmentation is drawn with its probability ** alpha (Kudo 2018, section 3.2, over all of
                them); bpe: share of merges left out (Provilkov et al. 2020, algorithm 1).
            seed: any whole number.

        Returns:
            As many rows, empty where they were. A row can be longer than it was.
        """
        before = [[int(index) for index in row] for row in rows]
        again = self.encode([self.decode(row) for row in before])
        segmenter, random = self._segmenter(alpha), Random(str(seed))  # of an int, the sign would not count
        rows_after = []
        for row, same in zip(before, again, strict=True):
            if row == same and UNK not in row:
                words = [segmenter.segment(word, random) for word in _WORD.findall("".join(self.pieces(row)))]
                if all(words):
                    row = [self._ids[piece] for word in words for piece in word]
            rows_after.append(row)
        return rows_after

    @cached_property
    def _ids(self) -> dict[str, int]:
        """Ids of the pieces, without the special ones."""
        return {self._processor.id_to_piece(index): index for index in range(EOS + 1, len(self))}

    def _segmenter(self, alpha: float) -> UnigramSegmenter | BPESegmenter:
        if alpha not in self._segmenters:
            scores = {piece: float(self._processor.get_score(index)) for piece, index in self._ids.items()}
            # Scores are log probabilities of pieces, or for BPE 0, -1, -2 ... in the order of the merges.
            is_bpe = list(scores.values()) == [-rank for rank in range(len(scores))]
            self._segmenters[alpha] = BPESegmenter(scores, alpha) if is_bpe else UnigramSegmenter(scores, alpha)
        return self._segmenters[alpha]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces as text; "▁" (U+2581) stands for the space before a word."""
        return [self._processor.id_to_piece(int(index)) for index in ids]

    def surfaces(self, line: str) -> list[str]:
        """The pieces of `encode` as text; unknown ones are the line's own characters, not `<unk>`."""
        pieces: list[str] = self._processor.encode(line, out_type=str)
        return pieces

    def join(self, pieces: Sequence[str]) -> str:
        """Text of pieces, which need not be in the vocabulary; never holds a line end."""
        return _one_line(self._processor.decode(list(pieces)))

    def all_pieces(self) -> list[str]:
        """The vocabulary, by id."""
        return self.pieces(range(len(self)))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, up to the first `</s>`; never holds a line end."""
        return _one_line(self._processor.decode([int(index) for index in takewhile(lambda index: index != EOS, ids)]))


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ").strip()


def sample_stride(num_lines: int) -> int:
    """The n of "every n-th line" that keeps the training text of the subwords within a million lines."""
    return max(1, -(-num_lines // _MAX_TRAINING_LINES))


def train_subwords(
    lines: Sequence[str], *, vocabulary_size: int, kind: SubwordKind, character_coverage: float
) -> tuple[Subwords, str | None]:
    """Learn pieces from training text; the same lines and options give the same model, byte for byte.

    Of more than a million lines, every n-th is looked at.

    Returns:
        The subwords, and a message where the vocabulary had to be smaller than asked.

    Raises:
        DataError: the text is too small to learn any pieces from.
    """
    sample = lines[:: sample_stride(len(lines))]
    try:
        return Subwords(_train(sample, vocabulary_size, kind, character_coverage)), None
    except RuntimeError as error:
        least, most = _TOO_FEW_PIECES.search(str(error)), _TOO_MANY_PIECES.search(str(error))
        if least is not None:
            raise DataError(
                f"subwords.vocabulary_size={vocabulary_size} has no room for the {least[1]} characters and special "
                "pieces of the text: raise it, or lower subwords.character_coverage"
            ) from error
        if most is None:
            raise DataError(f"sentencepiece cannot learn pieces from {len(sample)} lines of text: {error}") from error
    message = f"subwords.vocabulary_size lowered from {vocabulary_size} to {most[1]}: the text has no more pieces"
    return Subwords(_train(sample, int(most[1]), kind, character_coverage)), message


def _train(lines: Iterable[str], vocabulary_size: int, kind: SubwordKind, character_coverage: float) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=vocabulary_size,
        model_type=kind.value,
        character_coverage=character_coverage,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        max_sentence_length=100_000,
        num_threads=2,  # a constant: the sums of each thread, and so the pieces, depend on how many there are
        minloglevel=2,
    )
    return model.getvalue()
