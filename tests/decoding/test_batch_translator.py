"""The options of search, and constraints of single lines, in a translator with a small trained model."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from processes import Caller, run_command
from s2s.config.search import LengthNormalization, SearchConfig, Strategy
from s2s.data.vocabulary.subwords import EOS
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.line_constraints import LineConstraints
from s2s.errors import CheckpointError, ConfigError
from s2s.models.attention import NoAttention

LINES = ["하나 둘 셋", "", "넷 다섯", "여섯 여섯 하나 둘", "셋"]
Beam, Greedy, Sample = Strategy.beam, Strategy.greedy, Strategy.sample


def translator(run: Path, *, batch_size: int = 64, **options: Any) -> BatchTranslator:
    return BatchTranslator.load(run, search=SearchConfig(**options), device="cpu", batch_size=batch_size)


def num_pieces(made: BatchTranslator, text: str) -> int:
    return len(made.target.encode([text])[0])


@pytest.mark.parametrize("strategy", Strategy)
def test_lengths_are_kept(tiny_run: Path, strategy: Strategy) -> None:
    made = translator(tiny_run, strategy=strategy, min_length=4, max_length=6)
    for line, found in zip(LINES, made.translations(LINES), strict=True):
        assert 4 <= len(found.hypotheses[0].ids) <= 6 or not line
    made = translator(tiny_run, strategy=strategy, min_length_factor=1.5, max_length_factor=1.5, max_length_offset=2)
    for source, found in zip(made.source.encode(LINES), made.translations(LINES), strict=True):
        least, most = int(1.5 * len(source)), int(1.5 * (len(source) + 1)) + 2
        assert least <= len(found.hypotheses[0].ids) <= most or not source


def test_relative_lengths_are_those_of_the_text(tiny_run: Path) -> None:
    made = translator(tiny_run, min_length_factor=1.5)
    with torch.no_grad():
        made.model.output.bias[EOS] += 50  # it ends as soon as it may
    made = BatchTranslator([made.model], made.source, made.target, made.search, made.device)
    lengths = [len(found.hypotheses[0].ids) for found in made.translations(LINES)]
    assert lengths == [int(1.5 * len(pieces)) for pieces in made.source.encode(LINES)]


@pytest.mark.parametrize("strategy", Strategy)
def test_no_piece_twice(tiny_run: Path, strategy: Strategy) -> None:
    found = translator(tiny_run, strategy=strategy, min_length=8, no_repeat_ngram=1).translations(LINES)
    assert all(len(set(each.hypotheses[0].ids)) == len(each.hypotheses[0].ids) for each in found)


@pytest.mark.parametrize("strategy", Strategy)
def test_where_nothing_is_left_to_say_a_warning_names_the_line(
    tiny_run: Path, strategy: Strategy, caplog: pytest.LogCaptureFixture
) -> None:
    """No piece may come twice, and the translation is to be longer than there are pieces."""
    made = translator(tiny_run, strategy=strategy, no_repeat_ngram=1, max_length_offset=600, min_length=600)
    assert len(made.target) < 600
    found = made.translations(LINES[:2], numbers=[6, 7])
    assert [each.texts for each in found] == [("",), ("",)]
    assert "line 6: the translation is empty, since the rules forbid every piece before it can end" in caplog.text
    assert "line 7" not in caplog.text  # blank


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": Greedy},
        {"strategy": Greedy, "no_repeat_ngram": 1},
        {"strategy": Sample},
        {"strategy": Sample, "top_k": 3, "top_p": 0.5},
        {"beam_size": 3},
        {"beam_size": 4, "diverse_groups": 2},
        {"beam_size": 3, "must": ["six"]},
    ],
)
def test_damaged_weights_are_an_error(tiny_run: Path, options: dict[str, Any]) -> None:
    made = translator(tiny_run, **options)
    with torch.no_grad():
        made.model.output.bias[made.target.encode(["two"])[0][0]] = torch.nan
    made = BatchTranslator([made.model], made.source, made.target, made.search, made.device)
    with pytest.raises(CheckpointError, match=r"no probabilities \(NaN\): its weights are damaged"):
        made.translate(LINES)


@pytest.mark.parametrize("strategy", Strategy)
def test_avoided_words_do_not_occur(tiny_run: Path, strategy: Strategy) -> None:
    texts = translator(tiny_run, strategy=strategy, min_length=9).translate(LINES)
    word = max(("one", "two", "three", "four", "five", "six"), key=" ".join(texts).split().count)
    assert any(word in text.split() for text in texts)
    without = translator(tiny_run, strategy=strategy, min_length=9, avoid=[word, "an unknown 犬"]).translate(LINES)
    assert not any(word in text.split() for text in without)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_words_that_must_occur_do(tiny_run: Path, beam_size: int) -> None:
    made = translator(tiny_run, beam_size=beam_size, num_best=beam_size, must=["six", "two four"])
    for line, found in zip(LINES, made.translations(LINES), strict=True):
        for text in found.texts if line else ():
            assert "six" in text.split()
            assert "two four" in text


def test_without_room_for_them_a_warning_names_the_line(tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = translator(tiny_run, must=["six", "two four five"], max_length=2).translate(LINES)
    assert [bool(text) for text in texts] == [bool(line) for line in LINES]
    missing = r"line 1: there is no room for all the words that must occur \(missing: (six, )?two four five\)"
    assert re.search(missing + r"; raise search\.max_length$", caplog.text, re.MULTILINE)
    assert "line 2" not in caplog.text  # blank


def test_a_word_that_must_not_occur_cannot(tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match=r"^two four must occur \(search\.must\), but search\.avoid forbids it"):
        translator(tiny_run, must=["two four"], avoid=["two"]).translate(LINES)
    made = translator(tiny_run, must=["five"], avoid=["two"])
    constraints = [
        LineConstraints(must=("two four", "six")),
        LineConstraints(avoid=("five",)),
        LineConstraints(must=("three",), avoid=("one three",)),
    ]
    found = made.translations(["셋"] * 3, numbers=[4, 5, 6], constraints=constraints)
    assert [record.getMessage() for record in caplog.records] == [
        f"line {line}: {word} cannot occur, since what must not occur forbids it"
        for line, word in ((4, "two four"), (5, "five"))
    ]
    assert {"five", "six"} <= set(found[0].texts[0].split())
    assert "five" not in found[1].texts[0].split()
    assert {"five", "three"} <= set(found[2].texts[0].split())


def test_a_word_of_unknown_characters_cannot_occur(tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match=r"^search\.must=犬 must occur, but .* no piece for$"):
        translator(tiny_run, must=["犬"]).translate(LINES)
    made = translator(tiny_run)
    (found,) = made.translations(LINES[:1], numbers=[13], constraints=[LineConstraints(must=("犬", "six"))])
    assert "six" in found.texts[0].split()
    assert "line 13: 犬 cannot occur, since the model has no piece for a character" in caplog.text


@pytest.mark.parametrize("options", [{"strategy": Greedy}, {"strategy": Sample}, {"beam_size": 4, "diverse_groups": 2}])
def test_a_line_cannot_require_words_without_a_plain_beam(tiny_run: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"need search=beam without search\.diverse_groups"):
        translator(tiny_run, **options).translations(LINES[:1], constraints=[LineConstraints(must=("two",))])


@pytest.mark.parametrize("strategy", Strategy)
def test_each_line_has_its_own_constraints(tiny_run: Path, strategy: Strategy) -> None:
    made = translator(tiny_run, strategy=strategy, min_length=7, batch_size=2)
    must = ("five",) if strategy is Beam else ()
    constraints = [
        LineConstraints("four six", must),
        LineConstraints("six"),
        LineConstraints(avoid=("one", "two", "three")),
        LineConstraints("two", avoid=("two", "six")),
        LineConstraints(),
    ]
    texts = [found.texts[0] for found in made.translations(LINES, constraints=constraints)]
    assert texts[0].startswith("four six")
    assert set(must) <= set(texts[0].split())
    assert texts[1] == ""  # a blank line stays blank
    assert {"one", "two", "three"}.isdisjoint(texts[2].split())
    assert texts[3].startswith("two")  # nothing forbids the prefix, but it must not occur again
    assert {"two", "six"}.isdisjoint(texts[3].split()[1:])
    assert texts[4] == made.translations(LINES)[4].texts[0]


def test_a_long_prefix_is_never_cut_but_by_max_length(tiny_run: Path, caplog: pytest.LogCaptureFixture) -> None:
    prefix = "one two three four five six " * 20
    ((found,),) = [
        each.texts for each in translator(tiny_run).translations(["셋"], constraints=[LineConstraints(prefix)])
    ]
    assert found.startswith(prefix.strip())
    made = translator(tiny_run, max_length=7)
    assert (
        num_pieces(made, made.translations(["셋"], numbers=[3], constraints=[LineConstraints(prefix)])[0].texts[0]) <= 7
    )
    cut = f"line 3: the prefix has {num_pieces(made, prefix)} pieces, more than search.max_length=7; cut"
    assert [record.getMessage() for record in caplog.records] == [cut]
    made.translations(["셋"], numbers=[4], constraints=[LineConstraints("two 犬 three")])
    assert "line 4: the prefix is used up to its first character that has no piece" in caplog.text


def test_a_forced_translation_has_the_scores_of_the_one_that_was_found(tiny_run: Path) -> None:
    made = translator(tiny_run, strategy=Greedy)
    found = made.translations(LINES)
    forced = made.translations(LINES, constraints=[LineConstraints(each.texts[0]) for each in found])
    for one, other in zip(found, forced, strict=True):
        if one.hypotheses[0].ids == other.hypotheses[0].ids:  # decoded text may have other pieces
            values = (hypothesis.token_log_probabilities for each in (one, other) for hypothesis in each.hypotheses)
            torch.testing.assert_close(*(torch.tensor(value) for value in values))


def test_samples_depend_on_seed_and_line_number_alone(tiny_run: Path) -> None:
    options: dict[str, Any] = {"strategy": Sample, "num_best": 3, "top_p": 0.95, "max_length": 9}
    alone, together = translator(tiny_run, **options, batch_size=1), translator(tiny_run, **options)
    found = together.translations(LINES)
    assert [each.texts for each in found] == [each.texts for each in alone.translations(LINES)]
    later = [each.texts for each in together.translations(LINES[2:], numbers=range(3, len(LINES) + 1))]
    assert later == [each.texts for each in found[2:]]
    others = together.translations(LINES, numbers=range(2, len(LINES) + 2))
    assert [each.texts for each in others] != [each.texts for each in found]
    assert [each.texts for each in translator(tiny_run, **options, seed=2).translations(LINES)] != [
        each.texts for each in found
    ]
    assert len(found[0].texts) == 3


def test_cool_samples_are_greedy(tiny_run: Path) -> None:
    greedy = translator(tiny_run, strategy=Greedy).translate(LINES)
    for options in ({"top_k": 1}, {"top_p": 0.0}):
        assert translator(tiny_run, strategy=Sample, **options).translate(LINES) == greedy


def test_beam_1_is_greedy(tiny_run: Path) -> None:
    shared: dict[str, Any] = {"min_length": 5, "no_repeat_ngram": 2, "avoid": ["two"]}
    assert translator(tiny_run, beam_size=1, **shared).translate(LINES) == translator(
        tiny_run, strategy=Greedy, **shared
    ).translate(LINES)


def test_groups_find_different_translations(tiny_run: Path) -> None:
    shared: dict[str, Any] = {"beam_size": 4, "num_best": 4, "max_length": 6}
    made = translator(tiny_run, **shared, diverse_groups=4, diversity_strength=50.0)
    firsts = {hypothesis.ids[:1] for hypothesis in made.translations(LINES)[0].hypotheses}
    assert len(firsts) == 4  # so much is taken off that no two begin alike


def test_rankings_give_the_scores(tiny_run: Path) -> None:
    for normalization, length_penalty in (("none", 1.0), ("average", 0.7), ("gnmt", 0.7)):
        made = translator(
            tiny_run,
            length_normalization=LengthNormalization[normalization],
            length_penalty=length_penalty,
            word_reward=0.25,
            max_length=50,
        )
        for found in made.translations(LINES[:1]):
            (best,) = found.hypotheses
            length = len(best.token_log_probabilities)
            norms = {"none": 1, "average": length**length_penalty, "gnmt": ((5 + length) / 6) ** length_penalty}
            expected = best.log_probability / norms[normalization] + 0.25 * length
            assert best.score == pytest.approx(expected, rel=1e-5)
            assert sum(best.token_log_probabilities) == pytest.approx(best.log_probability, rel=1e-5)


def test_a_coverage_penalty_is_taken_off(tiny_run: Path) -> None:
    made = translator(tiny_run, coverage_penalty=0.5)
    for line, found in zip(LINES, made.translations(LINES, keep_attention=True), strict=True):
        for hypothesis in found.hypotheses if line else ():
            assert hypothesis.attention_TS is not None
            num_source = num_source_pieces(made, line)
            torch.testing.assert_close(hypothesis.attention_TS.sum(1), torch.ones(len(hypothesis.attention_TS)))
            coverage = hypothesis.attention_TS.sum(0)[:num_source].clamp(1e-6, 1).log().sum()
            length = len(hypothesis.token_log_probabilities)
            expected = hypothesis.log_probability / length + 0.5 * float(coverage)
            assert hypothesis.score == pytest.approx(expected, abs=1e-4)
    assert made.translations(LINES)[0].hypotheses[0].attention_TS is None


def num_source_pieces(made: BatchTranslator, line: str) -> int:
    """`</s>` counted, which the decoder looks at too."""
    return len(made.source.encode([line])[0]) + 1


def test_without_attention_there_is_no_coverage(tiny_run: Path) -> None:
    made = translator(tiny_run)
    made.model.decoder.attention = NoAttention(24, made.model.output.in_features)
    parts = [made.model], made.source, made.target
    found = BatchTranslator(*parts, SearchConfig(), made.device).translations(LINES, keep_attention=True)
    assert found[0].hypotheses[0].attention_TS is None
    with pytest.raises(ConfigError, match=r"search\.coverage_penalty needs attention"):
        BatchTranslator(*parts, SearchConfig(coverage_penalty=0.1), made.device)
    with pytest.raises(ConfigError, match="alignments needs attention"):
        BatchTranslator(*parts, SearchConfig(), made.device, with_alignments=True)


EVERYTHING: list[dict[str, Any]] = [
    {"strategy": Greedy, "min_length": 3, "no_repeat_ngram": 2, "avoid": ["two", "six"]},
    {"beam_size": 3, "coverage_penalty": 0.3, "word_reward": 0.2, "min_length_factor": 0.5, "avoid": ["two"]},
    {"beam_size": 4, "must": ["two", "six"], "no_repeat_ngram": 3},
    {"beam_size": 4, "diverse_groups": 2, "length_normalization": LengthNormalization.gnmt},
    {"strategy": Sample, "temperature": 1.3, "top_k": 20, "top_p": 0.9, "avoid": ["two"]},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", EVERYTHING, ids=str)
@settings(deadline=None, max_examples=5)
@given(lines=st.lists(st.sampled_from(LINES), min_size=2, max_size=6), size=st.sampled_from([2, 3]))
def test_no_option_lets_a_batch_matter(tiny_run: Path, options: dict[str, Any], lines: list[str], size: int) -> None:
    alone, together = (translator(tiny_run, batch_size=each, max_length=12, **options) for each in (1, size))
    constraints = [
        LineConstraints("one" if index % 2 else "", avoid=("five",)[: index % 3]) for index in range(len(lines))
    ]
    for one, other in zip(
        alone.translations(lines, constraints=constraints),
        together.translations(lines, constraints=constraints),
        strict=True,
    ):
        assert one.texts == other.texts
        scores = ([item.score for item in each.hypotheses] for each in (one, other))
        torch.testing.assert_close(*(torch.tensor(each) for each in scores), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_options_come_from_the_command_line(tiny_run: Path) -> None:
    options = ["search.must=[six,'two four']", "search.avoid=[one]", "search.length_normalization=none"]
    ended = run_command("translate", f"run={tiny_run}", *options, stdin="하나 둘\n\n셋\n".encode())
    assert ended.code == 0, ended.err
    first, blank, last, rest = ended.out.decode().split("\n")
    assert (blank, rest) == ("", "")
    assert all("six" in text.split() and "two four" in text and "one" not in text.split() for text in (first, last))


def test_evaluate_takes_them_too(call_command: Caller, tiny_run: Path) -> None:
    ended = call_command("evaluate", f"run={tiny_run}", "search.must=[six]", "search.max_length=20")
    result = json.loads(ended.out)
    assert ended.code == 0
    lines = (tiny_run / "evaluation" / result["beam"]["output"]).read_text().splitlines()
    assert all("six" in line.split() for line in lines)
