"""TODO: say what s2s.data.phrasebook.generate is."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, count

from s2s.config.data import Split
from s2s.data.phrasebook import lexicon
from s2s.data.phrasebook.clauses import Grammar, grammar
from s2s.data.phrasebook.lexicon import Noun, rows
from s2s.data.phrasebook.sentences import RELATIVE_FORMS, AlignedPair, Writer

GRAMMAR_VERSION = 1
"""Goes up whenever the same seed gives other sentences."""


def generate(split: Split, seed: int, stream: int = 0) -> Iterator[AlignedPair]:
    """Stream pairs without end; they are a function of (split, seed, stream), and a pair may come again."""
    writer = Writer(grammar(split), f"{split.name} {seed} {stream}" if stream else f"{split.name} {seed}")
    while True:
        yield writer.draw()


def distinct_pairs(split: Split, num_pairs: int, seed: int, stream: int = 0) -> list[AlignedPair]:
    """The first `num_pairs` pairs of the stream that differ in their source."""
    found: dict[str, AlignedPair] = {}
    for pair in generate(split, seed, stream):
        if len(found) >= num_pairs:
            break
        found.setdefault(pair.source, pair)
    return list(found.values())


FIRST_CHUNK, NEXT_CHUNK = 250_000, 50_000
"""Pairs of chunk 0 and of each other; never changed, since the pairs of a large corpus depend on it."""


def chunk(split: Split, number: int, num_pairs: int, seed: int) -> list[AlignedPair]:
    """A part of a corpus of `num_pairs`, made by itself: the chunks of a corpus can be made by several processes.

    Chunk 0 has as many pairs as are asked for, up to FIRST_CHUNK, so that a small corpus is one chunk; the others have
    NEXT_CHUNK pairs. The sources of a chunk are distinct, and some of them stand in other chunks too: among a million
    draws one in five has come before.
    """
    if number == 0:
        return distinct_pairs(split, min(num_pairs, FIRST_CHUNK), seed)
    return distinct_pairs(split, NEXT_CHUNK, seed, stream=number)


def chunk_numbers(num_pairs: int) -> Iterable[int]:
    """Numbers of the chunks in which `num_pairs` different pairs are found, without an end if they are several."""
    return range(1) if num_pairs <= FIRST_CHUNK else count()


def num_possible_pairs() -> int:
    """How many pairs there are at least: those of one kind of sentence.

    The kind is 민수는 제가 어제 산 책을 읽었어요, with any noun, two clauses about it of one split (of two subjects and
    two verbs), a time for the first or none, and the tenses of the second. Each choice shows in the Korean, so that no
    sentence is counted twice.
    """
    times = 1 + len(rows(lexicon.TIMES_PAST)) + len(lexicon.DAYS.split(";"))
    return times * len(set(RELATIVE_FORMS)) * sum(_num_relatives(grammar(split)) for split in Split)


def _num_relatives(known: Grammar) -> int:
    """Pairs of clauses about one noun that differ in subject and verb."""
    inner: dict[Noun, set[tuple[Noun, str]]] = {}
    for clause in chain(*known.got):
        if clause.complement and clause.verb.flags.isdisjoint({"long", "stative"}):
            inner.setdefault(clause.complement, set()).add((clause.subject, clause.verb.lemma))
    count = 0
    for noun, firsts in inner.items():
        seconds = {(clause.subject, clause.verb.lemma) for clause in known.kept.get(noun, [])}
        count += len(firsts) * len(seconds)
        for part in (0, 1):  # less those with the same subject, less those with the same verb
            same = Counter(first[part] for first in firsts)
            count -= sum(same[second[part]] for second in seconds)
    return count
