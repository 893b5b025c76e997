"""Clauses: who does what, which split each combination belongs to, and the combinations of a split, for drawing."""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, product
from math import isqrt
from typing import NamedTuple
from zlib import crc32

from s2s.config.data import Split
from s2s.data.phrasebook import lexicon
from s2s.data.phrasebook.lexicon import GROUP, LISTENER, Adjective, Noun, Verb, rows, words
from s2s.data.phrasebook.phrases import WEATHER_FORMS, Phrase, aligned, korean_forms, pronoun_phrase


class Clause(NamedTuple):
    """A combination: a subject, its predicate and the predicate's complement (None: there is none)."""

    subject: Noun
    verb: Verb
    complement: Noun | None
    combination: str


class Description(NamedTuple):
    """A combination of a noun and an adjective that is said of it."""

    subject: Noun
    adjective: Adjective
    combination: str


class Identity(NamedTuple):
    """A combination of a subject and a noun: X is a Y, or X lies at Y."""

    subject: Noun
    noun: Noun
    combination: str


def split_of(combination: str) -> Split:
    """The split of a combination: 90 % train, 5 % dev, 5 % test, for ever and on every machine."""
    bucket = crc32(combination.encode()) % 20
    return Split.dev if bucket == 0 else Split.test if bucket == 1 else Split.train


WHO = Noun("누구", ("who",), (), "name", frozenset())
WHAT, WHOM = Noun("무엇", ("what",), (), "name", frozenset()), Noun("누구", ("who",), (), "name", frozenset())
WHERE = Noun("어디", ("where",), (), "name", frozenset())
ASKED = {WHAT, WHOM, WHERE}


def _clauses() -> Iterator[Clause]:
    """Every combination of subjects with what verbs select."""
    for verb in words().verbs:
        complements: list[Noun | None] = [*verb.complements]
        if verb.particle == "-" and verb.lemma != "살다":
            complements.append(None)
        if (verb.particle == "-" and "stative" not in verb.flags) or verb.lemma == "가다":
            complements.append(WHERE)
        if verb.particle == "을" and "sense" not in verb.flags:
            complements.append(WHOM if "person" in verb.complements[0].tags else WHAT)
        for subject in (*words().people, WHO, *([LISTENER] if "ask" in verb.flags else [])):
            for noun in complements:
                if noun is not subject and not (subject is WHO and noun in ASKED):
                    name = noun.korean if noun else ""
                    yield Clause(subject, verb, noun, f"{subject.korean}+{verb.lemma}+{name}")


def _descriptions() -> Iterator[Description]:
    """Every combination of a noun with an adjective that can be said of it."""
    for adjective in words().adjectives:
        people = words().people if any("name" in noun.tags for noun in adjective.nouns) else ()
        for noun in dict.fromkeys((*adjective.nouns, *people)):
            yield Description(noun, adjective, f"{noun.korean}+{adjective.lemma}+")


def _identities() -> Iterator[Identity]:
    """Every combination of a person with an occupation."""
    roles = [noun for noun in words().people if noun.kind == "role" and noun.number == "it"]
    for person, role in product(words().people, roles):
        if person.kind != "role" and person.number in {"it", "I"}:
            yield Identity(person, role, f"{person.korean}+이다+{role.korean}")


class Location(NamedTuple):
    """A combination of a thing and where it lies."""

    thing: Noun
    furniture: Noun
    relation: Phrase
    combination: str


def _locations() -> Iterator[Location]:
    nouns = words().nouns
    tags = set(lexicon.THINGS_INSIDE.split())
    things = [noun for noun in nouns.values() if noun.tags & tags]
    for relation, english, names in rows(lexicon.LOCATIONS):
        for name, thing in product(names.split(), things):
            phrase = aligned(f"x {relation}에", english)
            key = f"{thing.korean}+{relation}+{name}"
            yield Location(thing, nouns[name], phrase, key)


@cache
def _num_copies(noun: Noun | None) -> int:
    """More for a noun that few verbs select, so that no word is rare."""
    num_verbs = sum(noun in verb.complements for verb in words().verbs)
    return 4 if num_verbs <= 3 else 2 if num_verbs <= 7 else 1


def _by_verb(clauses: Iterable[Clause]) -> list[list[Clause]]:
    """Clauses grouped by verb; a verb with many complements stands several times, so that nouns are drawn evenly."""
    groups: dict[Verb, list[Clause]] = {}
    for clause in clauses:
        groups.setdefault(clause.verb, []).extend([clause] * _num_copies(clause.complement))
    return [group for verb, group in groups.items() for _ in range(2 + isqrt(len(verb.complements)))]


def _by_subject(clauses: Iterable[Clause]) -> dict[Noun, list[list[Clause]]]:
    groups: dict[Noun, list[Clause]] = {}
    for clause in clauses:
        groups.setdefault(clause.subject, []).append(clause)
    return {subject: _by_verb(group) for subject, group in groups.items()}


def _flagged(clauses: Iterable[Clause], flag: str) -> list[Clause]:
    return [clause for clause in clauses if flag in clause.verb.flags]


UNASKED = {"past", "unknown", "own", "stative", "feel"}
ASKABLE = {"name", "role"}


class Grammar:
    """The combinations of one split, indexed for drawing; every list of lists gives each verb its fair share."""

    def __init__(self, split: Split) -> None:
        known = [clause for clause in _clauses() if split_of(clause.combination) is split]
        plain = [c for c in known if c.subject not in {LISTENER, WHO} and c.complement not in ASKED]
        askable = [c for c in known if c.subject.kind in ASKABLE and c.verb.flags.isdisjoint(UNASKED)]
        self.statements = _by_verb(plain)
        self.requests = _by_verb(c for c in known if c.subject is LISTENER and c.complement not in ASKED)
        self.proposals = _by_verb(c for c in _flagged(plain, "shall") if c.subject is GROUP)
        self.who = _by_verb(c for c in askable if c.subject is WHO)
        self.what = _by_verb(c for c in askable if c.complement in {WHAT, WHOM})
        self.questions = _by_verb(c for c in askable if c.complement not in ASKED and c.subject is not WHO)
        self.where = _by_verb(c for c in askable if c.complement is WHERE)
        self.placed = [group for group in self.questions if group[0].verb.places]
        acts = [c for c in plain if c.verb.flags.isdisjoint({"stative", "past", "unknown", "own", "nofreq"})]
        acts = [c for c in acts if c.verb.base not in {("wear",), ("take",)} or c.verb.lemma == "타다"]
        self.acts = _by_subject(acts)
        self.themes = [
            _by_subject(c for c in acts if c.verb.lemma in theme.split())
            for theme in lexicon.THEMES.strip().splitlines()
        ]
        self.meanwhile = [
            (_by_verb(_among(plain, background)), _by_subject(c for c in acts if c.verb.lemma in others.split()))
            for background, others in rows(lexicon.MEANWHILE)
        ]
        self.tastes = _by_verb(c for c in plain if c.verb.lemma == "좋아하다")
        self.dislikes = {
            s: list(chain(*g)) for s, g in _by_subject(c for c in plain if c.verb.lemma == "싫어하다").items()
        }
        self.arrivals = _by_verb(c for c in plain if c.verb.lemma in ARRIVALS)
        self.errands = _by_subject(_flagged(plain, "errand"))
        self.contrasts = [list(g) for g in _by_verb(c for c in acts if c.complement and c.verb.particle == "을")]
        self.trips = [c for c in plain if c.verb.lemma in {"가다", "오다"}]
        self._index_relatives(plain)
        self._index_descriptions(split)
        self._index_reasons(plain)

    def _index_relatives(self, plain: list[Clause]) -> None:
        self.got = _by_verb(_flagged(plain, "get"))
        self.kept: dict[Noun, list[Clause]] = {}
        for clause in _flagged(plain, "keep"):
            if clause.complement:
                self.kept.setdefault(clause.complement, []).append(clause)
        self.doings = _by_verb(
            c for c in chain(*chain(*self.acts.values())) if c.subject.kind == "role" and c.complement is not None
        )

    def _index_descriptions(self, split: Split) -> None:
        known = [d for d in _descriptions() if split_of(d.combination) is split]
        self.descriptions: dict[Adjective, list[Description]] = {}
        self.described: dict[Noun, list[Description]] = {}
        for description in known:
            self.descriptions.setdefault(description.adjective, []).append(description)
            self.described.setdefault(description.subject, []).append(description)
        self.all_descriptions = list(self.descriptions.values())
        self.identities = [i for i in _identities() if split_of(i.combination) is split]
        self.locations = [i for i in _locations() if split_of(i.combination) is split]

    def _index_reasons(self, plain: list[Clause]) -> None:
        """For each state and each kind of weather, the clauses that it explains."""
        self.reasons: list[tuple[Description, list[list[Clause]]]] = []
        adjectives = {adjective.lemma: adjective for adjective in words().adjectives}
        for state, actions in rows(lexicon.REASONS):
            explained = _by_subject(_among(plain, actions))
            for description in self.descriptions.get(adjectives[state], []):
                if explained.get(description.subject) and pronoun_phrase(description.subject).english:
                    self.reasons.append((description, explained[description.subject]))
        self.weather = [
            (_weather_phrases(korean, english), _by_verb(_among(plain, actions)))
            for korean, english, actions in rows(lexicon.WEATHER)
        ]


ARRIVALS = {"가다", "오다", "도착하다", "돌아가다", "돌아오다", "들어가다", "전화하다", "출발하다"}


def _among(clauses: list[Clause], actions: str) -> list[Clause]:
    """The clauses that a cell of REASONS or WEATHER allows: "쉬다 *; 집 가다; 마시다 hotdrink"."""
    allowed = _allowed(actions)
    return [clause for clause in clauses if (clause.verb, clause.complement) in allowed]


@cache
def _allowed(actions: str) -> set[tuple[Verb, Noun | None]]:
    wanted = {frozenset(action.split()) for action in actions.split(";")}
    found: set[tuple[Verb, Noun | None]] = set()
    for verb in words().verbs:
        for noun in (*verb.complements, None):
            names = {"*", noun.korean, *noun.tags} if noun else {"*"}
            if any({verb.lemma, name} in wanted for name in names):
                found.add((verb, noun))
    return found


def _weather_phrases(korean: str, english: str) -> dict[str, Phrase]:
    """What the weather does, by form."""
    name, predicate_ = korean.split()
    lemma, _, irregular = predicate_.partition("/")
    forms = korean_forms(lemma[:-1], irregular)
    present = {"rain": "rains", "snow": "snows", "be": "is"}
    past = {"rain": "rained", "snow": "snowed", "be": "was"}
    phrases = {}
    for form, korean_template, english_template in rows(WEATHER_FORMS):
        text = english_template.format(past=english.format_map(past), present=english.format_map(present))
        phrases[form] = aligned(f"{name} {korean_template.format_map(forms)}", text)
    return phrases


grammar = cache(Grammar)
"""The combinations of a split, indexed when first asked for."""
