"""`s2s train`: from a choice of data and model to a run folder that translates."""

import re
from collections.abc import Mapping
from pathlib import Path

from s2s.cli.commands import Command
from s2s.config.training import Config

_NO_LANGUAGES = ("src", "tgt", "trg", "txt", "tsv", "csv", "tok")  # endings of three letters


def train(config: Config) -> None:
    """Train, or go on with a run that was stopped."""
    from s2s.tasks.train_run import train

    train(config)


def _of_own_files(given: Mapping[str, list[str]], is_sweep: bool) -> dict[str, str]:
    """What follows from files of one's own: data=files, languages from their endings, a run named after both.

    `corpus.ko corpus.en` are Korean and English, and their run is `runs/corpus-ko-en`; `corpus.ko.gz` is as good.
    """
    files = given.get("data.train", [])
    if not files or given.keys() & {"data", "data.corpus", "task"}:
        return {}
    if len(files) > 2:
        return {"data": "files"}  # whose check says how many there may be
    names = [Path(file).name.removesuffix(".gz") for file in files]
    languages = [_language(name) for name in names]
    implied = {"data": "files"}
    if all(languages) and len(set(languages)) == 2:
        stems = dict.fromkeys(
            name.removesuffix(f".{language}") for name, language in zip(names, languages, strict=True)
        )
        parts = [*stems, *languages]
        implied |= {"data.source_language": languages[0], "data.target_language": languages[1]}
    else:
        parts = [Path(name).stem for name in names]
    model = [] if is_sweep else given.get("model", [])
    return implied | {"run": f"runs/{'-'.join([*parts, *model])}"}


def _language(name: str) -> str:
    """The language that a file's ending names, such as `ko`, `deu` or `zh-Hant`; empty where it names none."""
    ending = name.rpartition(".")[2]
    is_language = re.fullmatch(r"[a-z]{2,3}(?:[-_][A-Za-z]{2,4})?", ending) and "." in name
    return ending if is_language and ending not in _NO_LANGUAGES else ""


COMMAND = Command(
    train,
    Config,
    makes_runs=True,
    bare=("data.train",),
    implied=_of_own_files,
    imports=("s2s.tasks.train_run",),
    examples=(
        "",
        "corpus.ko corpus.en",
        "-m model=rnn,lstm,gru seed=1,2,3",
    ),
    common=(
        "data.train",
        "model.layers",
        "model.hidden_size",
        "model.dropout",
        "training.batch_tokens",
        "training.max_steps",
        "training.max_minutes",
        "subwords.vocabulary_size",
    ),
)
