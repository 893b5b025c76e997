import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s.data.text.cleaning import (
    KEPT,
    CleaningReport,
    CleaningRules,
    DropReason,
    Hashes,
    HashSet,
    clean_pairs,
    drop_duplicates,
    first_distinct,
    hash_pairs,
    normalize_spaces,
)
from s2s.data.text.parallel_text import Pair
from s2s.errors import DataError

RULES = CleaningRules(max_words=3, max_characters=20, max_length_ratio=2.0, min_bytes=2)
EVERYTHING = CleaningRules(drop_empty=False, max_words=None, max_characters=None, max_length_ratio=None)


def cleaned(
    pairs: list[Pair], rules: CleaningRules, *, num_in_chunk: int = 4, keeps_duplicates: bool = False
) -> tuple[list[Pair], CleaningReport]:
    """Pairs that are kept, chunk by chunk."""
    report, seen, kept = CleaningReport(), HashSet(), []
    for start in range(0, len(pairs), num_in_chunk):
        normalized, reasons_N = clean_pairs(pairs[start : start + num_in_chunk], rules)
        if not keeps_duplicates:
            drop_duplicates(reasons_N, hash_pairs(normalized), seen)
        report.add(reasons_N)
        kept += [pair for pair, reason in zip(normalized, reasons_N.tolist(), strict=True) if reason == KEPT]
    report.num_dropped = +report.num_dropped  # without the zeros
    return kept, report


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (Pair("a b c", "d e f"), None),
        (Pair("", "a"), DropReason.EMPTY),
        (Pair("a", " \t\u3000\u2028"), DropReason.EMPTY),
        (Pair("a b c d", "e f g"), DropReason.TOO_LONG),
        (Pair("a b c", "d e f g"), DropReason.TOO_LONG),
        (Pair("x" * 20, "y" * 20), None),
        (Pair("x" * 20, "y" * 21), DropReason.TOO_LONG),
        (Pair("가" * 20, "나" * 20), None),  # 60 bytes, but 20 characters
        (Pair("abc", "abcdef"), None),
        (Pair("abc", "abcdefg"), DropReason.LENGTH_RATIO),
        (Pair("abcdefg", "abc"), DropReason.LENGTH_RATIO),
        (Pair("a", "abcd"), None),  # one byte counts as two
        (Pair("a", "abcde"), DropReason.LENGTH_RATIO),
        (Pair("가나", "one two three"), DropReason.LENGTH_RATIO),  # 6 and 13 bytes
        (Pair("가나", "one two four"), None),  # 6 and 12 bytes, though 2 and 12 characters
    ],
)
def test_one_pair(pair: Pair, reason: DropReason | None) -> None:
    kept, report = cleaned([pair], RULES)
    assert kept == ([pair] if reason is None else [])
    assert report.num_dropped == ({} if reason is None else {reason: 1})


def test_white_space_is_collapsed() -> None:
    kept, _ = cleaned([Pair("  a \t b\u00a0", "\u2028c\u3000\u3000d\r")], RULES)
    assert kept == [("a b", "c d")]


def test_duplicates_are_whole_pairs_after_normalizing() -> None:
    pairs = [Pair("a", "b"), Pair("a", "c"), Pair(" a", "b "), Pair("b", "a"), Pair("a", "b")]
    kept, report = cleaned(pairs, RULES)
    assert kept == [("a", "b"), ("a", "c"), ("b", "a")]
    assert report.num_dropped == {DropReason.DUPLICATES: 2}


def test_the_border_between_the_sides_counts() -> None:
    assert len(cleaned([Pair("ab", "c"), Pair("a", "bc")], RULES)[0]) == 2


def test_report() -> None:
    pairs = [Pair("a", "b")] * 1001 + [Pair("", "")] * 2 + [Pair("a b c d", "e")] * 3 + [Pair("a", "abcde")] * 4
    _, report = cleaned(pairs, RULES)
    assert report.num_total == len(pairs) == 1010
    assert str(report) == "kept 1 of 1,010 pairs (dropped: 2 empty, 3 too long, 4 length ratio, 1,000 duplicates)"


def test_the_report_is_silent_about_rules_that_are_off() -> None:
    assert str(CleaningReport(RULES.reasons)).count(",") == 3
    few = CleaningRules(max_words=None, max_characters=None, max_length_ratio=None)
    assert str(CleaningReport(few.reasons, num_kept=5)) == "kept 5 of 5 pairs (dropped: 0 empty, 0 duplicates)"
    assert EVERYTHING.reasons == [DropReason.DUPLICATES]
    assert CleaningRules(max_words=None, drop_empty=False, max_length_ratio=None).reasons[0] is DropReason.TOO_LONG


def test_every_rule_can_be_turned_off() -> None:
    pairs = [Pair("", "x"), Pair("a " * 999 + "b", "x" * 9999), Pair("", "x")]
    assert cleaned(pairs, EVERYTHING, keeps_duplicates=True)[0] == pairs


def test_the_defaults_spare_translations() -> None:
    pairs = [
        Pair("확실해?", "Are you sure about that?"),  # 1 : 6 in characters
        Pair("네", "Yes, that is quite right."),
        Pair(
            "티켓 양도받으면 안됩니다", "No matter how much you want to come, you shouldn’t accept transferred tickets."
        ),
    ]
    assert cleaned(pairs, CleaningRules())[0] == pairs
    assert cleaned([Pair("Young girls weave corn stalks into elaborate designs.", "@@")], CleaningRules())[0] == []


TEXTS = st.text(st.sampled_from("ab가 \t\u2028"), max_size=9)


@given(st.lists(st.builds(Pair, TEXTS, TEXTS)), st.sampled_from([RULES, EVERYTHING, CleaningRules()]))
def test_cleaning_twice_is_cleaning_once(pairs: list[Pair], rules: CleaningRules) -> None:
    once, report = cleaned(pairs, rules)
    assert report.num_total == len(pairs)
    assert report.num_kept == len(once)
    again, second_report = cleaned(once, rules)
    assert again == once
    assert second_report.num_dropped.total() == 0


@given(st.lists(st.builds(Pair, TEXTS, TEXTS)), st.integers(1, 9))
def test_chunks_of_any_size_are_cleaned_alike(pairs: list[Pair], num_in_chunk: int) -> None:
    """Against a set of the texts themselves."""
    expected, seen = [], set()
    for pair in (Pair(*map(normalize_spaces, pair)) for pair in pairs):
        if RULES.reason_to_drop(pair) is None and pair not in seen:
            expected.append(pair)
            seen.add(pair)
    assert cleaned(pairs, RULES, num_in_chunk=num_in_chunk)[0] == expected


@given(st.lists(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=30), max_size=30))
def test_a_hash_is_new_once(chunks: list[list[int]]) -> None:
    hashes, seen = HashSet(), set()
    for chunk in chunks:
        expected = [number not in seen and number not in chunk[:position] for position, number in enumerate(chunk)]
        assert hashes.add(np.array(chunk, dtype=np.uint64)).tolist() == expected
        seen |= set(chunk)


def chunks_of(*chunks: list[int]) -> list[tuple[Hashes, int]]:
    return [(np.array(chunk, dtype=np.uint64), number) for number, chunk in enumerate(chunks)]


def test_so_many_distinct_ones_on_paper() -> None:
    found = first_distinct(chunks_of([7, 7, 3], [3, 5, 6, 9], [4]), 4)
    expected = [([True, False, True], 0), ([False, True, True, False], 1)]
    assert [(is_chosen_N.tolist(), number) for is_chosen_N, number in found] == expected
    found = first_distinct(chunks_of([7], [7]), 9)
    next(found)
    with pytest.raises(DataError, match="expected 9 different pairs, but there is hardly a new one after 1; ask for"):
        next(found)
