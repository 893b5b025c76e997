"""`s2s attention`: where a model looks while it translates, as pictures, as a page, or step by step in numbers."""

import enum
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.cli.output_names import sentence_name
from s2s.config.decoding import check_gives_one
from s2s.config.options import Options, Takes, option
from s2s.config.pictures import LANGUAGE_HELP, TITLE_HELP, Language
from s2s.config.search import SearchConfig
from s2s.config.training import DEVICE_HELP, Device
from s2s.errors import ConfigError, DataError

if TYPE_CHECKING:
    from s2s.analysis.attention import WordAttention
    from s2s.decoding.batch_translator import BatchTranslator

_logger = logging.getLogger(__name__)


class PictureFormat(enum.Enum):
    """What attention is drawn as."""

    png = "png"
    svg = "svg"
    pdf = "pdf"
    html = "html"


@dataclass
class AttentionConfig(Options):
    """Options of `attention`."""

    run: str = option("???", "folder of a trained run", takes=Takes.run)
    device: Device = option(Device.auto, DEVICE_HELP)
    text: str | None = option(None, "a sentence, taken as it stands; left out: input", takes=Takes.sentence)
    target: str | None = option(
        None, "text: its translation, taken as it stands; left out: the model's own", takes=Takes.sentence
    )
    input: str | None = option(
        None,
        "file, plain or .gz, of sentences, a tab and a translation after any of them; left out: standard input",
        takes=Takes.file,
    )
    step: int | None = option(
        None,
        "text: print the six steps of this step of the decoder, with their numbers, and draw nothing",
        low=1,
        high=1_000_000,
    )
    title: str | None = option(None, TITLE_HELP, takes=Takes.sentence)
    language: Language = option(Language.en, LANGUAGE_HELP)
    output: str | None = option(
        None,
        "folder of the pictures, 1.png and so on; left out: RUN/plots, where each is named after its sentence",
        takes=Takes.folder,
    )
    formats: list[PictureFormat] = option(
        [PictureFormat.png, PictureFormat.svg, PictureFormat.html],
        "png, svg, pdf: a picture for each sentence (need the extra s2s[plots]); html: a page for all",
    )
    ends: bool = option(True, "show `</s>`, the end of a sentence; without it, attention to it is missing")
    pieces: bool = option(False, "draw a row or column for each subword piece, not for each word")
    most: int = option(20, "most sentences drawn; the rest is left out, with a warning", low=1, high=1_000_000)
    batch_size: int = option(64, "sentences translated at once", low=1, high=1_000_000)
    search: SearchConfig = field(default_factory=SearchConfig)

    def check(self) -> None:
        if self.text is None:
            for name, value in (("target", self.target), ("step", self.step)):
                if value is not None:
                    raise ConfigError(f"{name}={value} belongs to text=SENTENCE, which is not given")
        elif self.input is not None:
            raise ConfigError(f"text and input={self.input} both say what to read; leave one of them out")
        elif not self.text.strip():
            raise ConfigError("text is blank: expected a sentence")
        if not self.formats:
            raise ConfigError("formats is empty: expected some of png, svg, pdf and html, such as formats=html")
        check_gives_one(self.search, "drawn")


def attention(config: AttentionConfig) -> None:
    """Draw the sentences and print the names of the files; or print the six steps of one step."""
    from s2s.analysis.attention import check_has_attention, piece_pairs
    from s2s.analysis.plots.figure import require_matplotlib
    from s2s.analysis.six_steps import six_steps, six_steps_text
    from s2s.decoding.batch_translator import BatchTranslator

    translator = BatchTranslator.load(
        config.run, search=config.search, device=config.device, batch_size=config.batch_size
    )
    check_has_attention(translator, config.run)
    if config.step is not None:
        assert config.text is not None
        [pair] = piece_pairs(translator, [config.text], [config.target])
        print(six_steps_text(six_steps(translator, pair, config.step)))
        return
    if set(config.formats) != {PictureFormat.html}:
        require_matplotlib()  # before anything is translated
    sentences = _sentences(config, translator)
    if not sentences:
        raise DataError("nothing to draw: expected a sentence that has a translation, got blank ones")
    _draw(config, sentences)


def _sentences(config: AttentionConfig, translator: "BatchTranslator") -> "list[tuple[str, WordAttention]]":
    """What is to be drawn: lines with words on both sides, and their attention; a message tells of each other one."""
    from s2s.analysis.attention import attention_of_pairs, piece_pairs
    from s2s.decoding.line_warnings import warn_of_line

    rows = list(islice(_rows(config), config.most + 1))
    if len(rows) > config.most:
        _logger.warning("warning: only the first %d sentences are drawn; most=NUMBER draws more", config.most)
    sources, targets = [source for source, _ in rows[: config.most]], [target for _, target in rows[: config.most]]
    pairs = piece_pairs(translator, sources, targets)
    found = attention_of_pairs(translator, pairs, has_ends=config.ends, is_merged=not config.pieces)
    for number, (pair, sentence) in enumerate(zip(pairs, found, strict=True), start=1):
        if sentence is None:
            side = "translation" if pair.source else "sentence"
            warn_of_line(number, "nothing to draw, as the %s is empty", side)
    lines = (source if target is None else f"{source}\t{target}" for source, target in rows)
    return [(line, each) for line, each in zip(lines, found, strict=False) if each is not None]


def _rows(config: AttentionConfig) -> Iterator[tuple[str, str | None]]:
    """Sentences, each with its translation where one is given."""
    from s2s.decoding.streaming.input_lines import decode, open_input, read_blocks

    if config.text is not None:
        yield config.text, config.target
        return
    with open_input(Path(config.input) if config.input else None) as given:
        for window in filter(None, read_blocks(given)):
            for number, line in enumerate(window.lines, window.first_line):
                sides = decode(line, number).split("\t")
                if len(sides) > 2:
                    raise DataError(
                        f"line {number}: expected a sentence, or a sentence, a tab and its translation, got "
                        f"{len(sides) - 1} tabs"
                    )
                yield sides[0], sides[1] if len(sides) == 2 else None


def _draw(config: AttentionConfig, sentences: "Sequence[tuple[str, WordAttention]]") -> None:
    """Write the files that were asked for, and their names on stdout."""
    from s2s.analysis.pages.attention_page import attention_page
    from s2s.analysis.picture_words import localized
    from s2s.analysis.plots.attention_heat_map import plot_attention
    from s2s.files import write_text
    from s2s.runs.folder import RunFolder
    from s2s.runs.saved_config import load_config

    run = RunFolder.existing(config.run)
    options = load_config(run.config)
    if config.output:
        folder, page_name = Path(config.output), "attention"
        names = [str(number) for number in range(1, len(sentences) + 1)]
    else:
        folder, names = run.path / "plots", [f"attention-{sentence_name(line)}" for line, _ in sentences]
        page_name = "attention-" + sentence_name("\n".join(line for line, _ in sentences))
    for form in dict.fromkeys(config.formats):
        if form is PictureFormat.html:
            title = f"Attention of {run.path.resolve().name}" if config.title is None else config.title
            languages = options.data.source_language, options.data.target_language
            path = folder / f"{page_name}.html"
            write_text(path, attention_page([each for _, each in sentences], title, languages))
            print(path)
        else:
            pattern = localized("{cell}, {score} attention", config.language)
            title = pattern.format(cell=options.model.cell.name.upper(), score=options.model.attention.name)
            title = title if config.title is None else config.title
            for name, (_, each) in zip(names, sentences, strict=True):
                path = folder / f"{name}.{form.name}"
                plot_attention(each.weights_JI, each.source, each.target, path, title=title, language=config.language)
                print(path)


COMMAND = Command(
    attention,
    AttentionConfig,
    bare=("run",),
    examples=(
        "runs/demo text='저는 어제 책을 읽었어요.'",
        "runs/demo text='저는 어제 책을 읽었어요.' step=1",
        "runs/demo input=korean.txt formats=html",
    ),
)
