"""Values of options: what is typed on the command line arrives as it was typed, whatever its characters."""

import dataclasses
import string
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from s2s.cli.commands import LINE_OF, command_of
from s2s.cli.option_table import option_fields
from s2s.cli.values import Kind, choice_of, parts_of, value_of
from s2s.config.model import Cell
from s2s.config.options import Takes, as_argument
from s2s.errors import ConfigError

TEXT, PATH = Kind.of(str, Takes.text), Kind.of(str | None, Takes.file)
PATHS, NUMBERS = Kind.of(list[str], Takes.file), Kind.of(list[int] | None, Takes.text)
SENTENCE = Kind.of(str, Takes.sentence)


def read(text: str, kind: Kind, *, is_sweep: bool = False, names: Any = ()) -> Any:
    """What Hydra and OmegaConf make of a value that was typed."""
    override = OverridesParser.create().parse_override(f"x={value_of('x', text, kind, names, is_sweep=is_sweep)}")
    if override.is_sweep_override():
        return [composed(each) for each in override.sweep_string_iterator()]
    return composed(override.get_value_string())


def composed(value: str) -> Any:
    override = OverridesParser.create().parse_override(f"x={value}")
    return OmegaConf.to_container(OmegaConf.create({"x": override.value()}), resolve=True)["x"]  # type: ignore[index,call-overload]


# No null character, as no program is given one, and no quotation marks round the whole, which are taken away.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
unquoted = texts.filter(lambda text: text[:1] not in "\"'~" and text != "null")


@given(unquoted)
def test_any_text_arrives_as_it_was_typed(text: str) -> None:
    assert read(text, TEXT) == text
    if text:
        assert read(text, PATH) == text


def test_no_file_has_an_empty_name() -> None:
    assert read("", TEXT) == ""
    with pytest.raises(ConfigError, match=r"^x= is empty: expected the name of a file$"):
        read("", PATH)


@given(texts)
def test_a_sentence_keeps_its_quotation_marks_and_commas(text: str) -> None:
    assert read(text, SENTENCE) == text
    assert read(text, SENTENCE, is_sweep=True) == text


@given(st.lists(unquoted.filter(lambda text: "," not in text and text[:1] != "[" and text == text.strip()), max_size=4))
def test_a_list_needs_no_brackets(entries: list[str]) -> None:
    if entries != [""]:
        assert read(",".join(entries), PATHS) == entries
    assert read(f"[{','.join(entries)}]", PATHS) == entries if not {"[", "]"} & {*"".join(entries)} else True


@given(st.lists(texts.filter(lambda text: text[:1] != "~"), max_size=4))
def test_a_list_is_read_as_it_is_written(entries: list[str]) -> None:
    assert read(as_argument(entries), PATHS) == entries
    assert read(as_argument(entries), PATHS, is_sweep=True) == entries


@pytest.mark.parametrize(
    "text",
    [
        "말뭉치.ko",
        "a b",
        "(1)",
        "a=b",
        "it's",
        'say "so"',
        "$x",
        "#1",
        "{x}",
        "${x}",
        "a,b",
        "1",
        "1e5",
        "null.txt",
        "-",
    ],
)
def test_names_of_files(text: str) -> None:
    assert read(text, PATH) == text
    assert read(f'"{text}"', PATHS) == [text] if '"' not in text else True


def test_a_tilde_is_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    assert read("~/x y", PATH) == "/home/user/x y"
    assert read("~", PATH) == "/home/user"
    assert read("~x,~/y", PATHS) == ["~x", "/home/user/y"]
    assert read("~/x", TEXT) == "~/x"


def test_a_file_with_a_comma_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a,b").touch()
    assert read(f"{tmp_path}/a,b", PATHS) == [f"{tmp_path}/a,b"]
    assert read(f"{tmp_path}/c,b", PATHS) == [f"{tmp_path}/c", "b"]
    assert read("'c,d',[e].ko", PATHS) == ["c,d", "[e].ko"]
    assert read('["c,d", e]', PATHS) == ["c,d", "e"]


def test_quotation_marks_round_a_whole_value_are_taken_away() -> None:
    assert read('"a b"', TEXT) == "a b"
    assert read("'null'", PATH) == "null"
    assert read(r'"say \"so\", \\"', TEXT) == 'say "so", \\'
    assert read("null", PATH) is None


def test_only_options_are_looked_up() -> None:
    assert value_of("x", "r/${seed}-${sed}", TEXT, {"seed": None}, is_sweep=False) == r'"r/${seed}-\${sed}"'
    number = Kind.of(int, Takes.text)
    assert value_of("x", "${seed}", number, {"seed": None}, is_sweep=False) == "${seed}"
    with pytest.raises(ConfigError, match="x: expected a whole number, got"):
        value_of("x", "${sed}", number, {"seed": None}, is_sweep=False)


def test_nothing_is_looked_up_in_sentences_and_words() -> None:
    text = "${seed}-${oc.env:HOME}"
    assert read(text, SENTENCE, names={"seed"}) == text
    assert read(f"{text},x", Kind.of(list[str], Takes.sentence), names={"seed"}) == [text, "x"]
    fields = [field for name in LINE_OF for field in option_fields(command_of(name).options)]
    assert {name for name, item in fields if item.metadata.get("takes") is Takes.sentence} == {
        "text",
        "target",
        "title",
        "labels",
        "search.must",
        "search.avoid",
    }


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("7,10", NUMBERS, [7, 10]),
        ("[7, 10]", NUMBERS, [7, 10]),
        ("7", NUMBERS, [7]),
        ("", NUMBERS, []),
        ("[]", NUMBERS, []),
        ("null", NUMBERS, None),
        ("60_000", Kind.of(int, Takes.text), 60_000),
        ("1e-3", Kind.of(float, Takes.text), 0.001),
        (".5", Kind.of(float, Takes.text), 0.5),
        ("Yes", Kind.of(bool, Takes.text), True),
        ("0", Kind.of(bool, Takes.text), False),
        ("rnn, gru", Kind.of(list[Cell], Takes.text), ["rnn", "gru"]),
    ],
)
def test_values_of_each_type(text: str, kind: Kind, values: Any) -> None:
    assert read(text, kind) == values


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("x", Kind.of(int, Takes.text), "expected a whole number, got x"),
        ("1e30", Kind.of(int, Takes.text), "expected a whole number, got 1e30"),
        ("9" * 5000, Kind.of(int, Takes.text), r"expected a whole number, got 9{60}\.\.\.$"),
        ("1,5", Kind.of(float, Takes.text), "has several values, but takes one: add -m"),
        ("", Kind.of(float | None, Takes.text), "expected a number or null, got $"),
        ("maybe", Kind.of(bool, Takes.text), "expected true or false, got maybe"),
        ("7,x", NUMBERS, "expected a whole number or null, got x"),
        ("[1],[2]", NUMBERS, "has several values"),
        ("gpu", Kind.of(Cell, Takes.text), "expected one of rnn, lstm, gru, got gpu"),
    ],
)
def test_what_a_type_does_not_take(text: str, kind: Kind, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        value_of("x", text, kind, {}, is_sweep=False)


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("1,2", Kind.of(int, Takes.text), [1, 2]),
        ("range(1,4)", Kind.of(int, Takes.text), [1, 2, 3]),
        ("한,둘 셋", PATH, ["한", "둘 셋"]),
        ('"a,b",c', PATH, ["a,b", "c"]),
        ("a.ko,a.en", PATHS, ["a.ko", "a.en"]),  # a list, as without a sweep
        ("[a.ko,a.en],[b.ko,b.en]", PATHS, [["a.ko", "a.en"], ["b.ko", "b.en"]]),
    ],
)
def test_what_a_sweep_goes_over(text: str, kind: Kind, values: list[Any]) -> None:
    assert read(text, kind, is_sweep=True) == values


def test_choices() -> None:
    assert choice_of("model", "gru", ["gru", "rnn"], is_sweep=False) == "gru"
    assert choice_of("model", "gru,rnn", ["gru", "rnn"], is_sweep=True) == "gru,rnn"
    with pytest.raises(ConfigError, match=r"^model=\[gru,rnn\]: expected one of gru, rnn"):
        choice_of("model", "[gru,rnn]", ["gru", "rnn"], is_sweep=True)
    with pytest.raises(ConfigError, match="has several values"):
        choice_of("model", "gru,rnn", ["gru", "rnn"], is_sweep=False)
    with pytest.raises(ConfigError, match=r"^model=grv: expected one of gru, rnn \(did you mean gru\?\)$"):
        choice_of("model", "rnn,grv", ["gru", "rnn"], is_sweep=True)


@given(st.lists(st.text(string.ascii_letters + " '\"[](){}=$#\\", max_size=8), min_size=1, max_size=4))
def test_commas_divide_whatever_else_is_typed(entries: list[str]) -> None:
    """Unless brackets or quotation marks that open at the beginning of a part close before another comma."""
    bare = [entry for entry in entries if entry.strip()[:1] not in ("[", '"', "'")]
    assert [part for _, part in parts_of(",".join(bare))] == [entry.strip() for entry in bare or [""]]


def test_a_kind_is_what_a_field_says() -> None:
    assert Kind.of(list[int] | None, Takes.text) == Kind(int, True, True, Takes.text)
    assert Kind.of(Cell, Takes.text) == Kind(Cell, False, False, Takes.text)
    assert [each.name for each in dataclasses.fields(Kind)] == ["scalar", "is_list", "has_null", "takes"]
