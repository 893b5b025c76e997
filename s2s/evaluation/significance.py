"""How certain a score is, and whether two systems differ by more than chance: sacrebleu's own resampling tests.

The systems have translated the same test set. The first one is the baseline; every other one is compared to it.
"""

import enum
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from sacrebleu.metrics.base import Metric
from sacrebleu.significance import PairedTest, Result

from s2s.evaluation.scores import labelled

_SEED = "SACREBLEU_SEED"
_SACREBLEU = logging.getLogger("sacrebleu")


class Resampling(enum.Enum):
    """How other test sets, or other systems, are imagined; the values are sacrebleu's names."""

    bootstrap = "bs"
    """Test sets of lines drawn from this one with replacement: confidence intervals, and a test (Koehn 2004)."""
    randomization = "ar"
    """Pairs of systems that have swapped the translations of random lines: a test (Riezler and Maxwell 2005)."""


@dataclass(frozen=True)
class Significance:
    """What resampling says of one score of one system.

    Attributes:
        mean, ci: bootstrap only: 95 % of the samples scored within mean ± ci.
        p_value: how probable a difference from the baseline at least this large is if the two do not differ; None for
            the baseline. Randomization's is two-sided. Bootstrap's is not: it is about half as large, since sacrebleu
            asks how often |difference| exceeds its own mean by the difference observed. 1 where the scores are equal.
        signature: of the score, with the method, the number of samples and the seed.
    """

    mean: float | None
    ci: float | None
    p_value: float | None
    signature: str

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two ends of mean ± ci; None for randomization."""
        return None if self.mean is None or self.ci is None else (self.mean - self.ci, self.mean + self.ci)


def resample(
    method: Resampling,
    systems: Sequence[Sequence[str]],
    references: Sequence[Sequence[str]],
    metrics: Mapping[str, Metric],
    *,
    num_samples: int,
    seed: int,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> list[dict[str, Significance]]:
    """Confidence intervals of each system's scores, and tests of whether they differ from those of the first.

    Args:
        systems: the translations of each, the baseline first; it may be alone.
        references: one or more references of all lines.
        metrics: by the names of their scores.
        num_samples: test sets drawn, or pairs of systems shuffled.
        seed: at least 1; sacrebleu takes 0 for none.
        labels: see `corpus_scores`.

    Returns:
        For each system the significance of each score, by its name.
    """
    assert seed > 0
    named = [(str(index), translations) for index, translations in enumerate(systems)]
    found: list[dict[str, Significance]] = [{} for _ in systems]
    with _quiet_sacrebleu(seed):
        for name, metric in metrics.items():  # one by one: of two of one kind, sacrebleu would keep only the last
            test = PairedTest(named, {"metric": metric}, references, test_type=method.value, n_samples=num_samples)
            signatures, columns = test()
            [(kind, signature)] = signatures.items()
            label = labelled(signature, labels)
            results = [result for result in columns[kind] if isinstance(result, Result)]
            for of_system, result in zip(found, results, strict=True):
                p_value = result.p_value
                if p_value is not None and result.score == results[0].score:
                    p_value = 1.0  # where sacrebleu has the smallest there is, as it counts larger differences only
                of_system[name] = Significance(_rounded(result.mean), _rounded(result.ci), p_value, label)
    return found


def _rounded(value: float | None) -> float | None:
    """As many digits as scores have, and no number of NumPy's, which JSON does not know."""
    return None if value is None else round(float(value), 2)


@contextmanager
def _quiet_sacrebleu(seed: int) -> Iterator[None]:
    """A block in which sacrebleu has this seed, which it takes from the environment only, and logs no warnings."""
    seed_before, level_before = os.environ.get(_SEED), _SACREBLEU.level
    os.environ[_SEED] = str(seed)
    _SACREBLEU.setLevel(logging.ERROR)  # its warnings were given when the same text was scored
    try:
        yield
    finally:
        _SACREBLEU.setLevel(level_before)
        if seed_before is None:
            del os.environ[_SEED]
        else:
            os.environ[_SEED] = seed_before
