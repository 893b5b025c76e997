"""Words in the pieces of a small vocabulary that was learnt from the test's own text."""

from itertools import pairwise

import pytest

from s2s.config.data import SubwordKind
from s2s.data.vocabulary.subwords import EOS, Subwords, train_subwords
from s2s.decoding.segmentation import Speller
from tables import CPU

LINES = ["ein Hund und der Hund", "die Hunde, ein Bund", 'der "Hund" 7 und 77', "und 하나 둘"] * 5


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    learnt, _ = train_subwords(LINES, vocabulary_size=45, kind=SubwordKind.unigram, character_coverage=1.0)
    return learnt


@pytest.fixture(scope="module")
def speller(subwords: Subwords) -> Speller:
    return Speller(subwords)


def test_all_spellings_write_the_word(subwords: Subwords, speller: Speller) -> None:
    found = speller.all_spellings("Hund")
    texts = ["".join(subwords.pieces(ids)) for ids in found]
    assert set(texts) == {"▁Hund", "Hund"}
    assert len(set(found)) == len(found)
    assert [len(ids) for ids in found] == sorted(len(ids) for ids in found)
    assert tuple(subwords.encode(["Hund"])[0]) in found


def test_none_is_missing(subwords: Subwords, speller: Speller) -> None:
    """Each place between two characters is cut or not: all cuts whose parts are pieces."""
    pieces = {piece: index for index, piece in enumerate(subwords.all_pieces()) if index > EOS}
    expected = set()
    for written in ("▁und", "und"):
        for cuts in range(2 ** (len(written) - 1)):
            ends = [0, *(at + 1 for at in range(len(written) - 1) if cuts >> at & 1), len(written)]
            parts = [written[start:end] for start, end in pairwise(ends)]
            if all(part in pieces for part in parts):
                expected.add(tuple(pieces[part] for part in parts))
    assert set(speller.all_spellings("und")) == expected


def test_of_very_many_spellings_the_shortest_are_kept(speller: Speller) -> None:
    found = speller.all_spellings("und der Hund und der Hund und der Hund")
    assert len(found) == 200
    assert len(found[0]) < len(found[-1])


def test_usual_pieces_stand_with_a_space_before_them_or_without(subwords: Subwords, speller: Speller) -> None:
    usual, *others = speller.usual("ein Hund")
    assert list(usual) == subwords.encode(["ein Hund"])[0]
    assert ["".join(subwords.pieces(ids)) for ids in others] == ["ein▁Hund"]


def test_unknown_characters_cannot_be_written(speller: Speller) -> None:
    assert speller.is_writable("Hund")
    assert not speller.is_writable("Hund犬")
    assert not speller.is_writable(" ")
    assert speller.all_spellings("犬") == []
    assert speller.all_spellings("") == []


def test_a_prefix_is_used_up_to_its_first_unknown_character(subwords: Subwords, speller: Speller) -> None:
    assert speller.prefix("ein Hund") == subwords.encode(["ein Hund"])[0]
    assert subwords.decode(speller.prefix("ein Hund 犬 und")) == "ein Hund"
    assert speller.prefix("") == []


def test_letters_and_digits_make_one_word(subwords: Subwords, speller: Speller) -> None:
    edges = speller.edges(CPU)
    pieces = dict(
        zip(subwords.all_pieces(), zip(edges.goes_on_V.tolist(), edges.is_open_V.tolist(), strict=True), strict=True)
    )
    assert pieces["d"] == (True, True)
    assert pieces["7"] == (True, True)
    assert pieces["▁"] == (False, False)
    assert pieces[","] == (False, False)
    assert pieces["둘"] == (False, False)  # Korean words take endings
    assert pieces["</s>"] == (False, False)
    assert all(not goes_on for piece, (goes_on, _) in pieces.items() if piece.startswith("▁"))
