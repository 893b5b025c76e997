import pytest

from s2s.data.phrasebook.lexicon import SPEAKER, words
from s2s.data.phrasebook.phrases import (
    THAT,
    aligned,
    combine,
    counted_phrase,
    noun_phrase,
    place_phrase,
    possessor,
    predicate,
    subject_phrase,
)


@pytest.mark.parametrize(
    ("lemma", "form", "korean", "english"),
    [
        ("읽다", "past", "읽었어요", "read"),
        ("듣다", "not_past", "듣지 않았어요", "did not listen to"),
        ("돕다", "want", "돕고 싶어 해요", "wants to help"),
        ("살다", "present", "살아요", "lives"),
        ("모르다", "present", "몰라요", "does not know"),
        ("있다", "not_present", "없어요", "does not have"),
        ("굽다", "future", "구울 거예요", "will bake"),
        ("수영하다", "now", "수영하고 있어요", "is swimming"),
        ("걷다", "can", "걸을 수 있어요", "can walk"),
        ("풀다", "that_present", "푸는", "solves"),
    ],
)
def test_predicates(lemma: str, form: str, korean: str, english: str) -> None:
    verb = next(verb for verb in words().verbs if verb.lemma == lemma)
    main, auxiliary, _ = predicate(verb, form)
    assert " ".join(main.korean) == korean
    assert " ".join((*(auxiliary.english if auxiliary else ()), *main.english)) == english


def test_phrases_are_combined_in_both_orders() -> None:
    """The example at the top of `sentences.py`."""
    nouns = words().nouns
    verb = next(verb for verb in words().verbs if verb.lemma == "읽다")
    phrases = {
        "S": subject_phrase(SPEAKER),
        "T": aligned("어제", "yesterday:0"),
        "P": place_phrase(nouns["도서관"], "at"),
        "O": noun_phrase(nouns["책"]),
        "V": predicate(verb, "past", "I").main,
    }
    phrase = combine(phrases, "STPOV", "SVOPT")
    assert " ".join(phrase.korean) == "저는 어제 도서관에서 책을 읽었어요"
    assert " ".join(phrase.english) == "I read a book at the library yesterday"
    assert set(phrase.alignment) == {(0, 0), (4, 1), (3, 2), (3, 3), (2, 4), (2, 5), (2, 6), (1, 7)}


def test_noun_phrases() -> None:
    nouns = words().nouns
    counted = counted_phrase(nouns["커피"], "두 two")
    assert (counted.korean, counted.english) == (("커피", "두", "잔을"), ("two", "cups", "of", "coffee"))
    assert counted.alignment == ((1, 0), (2, 1), (2, 2), (0, 3))
    hers = noun_phrase(nouns["바지"], "이", possessor(nouns["어머니"]))
    assert (hers.korean, hers.english) == (("어머니의", "바지가"), ("my", "mother's", "pants"))
    assert hers.alignment == ((0, 0), (0, 1), (1, 2))
    assert noun_phrase(nouns["바지"], "을", THAT).english == ("those", "pants")
    assert place_phrase(nouns["집"], "to", "에").english == ("home",)
    assert place_phrase(nouns["집"], "at").english == ("at", "home")
