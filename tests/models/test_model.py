import math

import pytest

from s2s.models.model import perplexity


def test_perplexity_on_paper() -> None:
    assert perplexity(0.0) == 1.0
    assert perplexity(math.log(8)) == pytest.approx(8)  # as undecided as between 8 equally likely tokens
    assert math.isfinite(perplexity(1e9))
