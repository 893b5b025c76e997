import unicodedata
from itertools import islice, pairwise

import pytest

from s2s.config.data import Split
from s2s.data.phrasebook.clauses import split_of
from s2s.data.phrasebook.generate import distinct_pairs, generate
from s2s.data.phrasebook.hangul import (
    infinitive,
    past_stem,
    with_eu_ending,
    with_final_ending,
    with_neun,
    with_particle,
)
from s2s.data.phrasebook.lexicon import add_ed, add_ing, add_s, article, words
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
from s2s.data.phrasebook.sentences import SPEAKER, AlignedPair


@pytest.fixture(scope="module")
def pairs() -> dict[Split, list[AlignedPair]]:
    return {split: list(islice(generate(split, 7), 30_000 if split is Split.train else 5_000)) for split in Split}


@pytest.mark.parametrize(
    ("noun", "particle", "expected"),
    [
        ("책", "은", "책은"),
        ("사과", "은", "사과는"),
        ("책", "이", "책이"),
        ("사과", "이", "사과가"),
        ("물", "을", "물을"),
        ("커피", "을", "커피를"),
        ("서울", "으로", "서울로"),  # ㄹ counts as a vowel, for this particle only
        ("부산", "으로", "부산으로"),
        ("대구", "으로", "대구로"),
        ("톰", "과", "톰과"),
        ("민수", "과", "민수와"),
        ("빵", "이나", "빵이나"),
        ("커피", "이나", "커피나"),
        ("학생", "이에요", "학생이에요"),
        ("의사", "이에요", "의사예요"),
        ("도서관", "에서", "도서관에서"),
    ],
)
def test_particles_follow_the_final_consonant(noun: str, particle: str, expected: str) -> None:
    assert with_particle(noun, particle) == expected


@pytest.mark.parametrize(
    ("lemma", "irregular", "present", "past", "adnominal", "future", "conditional"),
    [
        ("먹다", "", "먹어", "먹었", "먹은", "먹을", "먹으면"),
        ("가다", "", "가", "갔", "간", "갈", "가면"),
        ("오다", "", "와", "왔", "온", "올", "오면"),
        ("배우다", "", "배워", "배웠", "배운", "배울", "배우면"),
        ("마시다", "", "마셔", "마셨", "마신", "마실", "마시면"),
        ("쉬다", "", "쉬어", "쉬었", "쉰", "쉴", "쉬면"),
        ("보내다", "", "보내", "보냈", "보낸", "보낼", "보내면"),
        ("하다", "", "해", "했", "한", "할", "하면"),
        ("쓰다", "", "써", "썼", "쓴", "쓸", "쓰면"),  # 으 drops
        ("바쁘다", "", "바빠", "바빴", "바쁜", "바쁠", "바쁘면"),
        ("예쁘다", "", "예뻐", "예뻤", "예쁜", "예쁠", "예쁘면"),
        ("만들다", "", "만들어", "만들었", "만든", "만들", "만들면"),  # ㄹ drops
        ("돕다", "돕", "도와", "도왔", "도운", "도울", "도우면"),
        ("춥다", "ㅂ", "추워", "추웠", "추운", "추울", "추우면"),
        ("듣다", "ㄷ", "들어", "들었", "들은", "들을", "들으면"),
        ("짓다", "ㅅ", "지어", "지었", "지은", "지을", "지으면"),
        ("모르다", "르", "몰라", "몰랐", "모른", "모를", "모르면"),
        ("부르다", "르", "불러", "불렀", "부른", "부를", "부르면"),
        ("빨갛다", "ㅎ", "빨개", "빨갰", "빨간", "빨갈", "빨가면"),
        ("하얗다", "ㅎ", "하얘", "하얬", "하얀", "하얄", "하야면"),
    ],
)
def test_inflection_by_class(
    lemma: str, irregular: str, present: str, past: str, adnominal: str, future: str, conditional: str
) -> None:
    stem = lemma[:-1]
    assert infinitive(stem, irregular) == present
    assert past_stem(stem, irregular) == past
    assert with_final_ending(stem, "ㄴ", irregular) == adnominal
    assert with_final_ending(stem, "ㄹ", irregular) == future
    assert with_eu_ending(stem, "면", irregular) == conditional


def test_adnominal_present_drops_rieul() -> None:
    assert [with_neun(stem) for stem in ("먹", "살", "있")] == ["먹는", "사는", "있는"]


def test_english_inflection() -> None:
    assert [add_s(word) for word in ("watch", "study", "play", "go", "have", "do", "city")] == [
        "watches", "studies", "plays", "goes", "has", "does", "cities",
    ]  # fmt: skip
    assert [add_ed(word) for word in ("bake", "study", "play", "cook")] == ["baked", "studied", "played", "cooked"]
    assert [add_ing(word) for word in ("bake", "swim", "lie", "eat")] == ["baking", "swimming", "lying", "eating"]
    assert [article(word) for word in ("apple", "book", "umbrella", "university")] == ["an", "a", "an", "a"]


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
    """The example at the top of the module."""
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


def test_english_is_a_function_of_korean(pairs: dict[Split, list[AlignedPair]]) -> None:
    target_of: dict[str, str] = {}
    for pair in (pair for split in Split for pair in pairs[split]):
        assert target_of.setdefault(pair.source, pair.target) == pair.target
    assert len(target_of) > 30_000


def test_splits_share_neither_combinations_nor_text(pairs: dict[Split, list[AlignedPair]]) -> None:
    sources = {split: {pair.source for pair in pairs[split]} for split in Split}
    for split in Split:
        assert all(split_of(combination) is split for pair in pairs[split] for combination in pair.combinations)
        assert all(pair.combinations for pair in pairs[split])
        assert not any(sources[split] & sources[other] for other in Split if other is not split)


def test_held_out_words_are_known(pairs: dict[Split, list[AlignedPair]]) -> None:
    known = {word.rstrip(".?") for pair in pairs[Split.train] for word in pair.source.split()}
    for split in (Split.dev, Split.test):
        held_out = [word.rstrip(".?") for pair in pairs[split] for word in pair.source.split()]
        assert sum(word not in known for word in held_out) < 0.001 * len(held_out)


def test_split_is_stable() -> None:
    """Fixed for ever: a corpus made by another version of Python or on another machine has the same splits."""
    assert [split_of(text).name for text in ("저+읽다+책", "우리+읽다+책", "저+읽다+교과서")] == [
        "train",
        "dev",
        "test",
    ]


def test_alignments_and_text(pairs: dict[Split, list[AlignedPair]]) -> None:
    for pair in (pair for split in Split for pair in pairs[split]):
        num_source, num_target = len(pair.source.split(" ")), len(pair.target.split(" "))
        assert pair.alignment == tuple(sorted(set(pair.alignment)))
        assert {i for i, _ in pair.alignment} == set(range(num_source)), pair
        assert {j for _, j in pair.alignment} == set(range(num_target)), pair
        for text in (pair.source, pair.target):
            assert unicodedata.is_normalized("NFC", text)
            assert text == " ".join(text.split())
            assert text[-1] in ".?"
            assert text[-2] not in ".?, "
        assert pair.target[0].isupper()


def test_articles_are_right(pairs: dict[Split, list[AlignedPair]]) -> None:
    for pair in (pair for split in Split for pair in pairs[split]):
        words = pair.target.lower().split()
        for first, second in pairwise(words):
            if first in {"a", "an"}:
                assert first == article(second), pair.target


def test_same_seed_same_pairs() -> None:
    first, again, other = (list(islice(generate(Split.dev, seed), 200)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_distinct_pairs() -> None:
    found = distinct_pairs(Split.test, 2_000, 1)
    assert len(found) == len({pair.source for pair in found}) == 2_000
    assert distinct_pairs(Split.test, 0, 1) == []
    assert distinct_pairs(Split.test, 100, 1) == found[:100]
