"""Phrases in both languages at once: predicates in all their forms, noun phrases, and how phrases are combined."""

from functools import cache
from typing import NamedTuple

from s2s.data.phrasebook.hangul import (
    infinitive,
    past_stem,
    with_eu_ending,
    with_final_ending,
    with_neun,
    with_particle,
)
from s2s.data.phrasebook.lexicon import SPEAKER, Adjective, Noun, Verb, add_ing, add_s, article, rows

# --- Phrases: a piece of both languages at once ----------------------------------------------------------------------


class Phrase(NamedTuple):
    """Words of both languages; (i, j) in the alignment joins Korean word i and English word j, counted from 0."""

    korean: tuple[str, ...]
    english: tuple[str, ...]
    alignment: tuple[tuple[int, int], ...]


# English words without Korean words of their own are aligned with those of another phrase: the auxiliary v and the
# conjunction c with the verb V, the copula a and the conjunction b with the adjective A, the repeated subject s with S.
ALIGNED_WITH = {"v": "V", "c": "V", "a": "A", "b": "A", "s": "S"}


def combine(phrases: dict[str, Phrase], korean_order: str, english_order: str) -> Phrase:
    """Put phrases together in the order of each language.

    Letters without a phrase are skipped, so that one rule serves with and without its optional phrases. A comma in the
    English order goes onto the word before it.
    """
    korean: list[str] = []
    english: list[str] = []
    alignment: list[tuple[int, int]] = []
    start_of = {}
    for letter in korean_order:
        if letter in phrases:
            start_of[letter] = len(korean)
            korean += phrases[letter].korean
    for letter in english_order:
        if letter in phrases:
            phrase = phrases[letter]
            start_i, start_j = start_of[ALIGNED_WITH.get(letter, letter)], len(english)
            english += phrase.english
            alignment += [(start_i + i, start_j + j) for i, j in phrase.alignment]
        elif letter == "," and english:
            english[-1] += ","
    return Phrase(tuple(korean), tuple(english), tuple(alignment))


def aligned(korean: str, english: str) -> Phrase:
    """Parse a phrase: "every:0 week:01" aligns each English word with the Korean words after its colon."""
    words = [word.partition(":") for word in english.split()]
    alignment = tuple((int(i), j) for j, (_, _, positions) in enumerate(words) for i in positions)
    return Phrase(tuple(korean.split()), tuple(word for word, _, _ in words), alignment)


# --- Predicates: verbs and adjectives in all their forms -------------------------------------------------------------

# Korean | auxiliary | main verb | conjunction. Hangul in braces is a form of the verb (`korean_forms`), English in
# braces one of `english_forms`; digits say which Korean words an English word belongs to.
VERB_FORMS = """
present      | {해}요              |                 | {s}:0                   |
past         | {했}어요            |                 | {ed}:0                  |
future       | {할} 거예요         | will:1          | {base}:0                |
not_present  | {하}지 않아요       | {do}:1 not:1    | {base}:0                |
not_past     | {하}지 않았어요     | did:1 not:1     | {base}:0                |
not_future   | {하}지 않을 거예요  | will:2 not:1    | {base}:0                |
can          | {할} 수 있어요      | can:12          | {base}:0                |
cannot       | {할} 수 없어요      | cannot:12       | {base}:0                |
must         | {해}야 해요         | must:1          | {base}:0                |
had_to       | {해}야 했어요       |                 | had:1 to:1 {base}:0     |
now          | {하}고 있어요       | {be}:1          | {ing}:0                 |
was          | {하}고 있었어요     | {was}:1         | {ing}:0                 |
want_I       | {하}고 싶어요       |                 | want:1 to:1 {base}:0    |
wanted_I     | {하}고 싶었어요     |                 | wanted:1 to:1 {base}:0  |
want         | {하}고 싶어 해요    |                 | {want}:12 to:1 {base}:0 |
wanted       | {하}고 싶어 했어요  |                 | wanted:12 to:1 {base}:0 |
ask_present  | {해}요              | {do}:0          | {base}:0                |
ask_past     | {했}어요            | did:0           | {base}:0                |
ask_want     | {하}고 싶어 해요    | {do}:2          | want:12 to:1 {base}:0   |
please       | {해} 주세요         | please:1        | {base}:0                |
shall        | {할}까요            | shall:0 we:0    | {base}:0                |
and_present  | {하}고              |                 | {s}:0                   | and:0
and_past     | {하}고              |                 | {ed}:0                  | and:0
but_present  | {하}지만            |                 | {s}:0                   | but:0
but_past     | {했}지만            |                 | {ed}:0                  | but:0
while        | {하면}서            |                 | {ing}:0                 | while:0
before       | {하}기 전에         |                 | {ing}:0                 | before:1
after        | {한} 후에           |                 | {ing}:0                 | after:1
when_past    | {했}을 때           |                 | {ed}:0                  | when:1
errand       | {하러}              |                 | to:0 {base}:0           |
that_past    | {한}                |                 | {ed}:0                  | that:0
that_present | {하는}              |                 | {s}:0                   | that:0
that_future  | {할}                | will:0          | {base}:0                | that:0
who_past     | {한}                |                 | {ed}:0                  | who:0
who_now      | {하}고 있는         | {be}:1          | {ing}:0                 | who:01
"""
HAVE_FORMS = """
not_present  | 없어요              | {do}:0 not:0    | {base}:0                |
not_past     | 없었어요            | did:0 not:0     | {base}:0                |
"""
UNKNOWN_FORMS = """
present      | {해}요              | {do}:0 not:0    | {base}:0                |
past         | {했}어요            | did:0 not:0     | {base}:0                |
"""
ADJECTIVE_FORMS = """
present      | {해}요              | {be}:0          | {base}:0                |
past         | {했}어요            | {was}:0         | {base}:0                |
not_present  | {하}지 않아요       | {be}:1 not:1    | {base}:0                |
ask_present  | {해}요              | {be}:0          | {base}:0                |
and_present  | {하}고              | {be}:0          | {base}:0                | and:0
but_present  | {하}지만            | {be}:0          | {base}:0                | but:0
because_past | {해}서              | {was}:0         | {base}:0                | because:0
"""

# The weather brings its own subject: 비가 {해}서 is "because it rains".
WEATHER_FORMS = """
past         | {했}어요            | {past}
because_past | {해}서              | because:1 {past}
if           | {하면}              | if:1 {present}
"""
BE = {"I": ("am", "was"), "we": ("are", "were"), "you": ("are", "were"), "they": ("are", "were"), "it": ("is", "was")}
PRONOUNS = {"I": "I", "we": "we", "they": "they"}


class Predicate(NamedTuple):
    """A verb or adjective in one form: the main part has the Korean words, the others English ones or none."""

    main: Phrase
    auxiliary: Phrase
    conjunction: Phrase

    def named(self, letters: str) -> dict[str, Phrase]:
        """The three parts by the letters of a sentence's orders."""
        return dict(zip(letters, self, strict=True))


def korean_forms(stem: str, irregular: str) -> dict[str, str]:
    """The forms that endings are attached to, each named by that form of 하다."""
    return {
        "하": stem,
        "해": infinitive(stem, irregular),
        "했": past_stem(stem, irregular),
        "한": with_final_ending(stem, "ㄴ", irregular),
        "할": with_final_ending(stem, "ㄹ", irregular),
        "하는": with_neun(stem),
        "하면": with_eu_ending(stem, "면", irregular),
        "하러": with_eu_ending(stem, "러", irregular),
    }


def english_forms(base: tuple[str, ...], past: tuple[str, ...], number: str) -> dict[str, str]:
    """The agreeing forms; words that share their alignment are joined here, and `_fill` splits them."""
    head, *rest = base
    is_third = number == "it"
    am, was = BE[number]
    return {
        "base": " ".join(base),
        "s": " ".join([add_s(head) if is_third else head, *rest]),
        "ed": " ".join(past),
        "ing": " ".join([add_ing(head), *rest]),
        "do": "does" if is_third else "do",
        "want": "wants" if is_third else "want",
        "be": am,
        "was": was,
    }


def _cells(table: str) -> dict[str, list[str]]:
    return {cells[0]: cells[1:] for cells in rows(table)}


FORMS = {
    "verb": _cells(VERB_FORMS),
    "have": {**_cells(VERB_FORMS), **_cells(HAVE_FORMS)},
    "unknown": {**_cells(VERB_FORMS), **_cells(UNKNOWN_FORMS)},
    "adjective": _cells(ADJECTIVE_FORMS),
}


def _fill(template: str, forms: dict[str, str]) -> str:
    """Fill in the forms; each word of a form of several words ("listen to") gets the alignment written after it."""
    filled = []
    for word in template.split():
        text, _, positions = word.partition(":")
        filled += [f"{part}:{positions}" for part in text.format_map(forms).split()]
    return " ".join(filled)


@cache
def predicate(word: Verb | Adjective, form: str, number: str = "it") -> Predicate:
    """Inflect a verb or an adjective for a row of the tables above; `number` is the subject's agreement."""
    if isinstance(word, Adjective):
        kind = "adjective"
        base = past = tuple(word.english.split())
    else:
        kind = "have" if "own" in word.flags else "unknown" if "unknown" in word.flags else "verb"
        base, past = word.base, word.past
    korean, auxiliary, main, conjunction = FORMS[kind][form]
    english = english_forms(base, past, number)
    return Predicate(
        aligned(korean.format_map(korean_forms(word.stem, word.irregular)), _fill(main, english)),
        aligned("", _fill(auxiliary, english)),
        aligned("", conjunction),
    )


# --- Noun phrases ----------------------------------------------------------------------------------------------------


class Modifier(NamedTuple):
    """What stands before a noun in place of an article: 이, 그 or a possessor."""

    korean: str
    singular: tuple[str, ...]
    plural: tuple[str, ...]


THIS, THAT = Modifier("이", ("this",), ("these",)), Modifier("그", ("that",), ("those",))
MINE = Modifier("제", ("my",), ("my",))
KIN = {"kin", "he", "she"}


@cache
def possessor(owner: Noun) -> Modifier:
    """민수의 = Minsu's; 어머니의 = my mother's; 제 = my."""
    if owner is SPEAKER:
        return MINE
    words = ("my", *owner.english) if owner.kind in KIN else owner.english
    words = (*words[:-1], words[-1] + "'s")
    return Modifier(owner.korean + "의", words, words)


def _article(noun: Noun, attribute: Adjective | None, is_definite: bool) -> tuple[str, ...]:
    """What English puts before a noun that is bare in Korean."""
    if noun.kind in KIN:
        return ("my",)
    if noun.kind in {"t", "i"} or (noun.kind == "place" and not attribute) or (noun.kind == "role" and is_definite):
        return ("the",)
    if noun.kind in {"c", "place", "role"} and noun.number == "it":
        return (article(attribute.english if attribute else noun.english[0]),)
    return ()


@cache
def noun_phrase(
    noun: Noun,
    particle: str = "을",
    modifier: Modifier | None = None,
    attribute: Adjective | None = None,
    preposition: str = "",
    is_definite: bool = False,
    is_generic: bool = False,
) -> Phrase:
    """이 비싼 가방을 = this expensive bag; the particle turns into the preposition, if there is one."""
    use_plural = noun.kind == "p" or (is_generic and noun.kind == "c" and modifier is None)
    words = noun.plural if use_plural else noun.english
    korean = [modifier.korean] if modifier else []
    head = len(korean) + (attribute is not None)
    english = [(head, word) for word in preposition.split()]
    if modifier:
        english += [(0, word) for word in (modifier.plural if use_plural else modifier.singular)]
    elif not use_plural:
        english += [(head, word) for word in _article(noun, attribute, is_definite)]
    if attribute:
        korean.append(attribute.attributive)
        english.append((head - 1, attribute.english))
    english += [(head, word) for word in words]
    korean.append(with_particle(noun.korean, particle))
    return Phrase(tuple(korean), tuple(word for _, word in english), tuple((i, j) for j, (i, _) in enumerate(english)))


@cache
def counted_phrase(noun: Noun, number: str, particle: str = "을") -> Phrase:
    """책 세 권을 = three books; 커피 두 잔을 = two cups of coffee. `number` reads "세 three"."""
    korean, english = number.split()
    last = with_particle(noun.counter, particle)
    if not noun.measure:
        return aligned(
            f"{noun.korean} {korean} {last}", f"{english}:1 " + " ".join(f"{word}:02" for word in noun.plural)
        )
    things = " ".join(f"{word}:0" for word in (noun.plural if noun.kind == "p" else noun.english))
    return aligned(f"{noun.korean} {korean} {last}", f"{english}:1 {add_s(noun.measure)}:2 of:2 {things}")


@cache
def subject_phrase(noun: Noun, particle: str = "은") -> Phrase:
    """저는, 제가 = I; 의사는 = the doctor; 어머니가 = my mother; 가방은 (never bare) is `noun_phrase`'s."""
    if noun is SPEAKER and particle == "이":
        return aligned("제가", "I:0")
    return noun_phrase(noun, particle, is_definite=True)


def pronoun_phrase(noun: Noun) -> Phrase:
    """The subject again, where English needs it and Korean leaves it out; empty where Korean hides the gender."""
    word = noun.kind if noun.kind in {"he", "she"} else PRONOUNS.get(noun.number)
    return aligned("", f"{word}:0" if word else "")


@cache
def place_phrase(place: Noun, preposition: str, particle: str = "에서") -> Phrase:
    """도서관에서 = at the library; 집에 = home after "to", else at home."""
    is_home = place.korean == "집" and preposition == "to"
    return noun_phrase(place, particle, preposition="" if is_home else preposition)
