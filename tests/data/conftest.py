"""What tests of data share."""

from collections.abc import Iterator

import pytest

from download_server import Server, serving
from s2s.config.data import SubwordsConfig
from s2s.data.vocabulary.learn import learn_subwords
from s2s.data.vocabulary.subwords import Subwords
from small_corpora import PAIRS


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as found:
        yield found


@pytest.fixture(scope="session")
def sides() -> tuple[Subwords, Subwords]:
    """Subwords of each side of a small corpus."""
    config = SubwordsConfig(shared=False, vocabulary_size=50, character_coverage=1.0)
    sources, targets = zip(*PAIRS, strict=True)
    source, target, _ = learn_subwords(config, [(sources, targets)], len(PAIRS))
    return source, target
