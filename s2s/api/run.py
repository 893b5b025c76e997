"""A training run: its options, metrics, scores and samples, and the translator that came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s.analysis.learning_curves import CurveOf, draw_curves, svg_curves
from s2s.analysis.pages.notebook import fragment, joined
from s2s.analysis.run_comparison import model_name
from s2s.api.keywords import keyword_errors, language_of
from s2s.api.translator import Translator
from s2s.config.options import flatten
from s2s.config.pictures import Language
from s2s.config.training import MEASURES_OF, Config, Task
from s2s.errors import MissingExtraError
from s2s.runs.folder import RunFolder
from s2s.runs.metrics import read_metrics
from s2s.runs.saved_config import load_config
from s2s.runs.summary import Summary, read_summary
from s2s.text_tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_MOST_ROWS = 30  # of a table of validations; of more, every k-th is shown
Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Metrics:
    """What a run measured of itself, as arrays: `metrics.dev["bleu"]`.

    >>> import s2s
    >>> metrics = s2s.Run("runs/demo").metrics
    >>> metrics.dev["step"]
    array([ 6., 12.])
    >>> sorted(metrics.dev)
    ['bleu', 'elapsed_s', 'epoch', 'loss_nats', 'perplexity', 'step']

    Attributes:
        train: columns of N rows, the means since the row before: `step` (updates made), `epoch` (passes over the text
            completed), `elapsed_s` (seconds of training), `loss_nats` (a target token, or a text), `learning_rate`,
            `skipped_steps` and `target_tokens_per_s` (or `texts_per_s`).
        dev: columns of M rows, one a validation: `step`, `epoch`, `elapsed_s`, `loss_nats`, `perplexity`, and `bleu`,
            or of a classifier `accuracy` and `f1`, all three 0 to 100.
        rows: all of them as the file has them, in order. What is not a number is None there and NaN in the arrays.
    """

    train: Columns
    dev: Columns
    rows: tuple[Mapping[str, Any], ...]

    def to_pandas(self) -> "DataFrame":
        """All rows as a DataFrame, in which the column `kind` tells training ("train") from validations ("dev").

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError as error:
            raise MissingExtraError("a DataFrame needs pandas: pip install pandas") from error
        return DataFrame.from_records([dict(row) for row in self.rows])

    def __repr__(self) -> str:
        return f"Metrics of {len(self.rows)} rows; validations:\n{table(_dev_rows(self.dev), '>')}"

    def _repr_html_(self) -> str:
        head, *rows = _dev_rows(self.dev)
        return fragment("numbers.html", head=head, rows=rows)


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """How a run learnt.

    >>> import s2s
    >>> curve = s2s.Run("runs/demo").curve
    >>> curve.dev["loss_nats"].shape
    (2,)

    Attributes:
        train, dev: columns, as `Metrics` has them.
    """

    train: Columns
    dev: Columns
    _curve: CurveOf

    def __repr__(self) -> str:
        return f"LearningCurve; validations:\n{table(_dev_rows(self.dev), '>')}"

    def _repr_html_(self) -> str:
        return joined([str(chart) for chart in svg_curves([self._curve])])

    def plot(self, *, title: str | None = None, language: Language | str = Language.en) -> "Figure":
        """Loss and scores over the updates of the weights.

        Args:
            title: above them; left out: the model.
            language: of the axes, en or ko.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_curves(
            [self._curve], title=self._curve.name if title is None else title, language=language_of(language)
        )


class Run:
    """A run folder. Nothing in it is changed.

    >>> import s2s
    >>> run = s2s.Run("runs/demo")
    >>> run
    Run runs/demo: ... LSTM with dot attention, 1 layer of 24 units, ended at step 12, test BLEU ...
    >>> run.options["model.hidden_size"], run.summary["lines"], len(run.samples)
    (24, 15, 5)
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open the folder of a run, also of one that is still being trained.

        Raises:
            RunError: there is no such folder, or it is not a run.
        """
        with keyword_errors():
            self._folder = RunFolder.existing(str(path))
        self.path = Path(path)

    @cached_property
    def _config(self) -> Config:
        return load_config(self._folder.config)

    @property
    def options(self) -> dict[str, Any]:
        """Every option by its name, such as "training.max_steps".

        Of paths only the last names are kept, and `run` is empty. So `s2s.train` takes the options with `run`, and with
        the paths of your own text: `s2s.train(**{**run.options, "data.train": ["a.ko", "b.en"], "run": "runs/other"})`.
        """
        return flatten(self._config)

    @property
    def is_finished(self) -> bool:
        """Whether training has ended and the test set has been scored."""
        return self.summary is not None

    @property
    def summary(self) -> dict[str, Any] | None:
        """The scores of the test set, with their signatures; None while the run is unfinished.

        Raises:
            RunError: the file is damaged.
        """
        summary = self._summary()
        return None if summary is None else summary.test

    @property
    def samples(self) -> list[dict[str, str]]:
        """Some sentences of the test set: source, reference and translation; none while the run is unfinished.

        Raises:
            RunError: the file is damaged.
        """
        summary = self._summary()
        return [] if summary is None else summary.samples

    @property
    def metrics(self) -> Metrics:
        """What the run has measured so far.

        Raises:
            RunError: the file is damaged.
        """
        rows = read_metrics(self._folder.metrics)
        return Metrics(_columns(rows, "train"), _columns(rows, "dev"), tuple(rows))

    @property
    def curve(self) -> LearningCurve:
        """How the run has learnt so far."""
        metrics = self.metrics
        name = model_name(self._config)
        return LearningCurve(metrics.train, metrics.dev, CurveOf(name, metrics.rows, MEASURES_OF[self._config.task]))

    def translator(self, **options: Any) -> Translator:
        """The translator of this run; the keywords are those of `Translator.load`.

        >>> import s2s
        >>> s2s.Run("runs/demo").translator(beam_size=2).search.beam_size
        2

        Raises:
            RunError: the run has no weights yet, or is a classifier.
        """
        return Translator.load(self.path, **options)

    def __repr__(self) -> str:
        return f"Run {self.path}: {self._line()}"

    def _line(self) -> str:
        config, facts = self._config, []
        if config.task is Task.translate:
            facts.append(f"{config.data.source_language} → {config.data.target_language}")
        facts.append(model_name(config))
        rows = self.metrics.rows
        facts.append(f"{'ended' if self.is_finished else 'unfinished'} at step {rows[-1]['step'] if rows else 0:,}")
        scores = MEASURES_OF[config.task].test
        facts += [f"test {title} {self.summary[name]:.2f}" for name, title in scores.items() if self.summary]
        return ", ".join(facts)

    def _repr_html_(self) -> str:
        charts = joined([str(chart) for chart in svg_curves([self.curve._curve])])
        return joined([fragment("run.html", title=str(self.path), line=self._line()), charts])

    def _summary(self) -> Summary | None:
        return read_summary(self._folder, self._config.task)


def _columns(rows: Sequence[Mapping[str, Any]], kind: str) -> Columns:
    """The rows of one kind as arrays, with NaN for what is missing."""
    chosen = [row for row in rows if row["kind"] == kind]
    names = dict.fromkeys(name for row in chosen for name in row if name != "kind")
    return {
        name: np.array([np.nan if row.get(name) is None else row[name] for row in chosen], dtype=np.float64)
        for name in names
    }


def _dev_rows(dev: Columns) -> list[list[str]]:
    """A table of validations, the names of its columns first."""
    names = [name for name in dev if name != "epoch"]
    num = len(dev["step"]) if dev else 0
    chosen = sorted({*range(0, num, -(-num // _MOST_ROWS) or 1), num - 1}) if num else []
    return [names, *([_cell(name, dev[name][row]) for name in names] for row in chosen)]


def _cell(name: str, value: float) -> str:
    return (
        f"{value:,.0f}" if name in ("step", "elapsed_s") else f"{value:.3f}" if name == "loss_nats" else f"{value:.2f}"
    )
