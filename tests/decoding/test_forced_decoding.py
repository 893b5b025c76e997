"""Forced decoding against paper and against search: the same model, asked about a translation that is given."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s.config.model import AttentionScore, Cell, ModelConfig
from s2s.config.search import SearchConfig, Strategy
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.subwords import BOS, EOS, NO_TEXT, UNK
from s2s.decoding import forced_decoding as forced
from s2s.decoding.batch_translator import BatchTranslator
from s2s.decoding.forced_decoding import ForcedDecoder, ForcedScore
from s2s.errors import CheckpointError
from s2s.models.seq2seq import build_seq2seq

PAIRS = [
    Pair("하나 둘", "two one"),
    Pair("셋", "three three three one"),
    Pair("넷 다섯 여섯 하나 둘 셋", ""),
    Pair("둘", "two"),
]


@pytest.fixture(scope="module")
def trained(tiny_run: Path) -> BatchTranslator:
    return BatchTranslator.load(tiny_run, search=SearchConfig(strategy=Strategy.greedy))


@pytest.fixture
def untrained(trained: BatchTranslator) -> Callable[..., BatchTranslator]:
    """A translator with random weights, for any options of the model."""

    def build(search: SearchConfig | None = None, end_score: float = 0.0, **changes: object) -> BatchTranslator:
        torch.manual_seed(3)
        options = ModelConfig(embedding_size=12, hidden_size=10, **changes)  # type: ignore[arg-type]
        model = build_seq2seq(options, len(trained.source), len(trained.target))
        torch.nn.init.constant_(model.output.bias[EOS], end_score)
        search = search or SearchConfig(strategy=Strategy.greedy)
        return BatchTranslator([model], trained.source, trained.target, search, torch.device("cpu"))

    return build


def close(found: ForcedScore, expected: ForcedScore) -> bool:
    return found.ids == expected.ids and np.allclose(
        found.token_log_probabilities, expected.token_log_probabilities, rtol=0, atol=1e-4
    )


def test_the_mean_and_the_sum_on_paper() -> None:
    score = ForcedScore((7, 5), (-1.0, -0.25, -1.75))
    assert score.log_probability == -3
    assert score.mean == -1
    assert ForcedScore((), ()).log_probability == ForcedScore((), ()).mean == 0
    assert ForcedScore((7,), (-math.inf, -1.0)).mean == -math.inf


def test_probabilities_on_paper(untrained: Callable[..., BatchTranslator]) -> None:
    """All scores are 0 but for one piece whose score is log 3, and those that are no text, which are left out."""
    translator = untrained()
    num_pieces = len(translator.target) - len(NO_TEXT)
    favourite, other = EOS + 2, EOS + 4
    with torch.no_grad():
        translator.model.output.weight.zero_()
        translator.model.output.bias.zero_()
        translator.model.output.bias[favourite] = math.log(3)
        translator.model.output.bias[NO_TEXT] = 99.0
    (score,) = ForcedDecoder(translator).score_ids([[5, 6, 7, 8]], [[favourite, other]])
    total = num_pieces - 1 + 3
    expected = [math.log(3 / total), math.log(1 / total), math.log(1 / total)]
    assert score.ids == (favourite, other)
    assert score.token_log_probabilities == pytest.approx(expected, abs=1e-5)
    assert score.log_probability == pytest.approx(sum(expected), abs=1e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cell": Cell.gru, "layers": 2, "residual": True},
        {"cell": Cell.rnn, "attention": AttentionScore.additive},
        {"input_feeding": True, "attention": AttentionScore.general},
        {"attention": AttentionScore.none},
    ],
    ids=str,
)
@pytest.mark.parametrize(("end_score", "is_cut"), [(9.0, False), (-99.0, True)], ids=["ended", "cut"])
def test_search_reports_the_same(
    untrained: Callable[..., BatchTranslator], changes: dict[str, object], end_score: float, is_cut: bool
) -> None:
    """Of what it found itself, whether it ended with `</s>` or at the longest length, which leaves `</s>` out."""
    lines = [pair.source for pair in PAIRS]
    for search in (SearchConfig(strategy=Strategy.greedy, max_length_offset=3), SearchConfig(beam_size=4, num_best=4)):
        translator = untrained(search, end_score, **changes)
        rows = zip(translator.source.encode(lines), translator.translations(lines), strict=True)
        sources, found = zip(*((ids, item) for ids, each in rows for item in each.hypotheses), strict=True)
        scores = ForcedDecoder(translator).score_ids(sources, [item.ids for item in found])
        for source, item, score in zip(sources, found, scores, strict=True):
            most = int((len(source) + 1) * search.max_length_factor) + search.max_length_offset
            assert (len(item.ids) == most) is is_cut
            values = score.token_log_probabilities[: len(item.ids) if is_cut else None]
            assert math.fsum(values) == pytest.approx(item.log_probability, abs=1e-4)


def test_search_reports_the_same_of_a_trained_run(trained: BatchTranslator) -> None:
    lines = ["하나 둘 셋", "", "여섯", "넷 넷 넷 다섯 하나"]
    hypotheses = [translation.hypotheses[0] for translation in trained.translations(lines)]
    scores = ForcedDecoder(trained).score_ids(trained.source.encode(lines), [item.ids for item in hypotheses])
    for score, item in zip(scores, hypotheses, strict=True):
        assert score.ids == item.ids
        assert score.log_probability == pytest.approx(item.log_probability, abs=1e-4)


@settings(deadline=None, max_examples=25)
@given(
    pairs=st.lists(st.tuples(st.text("하나둘 셋x", max_size=9), st.text("one tw\u2603", max_size=9)), max_size=6),
    batch_tokens=st.sampled_from([1, 20, 60]),
)
def test_a_score_does_not_depend_on_its_batch(
    trained: BatchTranslator, pairs: list[tuple[str, str]], batch_tokens: int
) -> None:
    rows = [Pair(*pair) for pair in pairs]
    together = ForcedDecoder(trained, batch_tokens=batch_tokens).scores(rows)
    assert len(together) == len(rows)
    for row, score in zip(rows, together, strict=True):
        (alone,) = ForcedDecoder(trained).scores([row])
        assert close(score, alone)


def test_slices_change_nothing(trained: BatchTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ForcedDecoder(trained).scores(PAIRS)
    monkeypatch.setattr(forced, "_SLICE_POSITIONS", 3)
    assert all(map(close, ForcedDecoder(trained).scores(PAIRS), whole))


def test_blank_sides(trained: BatchTranslator) -> None:
    blank, never, short, text = ForcedDecoder(trained).scores(
        [Pair("", " \t"), Pair("\u3000", "one"), Pair("하나", ""), Pair("하나", "one")]
    )
    assert blank == ForcedScore((), ())
    assert set(never.token_log_probabilities) == {-math.inf}
    assert len(never.token_log_probabilities) == len(never.ids) + 1 > 1
    assert short.ids == ()
    assert len(short.token_log_probabilities) == 1
    assert -20 < short.log_probability < 0
    assert -99 < text.log_probability < 0


def test_an_unknown_character_cannot_be_said(trained: BatchTranslator, caplog: pytest.LogCaptureFixture) -> None:
    scores = ForcedDecoder(trained).scores(
        [Pair("하나", "one"), Pair("\u2603", "one"), Pair("하나", "\u2603 one")], first_line=7
    )
    assert [math.isfinite(score.log_probability) for score in scores] == [True, True, False]
    assert UNK in scores[2].ids
    infinite = [index for index, value in enumerate(scores[2].token_log_probabilities) if value == -math.inf]
    assert infinite == [index for index, piece in enumerate(scores[2].ids) if piece == UNK]
    assert [record.getMessage()[:13] for record in caplog.records] == ["line 9: -inf,"]


def test_long_sides_are_cut_with_a_warning(trained: BatchTranslator, caplog: pytest.LogCaptureFixture) -> None:
    """Three pieces of the target are scored as they would be before any other, and no end."""
    pair = Pair("하나 둘 셋 넷", "one two three four")
    (score,) = ForcedDecoder(trained, max_pieces=3).scores([pair], first_line=5)
    source, target = trained.source.encode([pair.source])[0], trained.target.encode([pair.target])[0]
    assert min(len(source), len(target)) > 3
    (whole,) = ForcedDecoder(trained).score_ids([source[:3]], [target])
    assert score.ids == tuple(target[:3])
    assert score.token_log_probabilities == pytest.approx(whole.token_log_probabilities[:3], abs=1e-5)
    assert [record.getMessage().split(" are")[0] for record in caplog.records] == [
        f"line 5: {len(source)} pieces of source",
        f"line 5: {len(target)} pieces of target",
    ]


def test_damaged_weights_are_an_error(untrained: Callable[..., BatchTranslator]) -> None:
    translator = untrained()
    with torch.no_grad():
        translator.model.output.bias[EOS] = math.nan
    with pytest.raises(CheckpointError, match="NaN"):
        ForcedDecoder(translator).scores(PAIRS)


def test_a_model_in_training_is_read_without_dropout(untrained: Callable[..., BatchTranslator]) -> None:
    translator = untrained(dropout=0.5)
    translator.model.train()
    decoder = ForcedDecoder(translator)
    assert decoder.scores(PAIRS) == decoder.scores(PAIRS)


def test_attention_is_that_of_the_steps(trained: BatchTranslator) -> None:
    """Step by step: the row of a position holds the weights that the step before had when it predicted that piece."""
    source = trained.source.encode(["하나 둘 셋 넷 다섯"])[0]
    target = trained.target.encode(["one two"])[0]
    source_BS = torch.tensor([[*source, EOS]])
    memory, state = trained.model.encode(source_BS, torch.tensor([len(source) + 1]))
    rows = []
    for token in [BOS, *target]:
        _, weights_B1S, state = trained.model.decoder.step(torch.tensor([[token]]), state, memory)
        rows.append(weights_B1S[0, 0].detach().numpy())
    ((row, weights_TS),) = ForcedDecoder(trained).attention([source], [target])
    assert row == 0
    np.testing.assert_allclose(weights_TS, rows, rtol=0, atol=1e-5)
    np.testing.assert_allclose(weights_TS.sum(axis=1), 1, rtol=1e-5)


def test_every_pair_gets_its_own_weights(trained: BatchTranslator) -> None:
    sources = trained.source.encode([pair.source for pair in PAIRS])
    targets = trained.target.encode([pair.target for pair in PAIRS])
    found = dict(ForcedDecoder(trained, batch_tokens=30).attention(sources, targets))
    assert sorted(found) == [0, 1, 2, 3]
    for row, weights_TS in found.items():
        ((_, alone_TS),) = ForcedDecoder(trained).attention([sources[row]], [targets[row]])
        assert weights_TS.shape == (len(targets[row]) + 1, len(sources[row]) + 1)
        np.testing.assert_allclose(weights_TS, alone_TS, rtol=0, atol=1e-5)
