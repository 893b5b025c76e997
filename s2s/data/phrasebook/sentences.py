"""The built-in Korean-English parallel corpus: generated from a grammar, with gold word alignments, without a download.

How the grammar works. A phrase is a piece of both languages at once: its Korean words, its English words, and
their alignment. `combine` puts phrases together and is given both orders, one letter a phrase; that is all that makes a
rule synchronous. For the statement 저는 어제 도서관에서 책을 읽었어요. the phrases are

    S  저는 = I     T  어제 = yesterday     P  도서관에서 = at the library     O  책을 = a book     V  읽었어요 = read

    combine(phrases, "STPOV", "SVOPT") gives "저는 어제 도서관에서 책을 읽었어요." and
    "I read a book at the library yesterday." with the alignment 0-0 3-2 3-3 2-4 2-5 2-6 1-7 4-1.

A pair i-j joins Korean word i and English word j, zero-based, counting words between spaces. Articles and
prepositions belong to their noun's word, auxiliaries to the Korean word that carries their sense.

The English is a function of the Korean. A bare noun is "a book" (a person or a place as subject or place is "the"),
그 is always "that", 이 is "this", counters make plurals, and each Korean word has one English word in its context.

Splits. A clause's combination is its (subject, predicate, complement), as in 저+읽다+책; a stable hash puts each
combination into one split for ever, and a sentence's clauses all lie in its split. Hence a test sentence holds only
clauses that no train sentence ever held, and no sentence is in two splits. Adverbials, the weather, possessors and
attributes are no part of a combination.

The words are in `lexicon.py`, inflection is in `hangul.py`, phrases are in `phrases.py`, and the combinations of each
split are in `clauses.py`.
"""

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

from s2s.data.phrasebook import lexicon
from s2s.data.phrasebook.clauses import ASKABLE, WHAT, WHERE, Clause, Grammar
from s2s.data.phrasebook.hangul import final_consonant, with_particle
from s2s.data.phrasebook.lexicon import GROUP, SPEAKER, Adjective, Noun, Verb, article, rows, words
from s2s.data.phrasebook.phrases import (
    BE,
    MINE,
    THAT,
    THIS,
    Phrase,
    aligned,
    combine,
    counted_phrase,
    noun_phrase,
    place_phrase,
    possessor,
    predicate,
    pronoun_phrase,
    subject_phrase,
)

T = TypeVar("T")


class AlignedPair(NamedTuple):
    """A sentence in both languages; its alignment is zero-based over words, sorted by Korean word."""

    source: str
    target: str
    alignment: tuple[tuple[int, int], ...]
    combinations: tuple[str, ...]


# --- Sentences: every kind is a rule with both orders ----------------------------------------------------------------

Sentence = tuple[Phrase, str, tuple[str, ...]]
"""A sentence without capital, its final mark and its combinations."""
TENSES = ["past"] * 8 + ["present"] * 6 + ["future"] * 4 + ["not_past"] * 2 + ["not_present"] * 2 + ["not_future"]
TENSES += ["can", "cannot", "must", "must", "had_to", "now", "now", "was", "want", "want", "wanted"]
LIMITED = {
    "past": ["past"],
    "mind": ["present", "past", "cannot", "can"],
    "sure": ["present", "past"],
    "stative": ["present", "present", "past", "not_present", "not_past"],
    "own": ["present", "present", "not_present", "past", "not_past"],
    "unknown": ["present", "present", "past"],
    "nofreq": ["past", "past", "past", "future", "future", "not_past", "want", "wanted", "cannot", "must", "had_to"],
    "feel": ["past", "past", "was", "now", "not_past"],
    "plain": [tense for tense in TENSES if tense not in {"now", "was"}],
}


def _phrases(table: str) -> list[Phrase]:
    return [aligned(korean, english) for korean, english in rows(table)]


def _time_phrases() -> dict[str, list[Phrase]]:
    """The adverbials of time that go with each tense."""
    hours = [hour.strip().split() for hour in lexicon.HOURS.split(";")]
    days = [day.strip().split() for day in lexicon.DAYS.split(";")]
    at = [aligned(f"{korean} 시에", f"at:1 {english}:0 o'clock:1") for korean, english in hours]
    on = [aligned(f"{korean}에", f"on:0 {english}:0") for korean, english in days]
    past, future, present = map(_phrases, (lexicon.TIMES_PAST, lexicon.TIMES_FUTURE, lexicon.TIMES_PRESENT))
    far_past, far_future = map(_phrases, (lexicon.TIMES_FAR_PAST, lexicon.TIMES_FAR_FUTURE))
    past_at = [aligned(f"어제 {ko} 시에", f"at:2 {en}:1 o'clock:2 yesterday:0") for ko, en in hours]
    future_at = [aligned(f"내일 {ko} 시에", f"at:2 {en}:1 o'clock:2 tomorrow:0") for ko, en in hours]
    return {
        "past": [*past, *past, *past, *on, *past_at],
        "future": [*future, *future, *future, *on, *future_at],
        "present": [*present, *present, *at],
        "now": [aligned("지금", "now:0")],
        "far past": [*past, *on, *far_past, *far_past, *far_past],
        "far future": [*future, *on, *far_future, *far_future, *far_future],
        "long past": far_past[1:],
        "long future": far_future[1:],
    }


TIME_OF = {
    "past": "past",
    "not_past": "past",
    "had_to": "past",
    "was": "past",
    "wanted": "past",
    "present": "present",
    "future": "future",
    "not_future": "future",
    "must": "future",
    "cannot": "future",
    "now": "now",
}
RELATIVE_FORMS = ("past", "past", "past", "not_past", "future", "must")
PASSING_STATES = set(lexicon.PASSING_STATES.split())
POSSESSED = set(lexicon.POSSESSED.split())
ANTONYMS = [set(pair.split()) for pair in lexicon.ANTONYMS.split(";")]
TOGETHER, ALONE = aligned("같이", "together:0"), aligned("혼자", "alone:0")


class SentenceGenerator:
    """Draws sentences of one split from one stream of random numbers."""

    def __init__(self, grammar: Grammar, seed: str) -> None:
        self.grammar = grammar
        self.random = random.Random(seed).random
        lexis = words()
        self.times = _time_phrases()
        self.frequencies = _phrases(lexicon.FREQUENCIES)
        self.manners: dict[str, list[Phrase]] = {}
        for korean, english, lemmas in rows(lexicon.MANNERS):
            for lemma in lemmas.split():
                self.manners.setdefault(lemma, []).append(aligned(korean, english))
        self.numbers = [number.strip() for number in lexicon.NUMBERS.split(";")]
        self.owners = [SPEAKER] * 12 + [p for p in lexis.people if p.kind in {"name", "he", "she"}]
        self.companions = [p for p in lexis.people if p.kind in {"name", "he", "she", "kin"}]
        self.attributes = lexis.attributes
        self.degrees = {
            value: [aligned(*degree.strip().split(maxsplit=1)) for degree in cell.split(";")]
            for value, cell in lexicon.DEGREES.items()
        }
        self.days = {"past": _phrases(lexicon.TIMES_PAST), "future": _phrases(lexicon.TIMES_FUTURE)}
        self.scenes = [grammar.themes[0], grammar.themes[1], grammar.themes[4]]

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    # Noun phrases

    def object_(self, clause: Clause) -> Phrase | None:
        """The complement of a clause, perhaps modified."""
        verb, noun, particle = clause.verb, clause.complement, clause.verb.particle
        if noun is None:
            return None
        if particle == "-":
            return place_phrase(noun, noun.preposition)
        if particle not in {"을", "이"}:
            return place_phrase(noun, verb.preposition, particle)
        is_generic, is_owning = "generic" in verb.flags, "own" in verb.flags
        if noun.kind not in {"c", "m", "p", "t", "place", "role"} or self.chance(0.5):
            return noun_phrase(noun, particle, is_generic=is_generic)
        draw = self.random()
        if draw < 0.25 and not is_owning:
            return noun_phrase(noun, particle, self.pick((THIS, THAT)))
        if draw < 0.5 and not is_owning and "get" not in verb.flags and not noun.tags.isdisjoint(POSSESSED):
            owner = self.pick(self.owners)
            if owner is not clause.subject:
                return noun_phrase(noun, particle, possessor(owner))
        if draw < 0.8 and noun in self.attributes and verb.lemma != "싫어하다":
            attribute = self.pick(self.attributes[noun])
            return noun_phrase(noun, particle, None, attribute, is_generic=is_generic)
        if noun.counter and not is_generic and "one" not in verb.flags:
            return counted_phrase(noun, self.pick(self.numbers), particle)
        return noun_phrase(noun, particle, is_generic=is_generic)

    def other(self, *taken: Noun | None) -> Noun:
        """A companion, recipient or the like who is not yet in the clause."""
        while (person := self.pick(self.companions)) in taken:
            pass
        return person

    def add_place(self, phrases: dict[str, Phrase], verb: Verb, probability: float) -> None:
        """Perhaps say where: 도서관에서 = at the library, now and then 조용한 도서관에서 = at a quiet library."""
        if not verb.places or not self.chance(probability):
            return
        place = self.pick(verb.places)
        if place.kind == "place" and place in self.attributes and self.chance(0.12):
            attribute = self.pick(self.attributes[place])
            phrases["P"] = noun_phrase(place, "에서", None, attribute, place.preposition)
        else:
            phrases["P"] = place_phrase(place, place.preposition)

    def core(self, clause: Clause, form: str, subject_particle: str = "은") -> dict[str, Phrase]:
        """Subject, complement and predicate of a clause by their letters."""
        subject = clause.subject
        phrases = predicate(clause.verb, form, subject.number).named("Vvc")
        phrases["S"] = subject_phrase(subject, subject_particle)
        if (complement := self.object_(clause)) is not None:
            phrases["P" if clause.verb.particle == "-" else "O"] = complement
        if "give" in clause.verb.flags:
            phrases["R"] = noun_phrase(self.other(clause.subject), "에게", preposition="to")
        return phrases

    def add_company(self, phrases: dict[str, Phrase], clause: Clause) -> None:
        """Perhaps a companion or 혼자, a manner, a place."""
        verb, subject = clause.verb, clause.subject
        draw = self.random()
        if "with" in verb.flags and draw < 0.3:
            is_game = clause.complement is not None and not clause.complement.tags.isdisjoint({"ball", "racket"})
            if draw < 0.16:
                phrases["W"] = noun_phrase(self.other(subject), "과", preposition="with")
            elif subject.number in {"we", "they"}:
                phrases["W"] = TOGETHER
            elif not is_game:
                phrases["W"] = ALONE
        elif verb.lemma in self.manners and draw < 0.35:
            phrases["M"] = self.pick(self.manners[verb.lemma])
        self.add_place(phrases, verb, 0.35)

    def time(self, tense: str, *verbs: Verb) -> Phrase:
        """When: last year only for what takes its time, at three o'clock only for what does not."""
        if tense in {"past", "future"} and all("far" in verb.flags for verb in verbs):
            tense = ("long " if any("long" in verb.flags for verb in verbs) else "far ") + tense
        return self.pick(self.times[tense])

    def add_time(self, phrases: dict[str, Phrase], clause: Clause, form: str) -> None:
        is_needed = form == "present" or clause.complement is None
        if form not in TIME_OF or not (is_needed or self.chance(0.6)) or "stative" in clause.verb.flags:
            return
        if "own" in clause.verb.flags or "unknown" in clause.verb.flags:
            return
        if form == "present" and self.chance(0.45):
            phrases["F"] = self.pick(self.frequencies)
        else:
            # An hour would not go with early and late.
            tense = TIME_OF[form]
            phrases["T"] = (
                self.pick(self.days[tense]) if "M" in phrases and tense in self.days else self.time(tense, clause.verb)
            )

    # Simple sentences

    def statement(self) -> Sentence | None:
        """저는 어제 도서관에서 책을 읽었어요. = I read a book at the library yesterday."""
        clause = self.pick(self.pick(self.grammar.statements))
        form = self.pick(next((tenses for flag, tenses in LIMITED.items() if flag in clause.verb.flags), TENSES))
        shape = form + "_I" if form in {"want", "wanted"} and clause.subject in {SPEAKER, GROUP} else form
        phrases = self.core(clause, shape)
        self.add_company(phrases, clause)
        self.add_time(phrases, clause, form)
        if "T" in phrases and form in {"past", "future"} and self.chance(0.15):
            return combine(phrases, "TSFWPROMV", "T,SvFVORMWP"), ".", (clause.combination,)
        return combine(phrases, "STFWPROMV", "SvFVORMWPT"), ".", (clause.combination,)

    def question(self) -> Sentence | None:
        """민수는 어제 책을 읽었어요? = Did Minsu read a book yesterday?"""
        clause = self.pick(self.pick(self.grammar.questions))
        form, time = self.question_form(clause)
        phrases = self.core(clause, form)
        self.add_company(phrases, clause)
        if self.chance(0.6):
            phrases["T"] = self.time(time, clause.verb)
        return combine(phrases, "STFWPROMV", "vSFVORMWPT"), "?", (clause.combination,)

    def question_form(self, clause: Clause) -> tuple[str, str]:
        forms = [("ask_past", "past"), ("ask_past", "past"), ("future", "future")]
        if "nofreq" not in clause.verb.flags:
            forms += [("ask_present", "present"), ("can", "future")]
        return self.pick(forms)

    def where(self) -> Sentence | None:
        """민수는 어디에서 책을 읽었어요? = Where did Minsu read a book?"""
        clause = self.pick(self.pick(self.grammar.where if self.chance(0.5) else self.grammar.placed))
        form, time = self.question_form(clause)
        phrases = self.core(clause, form)
        particle = "에서" if clause.verb.places or clause.verb.particle == "-" else clause.verb.particle
        phrases["Q"] = aligned(with_particle("어디", particle), "where:0")
        if clause.complement is WHERE:
            phrases.pop("O", phrases.pop("P", None))
        if self.chance(0.4):
            phrases["T"] = self.time(time, clause.verb)
        return combine(phrases, "STQROV", "QvSVORT"), "?", (clause.combination,)

    def when(self) -> Sentence | None:
        """민수는 언제 도서관에 갔어요? = When did Minsu go to the library?"""
        clause = self.pick(self.pick(self.grammar.questions))
        form = self.pick(("ask_past", "ask_past", "future"))
        phrases = self.core(clause, form) | {"Q": aligned("언제", "when:0")}
        return combine(phrases, "SQPROV", "QvSVORP"), "?", (clause.combination,)

    def what(self) -> Sentence | None:
        """민수는 시장에서 무엇을 샀어요? = What did Minsu buy at the market? 누구를 is "who"."""
        clause = self.pick(self.pick(self.grammar.what))
        form, time = self.question_form(clause)
        form, time = ("ask_want", "future") if form == "can" else (form, time)
        phrases = self.core(clause, form)
        self.add_company(phrases, clause)
        assert clause.complement
        phrases["O"] = aligned(with_particle(clause.complement.korean, "을"), f"{clause.complement.english[0]}:0")
        phrases.pop("M", None)
        if self.chance(0.5):
            phrases["T"] = self.time(time, clause.verb)
        return combine(phrases, "STWPROV", "OvSVRWPT"), "?", (clause.combination,)

    def who(self) -> Sentence | None:
        """누가 어제 우유를 마셨어요? = Who drank milk yesterday?"""
        clause = self.pick(self.pick(self.grammar.who))
        form = self.pick(("past", "past", "future") if "plain" in clause.verb.flags else ("past", "past", "now"))
        phrases = self.core(clause, form)
        phrases["S"] = aligned("누가", "who:0")
        self.add_company(phrases, clause)
        self.add_time(phrases, clause, form)
        return combine(phrases, "STWPROMV", "SvVORMWPT"), "?", (clause.combination,)

    def request(self) -> Sentence | None:
        """이 창문을 닫아 주세요. = Please close this window."""
        clause = self.pick(self.pick(self.grammar.requests))
        phrases = self.core(clause, "please")
        if clause.complement and clause.complement.kind in {"c", "p", "place", "role"}:
            modifier = self.pick((THIS, THAT) if clause.complement.tags.isdisjoint(POSSESSED) else (THIS, THAT, MINE))
            phrases["O"] = noun_phrase(clause.complement, "을", modifier)
        self.add_company(phrases, clause)
        if self.chance(0.2):
            phrases["T"] = self.pick(self.days["future"])
        phrases = {letter: phrase for letter, phrase in phrases.items() if letter not in "SW"}
        return combine(phrases, "TPROMV", "vVORMPT"), ".", (clause.combination,)

    def proposal(self) -> Sentence | None:
        """내일 같이 영화를 볼까요? = Shall we watch a movie together tomorrow?"""
        clause = self.pick(self.pick(self.grammar.proposals))
        phrases = self.core(clause, "shall")
        del phrases["S"]
        self.add_place(phrases, clause.verb, 0.4)
        if self.chance(0.5):
            phrases["W"] = TOGETHER
        if self.chance(0.6):
            phrases["T"] = self.time("future", clause.verb)
        return combine(phrases, "TWPROV", "vVORWPT"), "?", (clause.combination,)

    # Descriptions

    def described_subject(self, noun: Noun) -> Phrase:
        """A subject that is never bare if it is a thing: 이 가방은, 어머니의 가방은; but 도서관은, 의사는."""
        if noun.kind in {"place", "proper", "name", "he", "she", "kin", "role", "pronoun"}:
            use_modifier = noun.kind == "place" and self.chance(0.3)
            return noun_phrase(noun, "은", THIS if use_modifier else None, is_definite=True)
        if not noun.tags.isdisjoint(POSSESSED) and self.chance(0.4):
            return noun_phrase(noun, "은", possessor(self.pick(self.owners)))
        return noun_phrase(noun, "은", self.pick((THIS, THAT)))

    def description(self) -> Sentence | None:
        """그 가방은 아주 비싸요. = That bag is very expensive."""
        item = self.pick(self.pick(self.grammar.all_descriptions))
        form = self.pick(("present", "present", "present", "not_present", "past", "ask_present"))
        if form == "ask_present" and item.subject.kind not in {*ASKABLE, "place", "proper"}:
            form = "present"
        phrases = predicate(item.adjective, form, item.subject.number).named("Aab")
        phrases["S"] = self.described_subject(item.subject)
        if not form.startswith("not") and self.chance(0.4):
            phrases["D"] = self.degree(item.adjective)
        order, mark = ("aSDA", "?") if form == "ask_present" else ("SaDA", ".")
        return combine(phrases, "SDA", order), mark, (item.combination,)

    def degree(self, adjective: Adjective) -> Phrase:
        return self.pick(self.degrees["-" if adjective.value == "-" else "+"])

    def two_qualities(self) -> Sentence | None:
        """이 가방은 비싸지만 예뻐요. = This bag is expensive but pretty."""
        first = self.pick(self.pick(self.grammar.all_descriptions))
        second = self.pick(self.grammar.described[first.subject])
        values = first.adjective.value + second.adjective.value
        lemmas = {first.adjective.lemma, second.adjective.lemma}
        if lemmas in ANTONYMS or len([lemma for lemma in lemmas if lemma in PASSING_STATES]) == 1:
            return None
        if values in {"+-", "-+"}:
            form = "but_present"
        elif values in {"++", "--"} and first is not second:
            form = "and_present"
        else:
            return None
        phrases = predicate(first.adjective, form, first.subject.number).named("Aab")
        phrases["S"] = self.described_subject(first.subject)
        phrases["V"] = predicate(second.adjective, "present").main
        return combine(phrases, "SAV", "SaAbV"), ".", (first.combination, second.combination)

    def identity(self) -> Sentence | None:
        """민수는 의사예요. = Minsu is a doctor."""
        item = self.pick(self.grammar.identities)
        am, was = BE[item.subject.number]
        role = item.noun.korean
        past = "이었어요" if final_consonant(role) != " " else "였어요"
        korean, be = self.pick(
            (
                (with_particle(role, "이에요"), f"{am}:0"),
                (with_particle(role, "이에요"), f"{am}:0"),
                (role + past, f"{was}:0"),
                (with_particle(role, "이") + " 아니에요", f"{am}:1 not:1"),
            )
        )
        noun = " ".join(f"{word}:0" for word in (article(item.noun.english[0]), *item.noun.english))
        phrases = {"S": subject_phrase(item.subject), "V": aligned(korean, f"{be} {noun}")}
        return combine(phrases, "SV", "SV"), ".", (item.combination,)

    def location(self) -> Sentence | None:
        """책상 위에 책이 있어요. = There is a book on the desk."""
        item = self.pick(self.grammar.locations)
        thing, relation, furniture = item.thing, item.relation, ("the", *item.furniture.english)
        if thing.counter and self.chance(0.4):
            subject, is_plural = counted_phrase(thing, self.pick(self.numbers), "이"), True
        else:
            attributes = self.attributes.get(thing)
            attribute = self.pick(attributes) if attributes and self.chance(0.4) else None
            subject, is_plural = noun_phrase(thing, "이", None, attribute), thing.kind == "p"
        am, was = BE["they" if is_plural else "it"]
        korean, be = self.pick((("있어요", am), ("있어요", am), ("있었어요", was)))
        place = Phrase(
            (item.furniture.korean, relation.korean[1]),
            (*relation.english, *furniture),
            (*relation.alignment, *((0, len(relation.english) + j) for j in range(len(furniture)))),
        )
        phrases = {"P": place, "S": subject, "V": aligned(korean, f"there:0 {be}:0")}
        return combine(phrases, "PSV", "VSP"), ".", (item.combination,)

    # Sentences of two clauses

    def relative(self, clause: Clause, particle: str, form: str) -> Phrase:
        """제가 어제 산 책을 = the book that I bought yesterday."""
        noun = clause.complement
        assert noun
        form = "that_present" if "stative" in clause.verb.flags else form
        head = ("the", *(noun.plural if noun.kind == "p" else noun.english))
        phrases = predicate(clause.verb, form, clause.subject.number).named("Vvc")
        phrases["S"] = subject_phrase(clause.subject, "이")
        phrases["N"] = aligned(with_particle(noun.korean, particle), " ".join(f"{word}:0" for word in head))
        if "give" in clause.verb.flags:
            phrases["R"] = noun_phrase(self.other(clause.subject), "에게", preposition="to")
        if "stative" not in clause.verb.flags:
            self.add_place(phrases, clause.verb, 0.3)
            if self.chance(0.5):
                phrases["T"] = self.time("past" if form == "that_past" else "future", clause.verb)
        return combine(phrases, "STPRVN", "NcSvVRPT")

    def relative_object(self) -> Sentence | None:
        """민수는 제가 어제 산 책을 읽었어요. = Minsu read the book that I bought yesterday."""
        inner = self.pick(self.pick(self.grammar.got))
        outers = self.grammar.kept.get(inner.complement or WHAT)
        if not outers:
            return None
        outer = self.pick(outers)
        if outer.subject is inner.subject or outer.verb.lemma == inner.verb.lemma:
            return None
        form = self.pick(RELATIVE_FORMS)
        when = "that_future" if form in {"future", "must"} and self.chance(0.5) else "that_past"
        phrases = predicate(outer.verb, form, outer.subject.number).named("Vvc")
        phrases |= {"S": subject_phrase(outer.subject), "O": self.relative(inner, "을", when)}
        return combine(phrases, "SROV", "SvVOR"), ".", (inner.combination, outer.combination)

    def relative_subject(self) -> Sentence | None:
        """제가 어제 산 가방은 비싸요. = The bag that I bought yesterday is expensive."""
        inner = self.pick(self.pick(self.grammar.got))
        items = self.grammar.described.get(inner.complement or WHAT)
        if not items:
            return None
        item = self.pick(items)
        form = self.pick(("present", "present", "past", "not_present"))
        phrases = predicate(item.adjective, form, item.subject.number).named("Aab")
        phrases["S"] = self.relative(
            inner, "은", "that_future" if form == "present" and self.chance(0.2) else "that_past"
        )
        if form != "not_present" and self.chance(0.3):
            phrases["D"] = self.degree(item.adjective)
        return combine(phrases, "SDA", "SaDA"), ".", (inner.combination, item.combination)

    def relative_person(self) -> Sentence | None:
        """책을 읽는 학생은 아주 똑똑해요. = The student who reads a book is very smart."""
        inner = self.pick(self.pick(self.grammar.doings))
        items = self.grammar.described.get(inner.subject)
        if not items:
            return None
        item = self.pick(items)
        if item.adjective.lemma in PASSING_STATES:
            return None
        form = self.pick(("who_past", "who_now" if "plain" not in inner.verb.flags else "who_past"))
        inner_phrases = self.core(inner, form) | {"N": subject_phrase(inner.subject)}
        self.add_place(inner_phrases, inner.verb, 0.4)
        if form == "who_past" and self.chance(0.5):
            inner_phrases["T"] = self.time("past", inner.verb)
        phrases = predicate(item.adjective, "present", item.subject.number).named("Aab")
        phrases["S"] = combine(inner_phrases, "TPROVN", "NcvVORPT")
        if self.chance(0.3):
            phrases["D"] = self.degree(item.adjective)
        return combine(phrases, "SDA", "SaDA"), ".", (inner.combination, item.combination)

    def two_acts(self) -> tuple[Clause, Clause] | None:
        """Two different acts of one person."""
        groups = self.pick(self.grammar.themes)
        first = self.pick(self.pick(self.pick(list(groups.values()))))
        second = self.pick(self.pick(groups[first.subject]))
        return None if first.verb.lemma == second.verb.lemma else (first, second)

    def joined(self, first: Clause, second: Clause, first_form: str, second_form: str, english_order: str) -> Sentence:
        """One subject, two predicates: the first is the phrase 1 (with its conjunction c inside), the second 2."""
        a = self.core(first, first_form)
        self.add_place(a, first.verb, 0.0 if first_form == "while" else 0.15)
        b = self.core(second, second_form)
        self.add_place(b, second.verb, 0.25)
        inner = "VORPc" if first_form.startswith("and") else "cVORP"
        phrases = {"S": b["S"], "1": combine(a, "PROV", inner), "2": combine(b, "PROV", "vVORP")}
        tense = "past" if "past" in (first_form + second_form) else "present"
        tense = "future" if second_form == "future" else tense
        if self.chance(0.4):
            phrases["T"] = self.time(tense, first.verb, second.verb)
        return combine(phrases, "ST12", english_order), ".", (first.combination, second.combination)

    def and_then(self) -> Sentence | None:
        """민수는 빵을 먹고 우유를 마셨어요. = Minsu ate bread and drank milk."""
        acts = self.two_acts()
        if not acts:
            return None
        forms = self.pick((("and_past", "past"), ("and_past", "past"), ("and_present", "present")))
        return self.joined(*acts, *forms, "S12T")

    def before_or_after(self) -> Sentence | None:
        """민수는 빵을 먹은 후에 우유를 마셨어요. = Minsu drank milk after eating bread."""
        acts = self.two_acts()
        if not acts:
            return None
        form = self.pick(("before", "after"))
        return self.joined(*acts, form, self.pick(("past", "past", "future")), "S21T")

    def meanwhile(self) -> Sentence | None:
        """민수는 음악을 들으면서 책을 읽었어요. = Minsu read a book while listening to music."""
        backgrounds, others = self.pick(self.grammar.meanwhile)
        first = self.pick(self.pick(backgrounds))
        groups = others.get(first.subject)
        if not groups:
            return None
        second = self.pick(self.pick(groups))
        return self.joined(first, second, "while", self.pick(("past", "past", "present")), "S21T")

    def errand(self) -> Sentence | None:
        """민수는 책을 사러 시장에 갔어요. = Minsu went to the market to buy a book."""
        trip = self.pick(self.grammar.trips)
        groups = self.grammar.errands.get(trip.subject)
        if not groups or not trip.complement:
            return None
        act = self.pick(self.pick(groups))
        if trip.complement not in act.verb.places and trip.complement is not act.complement:
            return None
        form = self.pick(("past", "past", "past", "future", "present"))
        first, second = self.core(act, "errand"), self.core(trip, form)
        first.pop("P", None)
        phrases = {"S": second["S"], "1": combine(first, "ROV", "cVOR"), "2": combine(second, "OV", "vVO")}
        if self.chance(0.5):
            phrases["T"] = self.time(TIME_OF[form], trip.verb)
        return combine(phrases, "ST12", "S21T"), ".", (act.combination, trip.combination)

    def because(self) -> Sentence | None:
        """저는 피곤해서 집에서 쉬었어요. = I rested at home because I was tired."""
        state, groups = self.pick(self.grammar.reasons)
        clause = self.pick(self.pick(groups))
        phrases = self.core(clause, "past")
        phrases |= predicate(state.adjective, "because_past", state.subject.number).named("Aab")
        phrases["s"] = pronoun_phrase(clause.subject)
        self.add_place(phrases, clause.verb, 0.3)
        if self.chance(0.3):
            phrases["T"] = self.time("past", clause.verb)
        return combine(phrases, "STAPROV", "SVORPTbsaA"), ".", (state.combination, clause.combination)

    def weather(self) -> Sentence | None:
        """비가 와서 저는 집에서 쉬었어요. = Because it rained, I rested at home."""
        forms, groups = self.pick(self.grammar.weather)
        clause = self.pick(self.pick(groups))
        start, form = self.pick((("because_past", "past"), ("because_past", "past"), ("if", "future")))
        phrases = self.core(clause, form) | {"B": forms[start]}
        self.add_place(phrases, clause.verb, 0.3)
        if self.chance(0.4):
            phrases["T"] = self.pick(self.days[form])
        return combine(phrases, "TBSPROV", "BT,SvVORP"), ".", (clause.combination,)

    def when_clause(self) -> Sentence | None:
        """제가 집에 돌아왔을 때 민수는 책을 읽고 있었어요. = When I came back home, Minsu was reading a book."""
        first = self.pick(self.pick(self.grammar.arrivals))
        groups = self.pick(self.scenes)
        second = self.pick(self.pick(self.pick(list(groups.values()))))
        if second.subject in {first.subject, first.complement} or "plain" in second.verb.flags:
            return None
        arrival = self.core(first, "when_past", "이")
        phrases = self.core(second, "was")
        self.add_place(phrases, second.verb, 0.25)
        phrases["B"] = combine(arrival, "SPOV", "cSVOP")
        return combine(phrases, "BSPROV", "B,SvVORP"), ".", (first.combination, second.combination)

    def contrast(self) -> Sentence | None:
        """저는 커피를 마셨지만 민수는 주스를 마셨어요. = I drank coffee, but Minsu drank juice."""
        group = self.pick(self.grammar.contrasts)
        first, second = self.pick(group), self.pick(group)
        if first.subject is second.subject or first.complement is second.complement:
            return None
        start, form = self.pick((("but_past", "past"), ("but_past", "past"), ("but_present", "present")))
        a, b = self.core(first, start), self.core(second, form)
        a["O"], b["O"] = bare_object(first), bare_object(second)
        phrases = {"1": combine(a, "SPROV", "SVORP,c"), "2": combine(b, "SPROV", "SVORP")}
        if self.chance(0.3):
            phrases["T"] = self.time(form, first.verb)
        return combine(phrases, "T12", "T,12"), ".", (first.combination, second.combination)

    def tastes(self) -> Sentence | None:
        """저는 사과는 좋아하지만 빵은 싫어해요. = I like apples but hate bread."""
        first = self.pick(self.pick(self.grammar.tastes))
        dislikes = self.grammar.dislikes.get(first.subject)
        if not dislikes:
            return None
        second = self.pick(dislikes)
        if first.complement is second.complement or _domain(first) != _domain(second):
            return None
        a, b = self.core(first, "but_present"), self.core(second, "present")
        a["O"], b["O"] = bare_object(first, "은"), bare_object(second, "은")
        phrases = {"S": a["S"], "1": combine(a, "OV", "VOc"), "2": combine(b, "OV", "VO")}
        return combine(phrases, "S12", "S12"), ".", (first.combination, second.combination)

    def draw(self) -> AlignedPair:
        """Draw a sentence: kinds of sentences until one succeeds."""
        while True:
            sentence = self.pick(KINDS)(self)  # None where the draw led nowhere
            if sentence is not None:
                phrase, mark, combinations = sentence
                source, target = " ".join(phrase.korean) + mark, " ".join(phrase.english) + mark
                return AlignedPair(
                    source, target[0].upper() + target[1:], tuple(sorted(phrase.alignment)), combinations
                )


def bare_object(clause: Clause, particle: str = "을") -> Phrase:
    """The complement without modifiers; 은 contrasts."""
    assert clause.complement
    return noun_phrase(clause.complement, particle, is_generic="generic" in clause.verb.flags)


@cache
def _domain(clause: Clause) -> int:
    """Which of DOMAINS the complement belongs to: one compares apples with bread, not with cats."""
    assert clause.complement
    tags = clause.complement.tags
    return next((k for k, domain in enumerate(lexicon.DOMAINS) if tags & set(domain.split())), -1)


# How often each kind of sentence is tried; those after `two_qualities` have two clauses.
WEIGHTS: dict[Callable[[SentenceGenerator], Sentence | None], int] = {
    SentenceGenerator.statement: 105,
    SentenceGenerator.question: 12,
    SentenceGenerator.where: 7,
    SentenceGenerator.when: 6,
    SentenceGenerator.what: 6,
    SentenceGenerator.who: 6,
    SentenceGenerator.request: 7,
    SentenceGenerator.proposal: 6,
    SentenceGenerator.description: 34,
    SentenceGenerator.identity: 7,
    SentenceGenerator.location: 12,
    SentenceGenerator.two_qualities: 12,
    SentenceGenerator.relative_object: 44,
    SentenceGenerator.relative_subject: 14,
    SentenceGenerator.relative_person: 8,
    SentenceGenerator.and_then: 19,
    SentenceGenerator.before_or_after: 12,
    SentenceGenerator.meanwhile: 8,
    SentenceGenerator.errand: 30,
    SentenceGenerator.because: 10,
    SentenceGenerator.weather: 9,
    SentenceGenerator.when_clause: 9,
    SentenceGenerator.contrast: 12,
    SentenceGenerator.tastes: 6,
}
KINDS = [kind for kind, weight in WEIGHTS.items() for _ in range(weight)]
