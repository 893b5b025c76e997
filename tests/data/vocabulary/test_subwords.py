import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.config.data import SubwordKind
from s2s.data.vocabulary.subwords import BOS, EOS, PAD, UNK, Subwords, train_subwords
from s2s.errors import DataError, RunError

TEXT = [
    f"{who} {when} {what} {done}"
    for who in ("저는", "민수는", "선생님은", "the old woman", "a child", "our neighbours")
    for when in ("어제", "오늘", "지금", "never", "often", "sometimes")
    for what in ("책을", "밥을", "books,", "the news:")
    for done in ("읽었어요.", "봤어요!", "reads.", "saw?")
]
"""576 lines, whose characters are those of `KNOWN`."""

KNOWN = sorted(set("".join(TEXT)))


def trained(kind: SubwordKind, lines: list[str] = TEXT, vocabulary_size: int = 58) -> tuple[Subwords, str | None]:
    return train_subwords(lines, vocabulary_size=vocabulary_size, kind=kind, character_coverage=1.0)


@pytest.fixture(scope="module", params=(SubwordKind.unigram, SubwordKind.bpe), ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> SubwordKind:
    assert isinstance(request.param, SubwordKind)
    return request.param


@pytest.fixture(scope="module")
def subwords(kind: SubwordKind) -> Subwords:
    return trained(kind)[0]


def test_the_special_ids_come_first(subwords: Subwords) -> None:
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert subwords.pieces([PAD, UNK, BOS, EOS]) == ["<pad>", "<unk>", "<s>", "</s>"]


def test_the_vocabulary_is_as_large_as_asked(kind: SubwordKind) -> None:
    found, message = trained(kind)
    assert len(found) == 58
    assert message is None


def test_no_special_id_comes_out_of_text(subwords: Subwords) -> None:
    for line in (*TEXT, "<s> </s> <pad> <unk>"):
        assert {PAD, BOS, EOS}.isdisjoint(subwords.encode([line])[0])
    assert all(UNK not in ids for ids in subwords.encode(TEXT))
    assert UNK in subwords.encode(["漢"])[0]


def test_pieces_are_the_text(subwords: Subwords) -> None:
    ids = subwords.encode(["저는 책을 읽었어요."])[0]
    assert "".join(subwords.pieces(ids)) == "▁저는▁책을▁읽었어요."


@pytest.mark.parametrize("blank", ["", " ", "\t  ", "\u3000", "\u00a0 "])
def test_a_blank_line_has_no_pieces(subwords: Subwords, blank: str) -> None:
    assert subwords.encode(["저는", blank, "often"])[1] == []
    assert subwords.decode([]) == ""


def test_many_lines_are_as_each_alone(subwords: Subwords) -> None:
    assert subwords.encode(TEXT[:20]) == [subwords.encode([line])[0] for line in TEXT[:20]]
    assert subwords.encode([]) == []


WORDS = st.lists(st.text([letter for letter in KNOWN if letter != " "], min_size=1, max_size=6), max_size=5)


@given(words=WORDS)
@settings(deadline=None, max_examples=150)
def test_text_comes_back(subwords: Subwords, words: list[str]) -> None:
    text = unicodedata.normalize("NFKC", " ".join(words))
    ids = subwords.encode([text])[0]
    assert subwords.decode(ids) == text
    assert subwords.decode([*ids, EOS, 9, 8]) == text
    assert all(4 <= index < len(subwords) for index in ids)


def test_hangul_typed_as_letters_becomes_syllables(subwords: Subwords) -> None:
    text = "저는 어제 책을 읽었어요."
    apart = unicodedata.normalize("NFD", text)
    assert apart != text
    assert subwords.encode([apart]) == subwords.encode([text])


@pytest.mark.parametrize("space", ["  ", "\t", "\u3000", "\u00a0", "\u2028", "\u2029", "\n", "\r\n", "\u2003"])
def test_all_white_space_is_one_space(subwords: Subwords, space: str) -> None:
    ids = subwords.encode([f"{space}저는{space}often{space}"])[0]
    assert subwords.decode(ids) == "저는 often"


@given(text=st.text(max_size=12))
@settings(deadline=None, max_examples=150)
def test_any_text_at_all_gives_ids_and_one_line_back(subwords: Subwords, text: str) -> None:
    ids = subwords.encode([text])[0]
    assert all(0 <= index < len(subwords) for index in ids)
    assert not set(subwords.decode(ids)) & {"\n", "\r"}


@given(ids=st.lists(st.integers(0, 57), max_size=12))
@settings(deadline=None, max_examples=150)
def test_any_ids_at_all_give_one_line(subwords: Subwords, ids: list[int]) -> None:
    text = subwords.decode(ids)
    assert not set(text) & {"\n", "\r"}
    assert text == text.strip()


def test_a_line_end_that_became_a_piece_is_written_as_a_space() -> None:
    """Text that is not read from a file, line by line, may hold one; the translation of a line is still a line."""
    found, _ = train_subwords(
        ["a\u0085b"] * 20 + TEXT, vocabulary_size=58, kind=SubwordKind.bpe, character_coverage=1.0
    )
    for index in range(len(found)):
        assert "\n" not in found.decode([4, index, 4])


def test_the_same_text_gives_the_same_model(kind: SubwordKind, subwords: Subwords) -> None:
    assert trained(kind)[0].model == subwords.model
    assert trained(kind, TEXT[::-1][:200])[0].model != subwords.model


def test_the_kinds_differ() -> None:
    assert trained(SubwordKind.unigram)[0].model != trained(SubwordKind.bpe)[0].model


def test_a_vocabulary_too_large_for_the_text_is_lowered(kind: SubwordKind) -> None:
    found, message = trained(kind, vocabulary_size=5000)
    assert 4 < len(found) < 5000
    assert message == f"subwords.vocabulary_size lowered from 5000 to {len(found)}: the text has no more pieces"
    assert found.decode(found.encode([TEXT[0]])[0]) == TEXT[0]


def test_a_model_file_comes_back(tmp_path: Path, subwords: Subwords) -> None:
    (tmp_path / "subwords.model").write_bytes(subwords.model)
    found = Subwords.load(tmp_path / "subwords.model")
    assert found.model == subwords.model
    assert found.encode(TEXT) == subwords.encode(TEXT)


@pytest.mark.parametrize("damage", ["empty", "text", "half", "zeros", "absent"])
def test_a_damaged_model_is_refused(tmp_path: Path, subwords: Subwords, damage: str) -> None:
    path = tmp_path / "subwords.model"
    content = {
        "empty": b"",
        "text": b"hello, this is no model\n",
        "half": subwords.model[: len(subwords.model) // 2],
        "zeros": b"\0" * 300,
    }
    if damage in content:
        path.write_bytes(content[damage])
    with pytest.raises(RunError, match="expected a sentencepiece model") as caught:
        Subwords.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("lines", [[], [""], [" ", ""]], ids=["no line", "an empty line", "blank lines"])
def test_no_text_is_refused(kind: SubwordKind, lines: list[str]) -> None:
    with pytest.raises(DataError, match="sentencepiece cannot learn pieces from"):
        trained(kind, lines)


def test_a_vocabulary_too_small_for_the_characters_is_refused(kind: SubwordKind) -> None:
    with pytest.raises(DataError, match="vocabulary_size=8 has no room for the 51 characters"):
        trained(kind, vocabulary_size=8)


def test_of_very_many_lines_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here five at most: every second of nine."""
    monkeypatch.setattr("s2s.data.vocabulary.subwords._MAX_TRAINING_LINES", 5)
    nine = [f"{TEXT[0]} {letter * 3}" for letter in "abcdefghi"]
    found, _ = trained(SubwordKind.unigram, nine, vocabulary_size=1000)
    assert all(UNK not in found.encode([letter])[0] for letter in "acegi")
    assert all(UNK in found.encode([letter])[0] for letter in "fh")


# ----------------------------------------------------------------------------------------------------------------------
# Other cuts of the same text


def num_pieces(rows: list[list[int]]) -> int:
    return sum(len(row) for row in rows)


@pytest.fixture(scope="module")
def rich(kind: SubwordKind) -> Subwords:
    """Subwords with room for whole words, so that there are many ways to cut one."""
    return trained(kind, vocabulary_size=120)[0]


@pytest.fixture(scope="module")
def rows(rich: Subwords) -> list[list[int]]:
    return rich.encode(TEXT[:40])


def test_other_cuts_are_the_same_text(rich: Subwords, rows: list[list[int]]) -> None:
    cuts = rich.resample(rows, alpha=0.2, seed=1)
    assert [rich.decode(cut) for cut in cuts] == TEXT[:40]
    assert sum(cut != row for cut, row in zip(cuts, rows, strict=True)) > 5
    assert all(UNK not in cut for cut in cuts)


@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_any_known_text_stays_the_same(rich: Subwords, data: st.DataObject) -> None:
    """Of the characters of the training text, in any order; a row of white space alone is an empty row."""
    texts = data.draw(st.lists(st.text(st.sampled_from(KNOWN), max_size=20), max_size=4))
    rows = rich.encode(texts)
    cuts = rich.resample(rows, alpha=data.draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])), seed=data.draw(st.integers()))
    assert [rich.decode(cut) for cut in cuts] == [rich.decode(row) for row in rows]
    assert [bool(cut) for cut in cuts] == [bool(row) for row in rows]


def test_the_same_seed_gives_the_same_cuts_whatever_came_before(rich: Subwords, rows: list[list[int]]) -> None:
    expected = rich.resample(rows, alpha=0.2, seed=5)
    rich.resample(rows[:3], alpha=0.2, seed=6)
    assert rich.resample(rows, alpha=0.2, seed=5) == expected
    rich.resample(rows, alpha=0.3, seed=5)
    assert rich.resample(rows, alpha=0.2, seed=5) == expected
    assert Subwords(rich.model).resample(rows, alpha=0.2, seed=5) == expected


def test_one_row_gives_the_same_cut_again(rich: Subwords, rows: list[list[int]]) -> None:
    cuts = [rich.resample([rows[7]], alpha=0.2, seed=seed)[0] for seed in (1, 2, 3, 4, 5, 6, 7, 8) * 2]
    assert cuts[:8] == cuts[8:]
    assert len({tuple(cut) for cut in cuts}) > 1


def test_threads_do_not_disturb_each_other(rich: Subwords, rows: list[list[int]]) -> None:
    expected = [rich.resample(rows, alpha=0.2, seed=seed) for seed in range(4)]
    together = threading.Barrier(4)

    def draw(seed: int) -> list[list[list[int]]]:
        together.wait(timeout=60)
        return [rich.resample(rows, alpha=0.2, seed=seed) for _ in range(5)]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(draw, range(4))) == [[cuts] * 5 for cuts in expected]


def test_seeds_differ(rich: Subwords, rows: list[list[int]]) -> None:
    seeds = [0, 1, 2, -1, 2**32 - 1, 2**32, 2**32 + 1, 2**64, 2**64 + 1]
    found = {str(rich.resample(rows, alpha=0.2, seed=seed)) for seed in seeds}
    assert len(found) == len(seeds)


def test_equal_rows_are_cut_in_different_ways(rich: Subwords, rows: list[list[int]]) -> None:
    cuts = rich.resample([rows[7]] * 40, alpha=0.2, seed=1)
    assert len({tuple(cut) for cut in cuts}) > 1


def test_alpha_of_unigram_is_the_sharpness() -> None:
    """At 0 all cuts are alike, and most have many pieces; the sharper, the more often the best one is taken."""
    found = trained(SubwordKind.unigram, vocabulary_size=120)[0]
    rows = found.encode(TEXT[:100])
    even, some, sharp = (found.resample(rows, alpha=alpha, seed=1) for alpha in (0.0, 0.2, 1.0))
    assert num_pieces(even) > num_pieces(some) > num_pieces(sharp)
    shares = [sum(cut == row for cut, row in zip(cuts, rows, strict=True)) / 100 for cuts in (even, some, sharp)]
    assert shares == sorted(shares)
    assert shares[0] < shares[2]


def test_alpha_of_bpe_is_the_share_of_merges_left_out() -> None:
    """At 0 none is, at 1 all are and only characters are left."""
    found = trained(SubwordKind.bpe, vocabulary_size=120)[0]
    rows = found.encode(TEXT[:100])
    none, some, every = (found.resample(rows, alpha=alpha, seed=1) for alpha in (0.0, 0.1, 1.0))
    assert none == rows
    assert num_pieces(none) < num_pieces(some) < num_pieces(every)
    assert all(len(piece) == 1 for cut in every for piece in found.pieces(cut))


def test_rows_that_do_not_come_back_are_kept(rich: Subwords, rows: list[list[int]]) -> None:
    unknown = rich.encode(["저는 漢 책을"])[0]
    assert UNK in unknown
    spelt = [index for piece in rich.pieces(rows[0]) for index in rich._processor.piece_to_id(list(piece))]
    assert rich.decode(spelt) == TEXT[0]
    assert spelt != rows[0]
    for seed in range(5):
        cuts = rich.resample([unknown, [], spelt, rows[7]], alpha=0.2, seed=seed)
        assert cuts[:3] == [unknown, [], spelt]
        assert rich.decode(cuts[3]) == TEXT[7]


def test_no_rows_give_no_rows(rich: Subwords) -> None:
    assert rich.resample([], alpha=0.2, seed=1) == []


def test_rows_may_be_arrays(rich: Subwords, rows: list[list[int]]) -> None:
    arrays = [np.array(row, dtype=np.uint16) for row in rows]
    assert rich.resample(arrays, alpha=0.2, seed=1) == rich.resample(rows, alpha=0.2, seed=1)


# ----------------------------------------------------------------------------------------------------------------------
# Whole words


def test_the_most_frequent_words_stay_whole() -> None:
    """Room for three words beside the four special ids; other words that follow one another are one unknown piece."""
    lines = ["a bc d e"] + ["bc d"] * 2 + ["bc e 漢 e"] * 3 + ["漢 f"]
    found, message = train_subwords(lines, vocabulary_size=7, kind=SubwordKind.word, character_coverage=0.9995)
    assert message is None
    assert found.all_pieces()[4:] == ["▁e", "▁bc", "▁漢"]
    assert found.encode(["bc  a d 漢", " "]) == [[5, UNK, 6], []]
    assert found.decode([4, 5]) == "e bc"


def test_a_text_of_few_words_has_few_pieces() -> None:
    found, message = train_subwords(["a b", "b"], vocabulary_size=99, kind=SubwordKind.word, character_coverage=1.0)
    assert len(found) == 6
    assert message is not None
    assert "lowered from 99 to 6" in message
