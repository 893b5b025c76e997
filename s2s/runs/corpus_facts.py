"""What a run keeps of the text that it was trained on, to know the text again."""

import dataclasses
from dataclasses import dataclass

from s2s.errors import RunError
from s2s.files import read_json, write_json
from s2s.runs.folder import RunFolder

_MAX_BYTES = 100_000


@dataclass(frozen=True)
class CorpusFacts:
    """What `corpus.json` holds.

    Attributes:
        sha256: of all pairs in their order.
        num_train: training pairs.
    """

    sha256: str
    num_train: int


def write_corpus_facts(run: RunFolder, facts: CorpusFacts) -> None:
    """Write them."""
    write_json(run.corpus, dataclasses.asdict(facts))


def read_corpus_facts(run: RunFolder) -> CorpusFacts:
    """Read what `write_corpus_facts` wrote.

    Raises:
        RunError: the file is damaged.
    """
    run.checked(run.corpus)
    try:
        found = read_json(run.corpus, _MAX_BYTES)
        facts = CorpusFacts(**found)
        if type(facts.sha256) is not str or type(facts.num_train) is not int:
            raise TypeError("it holds values of other types")
        return facts
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{run.corpus}: expected what is kept of the training text of a run, but it cannot be read ({error}): copy "
            f"it again from where the run was made, or start a new run with init_from={run.path} run=DIR"
        ) from error
