"""Words in the pieces of a small vocabulary that was learnt from the test's own text."""

from itertools import pairwise

import pytest

from s2s.config.data import SubwordKind
from s2s.data.vocabulary.subwords import EOS, Subwords, train_subwords
from s2s.decoding.segmentation import Segmenter
from tables import CPU

LINES = ["ein Hund und der Hund", "die Hunde, ein Bund", 'der "Hund" 7 und 77', "und 하나 둘"] * 5


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    learnt, _ = train_subwords(LINES, vocabulary_size=45, kind=SubwordKind.unigram, character_coverage=1.0)
    return learnt


@pytest.fixture(scope="module")
def segmenter(subwords: Subwords) -> Segmenter:
    return Segmenter(subwords)


def test_all_segmentations_give_the_word(subwords: Subwords, segmenter: Segmenter) -> None:
    found = segmenter.all_segmentations("Hund")
    texts = ["".join(subwords.pieces(ids)) for ids in found]
    assert set(texts) == {"▁Hund", "Hund"}
    assert len(set(found)) == len(found)
    assert [len(ids) for ids in found] == sorted(len(ids) for ids in found)
    assert tuple(subwords.encode(["Hund"])[0]) in found


def test_none_is_missing(subwords: Subwords, segmenter: Segmenter) -> None:
    """Each place between two characters is cut or not: all cuts whose parts are pieces."""
    pieces = {piece: index for index, piece in enumerate(subwords.all_pieces()) if index > EOS}
    expected = set()
    for written in ("▁und", "und"):
        for cuts in range(2 ** (len(written) - 1)):
            ends = [0, *(at + 1 for at in range(len(written) - 1) if cuts >> at & 1), len(written)]
            parts = [written[start:end] for start, end in pairwise(ends)]
            if all(part in pieces for part in parts):
                expected.add(tuple(pieces[part] for part in parts))
    assert set(segmenter.all_segmentations("und")) == expected


def test_of_very_many_segmentations_the_shortest_are_kept(segmenter: Segmenter) -> None:
    found = segmenter.all_segmentations("und der Hund und der Hund und der Hund")
    assert len(found) == 200
    assert len(found[0]) < len(found[-1])


def test_usual_pieces_stand_with_a_space_before_them_or_without(subwords: Subwords, segmenter: Segmenter) -> None:
    usual, *others = segmenter.usual_segmentations("ein Hund")
    assert list(usual) == subwords.encode(["ein Hund"])[0]
    assert ["".join(subwords.pieces(ids)) for ids in others] == ["ein▁Hund"]


def test_unknown_characters_cannot_be_segmented(segmenter: Segmenter) -> None:
    assert segmenter.is_known("Hund")
    assert not segmenter.is_known("Hund犬")
    assert not segmenter.is_known(" ")
    assert segmenter.all_segmentations("犬") == []
    assert segmenter.all_segmentations("") == []


def test_a_prefix_is_used_up_to_its_first_unknown_character(subwords: Subwords, segmenter: Segmenter) -> None:
    assert segmenter.known_prefix("ein Hund") == subwords.encode(["ein Hund"])[0]
    assert subwords.decode(segmenter.known_prefix("ein Hund 犬 und")) == "ein Hund"
    assert segmenter.known_prefix("") == []


def test_letters_and_digits_make_one_word(subwords: Subwords, segmenter: Segmenter) -> None:
    boundaries = segmenter.boundaries(CPU)
    pieces = dict(
        zip(
            subwords.all_pieces(),
            zip(boundaries.continues_V.tolist(), boundaries.can_continue_V.tolist(), strict=True),
            strict=True,
        )
    )
    assert pieces["d"] == (True, True)
    assert pieces["7"] == (True, True)
    assert pieces["▁"] == (False, False)
    assert pieces[","] == (False, False)
    assert pieces["둘"] == (False, False)  # Korean words take endings
    assert pieces["</s>"] == (False, False)
    assert all(not continues for piece, (continues, _) in pieces.items() if piece.startswith("▁"))
