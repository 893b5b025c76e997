"""`s2s train` with files of one's own: what follows from their names."""

import pytest

from s2s.cli.arguments import overrides_of
from s2s.cli.commands import command_of

LANGUAGES = ["data.source_language=ko", "data.target_language=en"]


@pytest.mark.parametrize(
    ("arguments", "implied"),
    [
        ("corpus.ko corpus.en", ["data=files", *LANGUAGES, "run=runs/corpus-ko-en"]),
        ("/x/corpus.ko.gz /y/corpus.en.gz", ["data=files", *LANGUAGES, "run=runs/corpus-ko-en"]),
        ("data.train=corpus.ko,corpus.en", ["data=files", *LANGUAGES, "run=runs/corpus-ko-en"]),
        ("a.ko b.en model=gru", ["data=files", *LANGUAGES, "run=runs/a-b-ko-en-gru"]),
        ("-m a.ko a.en model=gru,rnn", ["data=files", *LANGUAGES, "run=runs/a-ko-en"]),
        ("korean.txt english.txt", ["data=files", "run=runs/korean-english"]),
        ("pairs.tsv", ["data=files", "run=runs/pairs"]),
        ("data=labelled a.txt b.txt", []),
        ("data=files a.ko b.en", []),
        ("seed=3", []),
    ],
)
def test_files_say_what_they_are(arguments: str, implied: list[str]) -> None:
    typed = [argument for argument in arguments.split() if argument != "-m"]
    overrides = overrides_of(typed, "train", command_of("train"), is_sweep="-m" in arguments)
    given = ("data.train=", "model=", "seed=", *(["data="] if "data=" in arguments.split("data.train")[0] else []))
    assert sorted(override for override in overrides if not override.startswith(given)) == sorted(implied)


def test_what_is_given_is_not_implied() -> None:
    typed = ["a.ko", "a.en", "run=mine", "data.source_language=jeju"]
    overrides = overrides_of(typed, "train", command_of("train"))
    assert {"run=mine", "data.source_language=jeju", "data.target_language=en"} <= set(overrides)
    assert len(overrides) == 5
