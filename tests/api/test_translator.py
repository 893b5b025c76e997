"""The translator of the Python API: a string in and a string out, keywords, and what it shows."""

import logging
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

import s2s
from s2s.api.keywords import NBestOptions
from s2s.config.search import SearchConfig, Strategy
from s2s.decoding import batch_translator
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.search.search import beam_search


@pytest.fixture(scope="module")
def translator(tiny_run: Path) -> s2s.Translator:
    return s2s.Translator.load(tiny_run, device="cpu")


SOURCE, TARGET = "하나 둘 셋", "three two one"


def test_a_string_gives_a_string_and_a_list_a_list(translator: s2s.Translator, tiny_run: Path) -> None:
    [expected] = BatchTranslator.load(tiny_run, device="cpu").translate([SOURCE])
    assert translator.translate(SOURCE) == expected
    assert translator.translate([SOURCE, " ", SOURCE]) == [expected, "", expected]
    assert translator.translate(line for line in (SOURCE,)) == [expected]
    assert translator.translate(np.array([SOURCE])) == [expected]
    assert translator.translate([]) == []


def test_search_is_chosen_by_keywords(translator: s2s.Translator, tiny_run: Path) -> None:
    core = BatchTranslator.load(tiny_run, device="cpu")
    for keywords, config in (
        ({"search": "greedy"}, SearchConfig(strategy=Strategy.greedy)),
        ({"beam_size": 2, "max_length": 3}, SearchConfig(beam_size=2, max_length=3)),
        ({"search": "sample", "seed": 7, "top_k": 3}, SearchConfig(strategy=Strategy.sample, seed=7, top_k=3)),
        ({"search": SearchConfig(beam_size=3), "length_normalization": "gnmt"}, None),
        ({"avoid": "one", "beam_size": np.int64(4)}, SearchConfig(avoid=["one"], beam_size=4)),
    ):
        found = translator.translate([SOURCE], **keywords)  # type: ignore[call-overload]
        if config is not None:
            assert found == core.with_search(config).translate([SOURCE])
    assert translator.search == SearchConfig()  # what one call was told holds for no other
    assert s2s.Translator.load(tiny_run, search="greedy", max_length=9).search.max_length == 9


def test_several_translations_are_objects(translator: s2s.Translator) -> None:
    found = translator.translate(SOURCE, num_best=3)
    assert [type(each) for each in found] == [s2s.Translation] * 3
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert [len(each) for each in translator.translate([SOURCE, SOURCE], num_best=2)] == [2, 2]
    best = found[0]
    assert best.text == str(best) == translator.translate(SOURCE)
    assert best.log_probability == pytest.approx(best.log_probabilities.sum())
    assert translator.translate(SOURCE, search="sample", num_best=4, mbr="chrf") in [
        each.text for each in translator.translations(SOURCE, search="sample", num_best=4)
    ]
    [[aligned]] = translator.translations([SOURCE], alignments=True)
    assert aligned.alignment is not None
    assert best.alignment is None


def test_constraints_are_those_of_their_sentence(translator: s2s.Translator) -> None:
    constraints = [s2s.LineConstraints(prefix="two"), s2s.LineConstraints(prefix="one")]
    assert [text[:3] for text in translator.translate([SOURCE, SOURCE], constraints=constraints)] == ["two", "one"]
    assert translator.translate(SOURCE, constraints=constraints[0])[:3] == "two"
    with pytest.raises(s2s.DataError, match="expected constraints for each of 2 sentences, got 1"):
        translator.translate([SOURCE, SOURCE], constraints=constraints[:1])


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"beam_size": 0}, "^beam_size must be .*1.*, but is 0"),
        (
            {"must": ["search.ko"], "avoid": ["search.ko"]},
            r"^search\.ko must not occur \(avoid\) and must occur \(must",
        ),
        ({"beams": 3}, r"^beams: no such keyword; did you mean beam_size\?"),
        ({"beam_sise": 3}, r"^beam_sise: no such keyword; did you mean beam_size\?"),
        ({"beam_size": "many"}, "^beam_size must be a whole number, but is 'many'"),
        ({"max_length": 1.5}, "^max_length must be a whole number or None, but is 1.5"),
        ({"replace_unknown": 1}, "^replace_unknown must be True or False, but is 1"),
        ({"avoid": [3]}, "^avoid must be a text, but is 3"),
        ({"search": "bean"}, r"^search must be one of 'greedy', 'beam', 'sample' \(did you mean 'beam'\?\), but is"),
        ({"num_best": 9}, "^num_best=9 needs beam_size of at least as much"),
        ({"search": "greedy", "must": ["one"]}, "^must=.* belongs to strategy=beam, not to greedy"),
        ({"mbr": "chrf"}, "^mbr=chrf chooses among several translations: add num_best=20"),
    ],
)
def test_errors_speak_of_keywords(translator: s2s.Translator, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(s2s.ConfigError, match=message):
        translator.translate(SOURCE, **keywords)


@pytest.mark.parametrize("text", [None, 3, b"abc", ["a", None]])
def test_what_is_no_text_is_refused(translator: s2s.Translator, text: Any) -> None:
    with pytest.raises(s2s.DataError, match="expected a"):
        translator.translate(text)


def test_a_missing_run_is_named_without_the_shell(tmp_path: Path) -> None:
    for open_run in (s2s.Run, s2s.Translator.load):
        for name in ("no", "search.ko", "run=no/search.seed"):
            with pytest.raises(s2s.RunError, match=rf"^{tmp_path}/{name} does not exist: .* with s2s\.train"):
                open_run(tmp_path / name)


def test_the_keywords_are_the_options_of_search() -> None:
    """One list for editors, which read no other code; its names and types are those of the dataclass."""
    options = get_type_hints(NBestOptions)
    assert list(options) == [item.name for item in fields(SearchConfig) if item.name != "num_best"] + ["num_best"]
    for item in fields(SearchConfig):
        is_enum = hasattr(item.type, "__members__")
        assert options[item.name] == (str if is_enum and item.name != "strategy" else options[item.name])
        assert is_enum or options[item.name] == item.type
    for method in (s2s.Translator.translate, s2s.Translator.beam, s2s.Translator.load):
        defaults = {name: each.default for name, each in signature(method).parameters.items()}
        assert defaults["beam_size"] == SearchConfig.beam_size


def test_attention_is_that_of_the_command(translator: s2s.Translator, blind_run: Path) -> None:
    own = translator.attention(SOURCE)
    assert own.weights.shape == (len(own.target), len(own.source))
    np.testing.assert_allclose(own.weights.sum(axis=1), 1, atol=1e-5)
    given = translator.attention(SOURCE, TARGET, ends=False)
    assert (given.source, given.target) == (tuple(SOURCE.split()), tuple(TARGET.split()))
    assert "three" in repr(given)
    assert len(translator.attention([SOURCE, "둘"], [TARGET, None])) == 2
    with pytest.raises(s2s.DataError, match="blank"):
        translator.attention(" ")
    with pytest.raises(s2s.DataError, match="a translation for each of 2 sentences, got 1"):
        translator.attention([SOURCE, SOURCE], [TARGET])
    with pytest.raises(s2s.RunError, match=r"model\.attention=none"):
        s2s.Translator.load(blind_run).attention(SOURCE)


def test_the_beam_is_that_of_the_search(translator: s2s.Translator) -> None:
    beam = translator.beam(SOURCE, beam_size=4)
    best = translator.translations(SOURCE, beam_size=4)[0]
    assert beam.translation.text == best.text
    on_way = [step.pieces[rank] for step, rank in zip(beam.steps, beam.best, strict=False)]
    assert tuple(on_way) == best.pieces
    total = 0.0
    for step, rank in zip(beam.steps, beam.best, strict=False):
        total += step.log_probabilities[rank]
        assert step.totals[rank] == pytest.approx(total, abs=1e-4)
        assert len(step.pieces) <= 4
        assert list(step.totals) == sorted(step.totals, reverse=True)
    assert beam.steps[len(beam.best) - 1].scores[beam.best[-1]] == pytest.approx(best.score, abs=1e-5)
    assert sum(line.split()[1:2] == ["*"] or line.split()[:1] == ["*"] for line in repr(beam).splitlines()) == len(
        beam.best
    )
    with pytest.raises(s2s.ConfigError, match="search=greedy has no beam"):
        translator.beam(SOURCE, search="greedy")
    with pytest.raises(s2s.DataError, match="blank"):
        translator.beam("  ")


def test_a_beam_takes_one_search(translator: s2s.Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def counted(*args: Any, beam_size: int, **options: Any) -> Any:
        sizes.append(beam_size)
        return beam_search(*args, beam_size=beam_size, **options)

    monkeypatch.setattr(batch_translator, "beam_search", counted)
    translator.beam(SOURCE, beam_size=3)
    assert sizes == [3]


def test_gates_are_those_of_the_command(translator: s2s.Translator) -> None:
    gates = translator.gates(SOURCE, num_units=2, lines=3)
    assert gates["forget"].shape == (len(gates.pieces), 12)
    assert ((gates["forget"] >= 0) & (gates["forget"] <= 1)).all()
    assert len(gates.units) == 4
    assert gates.mean_gates[gates.units[0]] == gates.mean_gates.max()
    assert translator.gates(SOURCE, units=[3], lines=0, direction="backwards").units == (3,)
    with pytest.raises(s2s.ConfigError, match="layer=2: the encoder of"):
        translator.gates(SOURCE, layer=2)
    with pytest.raises(s2s.ConfigError, match="direction must be one of 'forwards', 'backwards'"):
        translator.gates(SOURCE, direction="up")


def test_pairs_are_scored_and_aligned(translator: s2s.Translator) -> None:
    score = translator.score((SOURCE, TARGET))
    assert len(score.pieces) == len(score.log_probabilities)
    assert [each.target for each in translator.score([(SOURCE, TARGET), (SOURCE, "one")])] == [TARGET, "one"]
    alignment = translator.align((SOURCE, TARGET))
    assert str(alignment) == " ".join(f"{i}-{j}" for i, j in alignment.links)
    assert alignment.matrix.sum() == len(alignment.links) == 3
    for pairs in ("ab", ["ab"], [("a",)], [("a", 3)], 3):
        with pytest.raises(s2s.DataError, match=r"expected \(source, target\)"):
            translator.score(pairs)  # type: ignore[call-overload]


def test_it_says_what_it_is(translator: s2s.Translator, tiny_run: Path, blind_run: Path) -> None:
    assert "LSTM with dot attention, 1 layer of 24 units" in repr(translator)
    assert "test BLEU" in repr(translator)
    assert "an ensemble of" in repr(s2s.Translator.load([tiny_run, tiny_run]))
    assert "LSTM without attention" in repr(s2s.Translator.load(blind_run))


def test_a_long_source_is_told_by_its_warning(translator: s2s.Translator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    translator.translate("하나 " * 9, max_source_pieces=3)
    assert "cut" in caplog.text
