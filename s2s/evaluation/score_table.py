"""Scores of systems on one test set, for people (a table) and for programs (JSON)."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s2s.evaluation.scores import Scores
from s2s.evaluation.significance import Resampling, Significance
from s2s.text_tables import table

TITLES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}


@dataclass(frozen=True)
class ScoredSystem:
    """A system's translations of a test set, and their scores.

    Attributes:
        name: a run or a kind of search.
        hypotheses: its translations.
        scores: see `corpus_scores`; `lowercased_bleu` among them.
        translation_s: seconds it took to translate.
        output: name of the file that holds the translations.
        significance: of each score, by each kind of resampling that was asked for.
    """

    name: str
    hypotheses: Sequence[str]
    scores: Scores
    translation_s: float
    output: str
    significance: Mapping[Resampling, Mapping[str, Significance]] = field(default_factory=dict)

    def interval(self, name: str) -> tuple[float, float] | None:
        """Ends of the 95 % confidence interval of a score, where there is one."""
        significance = self.significance.get(Resampling.bootstrap, {}).get(name)
        return None if significance is None else significance.interval

    def as_json(self) -> dict[str, Any]:
        """All but its name and translations; what is None is left out."""
        significance = {
            method.name: {
                name: {key: value for key, value in dataclasses.asdict(found).items() if value is not None}
                for name, found in of_method.items()
            }
            for method, of_method in self.significance.items()
        }
        return {**self.scores, "translation_s": round(self.translation_s, 3), "output": self.output, **significance}


def score_table(title: str, systems: Sequence[ScoredSystem]) -> str:
    """A row a system, each after the first followed by how it differs from it; below them the signatures.

    Args:
        title: of the column of names.
        systems: at least one; the baseline first.
    """
    rows = [[title, *TITLES.values(), "seconds"]]
    for system in systems:
        rows += [_scores(system), *_differences(systems[0], system)]
    signatures = [f"{title:5} {systems[0].scores[f'{name}_signature']}" for name, title in TITLES.items()]
    lowercased = ", ".join(f"{system.name} {system.scores['lowercased_bleu']:.2f}" for system in systems)
    return "\n".join(
        [
            table(rows, "<"),
            *signatures,
            f"BLEU without regard to case, for papers that score so; never beside BLEU: {lowercased}",
            f"{'':5} {systems[0].scores['lowercased_bleu_signature']}",
        ]
    )


def _scores(system: ScoredSystem) -> list[str]:
    """A row of scores, with confidence intervals where they are known."""
    cells = []
    for name in TITLES:
        interval = system.interval(name)
        cells.append(f"{system.scores[name]:.2f}" + (" [{:.2f}, {:.2f}]".format(*interval) if interval else ""))
    return [system.name, *cells, f"{system.translation_s:.2f}"]


def _differences(baseline: ScoredSystem, system: ScoredSystem) -> list[list[str]]:
    """Rows that compare a system to the baseline; none for the baseline itself, or where nothing was tested."""
    tests = {method: [found[name].p_value for name in TITLES] for method, found in system.significance.items()}
    tests = {method: p_values for method, p_values in tests.items() if None not in p_values}
    if not tests:
        return []
    gains = [f"{float(system.scores[name]) - float(baseline.scores[name]):+.2f}" for name in TITLES]
    rows = [["  difference", *gains, ""]]
    for method, p_values in tests.items():
        rows.append([f"  p, {method.name}", *(f"{value:.4f}" for value in p_values), ""])
    return rows
