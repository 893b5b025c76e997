import math

import pytest
import torch
from sacrebleu.metrics.bleu import BLEU

from s2s.config.model import ModelConfig
from s2s.data.batching import pair_batch
from s2s.errors import DataError, MissingExtraError
from s2s.evaluation.scores import bleu, comparable_metrics, corpus_scores, lowercased_metric, mean_loss_nats
from s2s.models.seq2seq import build_seq2seq

REFERENCES = ["The cat sat on the mat.", "저는 어제 책을 읽었어요.", "It is not a dog, is it?"]


def test_the_same_text_scores_best() -> None:
    scores = corpus_scores(REFERENCES, REFERENCES)
    assert (scores["bleu"], scores["chrf"], scores["ter"]) == (100, 100, 0)
    assert bleu(REFERENCES, REFERENCES) == pytest.approx(100)


def test_bleu_on_paper() -> None:
    """Of `a b c d e f` against `a b c d e g`: 5 of 6 words, 4 of 5 pairs, 3 of 4 triples, 2 of 3 quadruples."""
    expected = 100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    assert bleu(["a b c d e f"], ["a b c d e g"]) == pytest.approx(expected)
    assert corpus_scores(["a b c d e f"], ["a b c d e g"])["bleu"] == round(expected, 2)


def test_a_short_translation_is_punished() -> None:
    """All of its words are right, and its length is 4 of 7: exp(1 - 7 / 4)."""
    assert bleu(["a b c d"], ["a b c d e f g"]) == pytest.approx(100 * math.exp(1 - 7 / 4))


def test_ter_on_paper() -> None:
    """One substitution in five words."""
    assert corpus_scores(["a b c d x"], ["a b c d e"])["ter"] == 20


def test_text_that_looks_tokenized_is_scored_without_a_notice(caplog: pytest.LogCaptureFixture) -> None:
    tokenized = ["a b c d ."] * 200
    assert bleu(tokenized, tokenized) == pytest.approx(100)
    scores = corpus_scores(tokenized, tokenized)
    assert str(scores["bleu_signature"]).startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert not caplog.messages


def test_bleu_is_that_of_the_corpus_and_not_a_mean() -> None:
    hypotheses, references = ["a b c d e f", "p q r s"], ["a b c d e g", "p q r s"]
    pooled = (9 / 10 * 7 / 8 * 5 / 6 * 3 / 4) ** 0.25
    assert bleu(hypotheses, references) == pytest.approx(100 * pooled)


def test_case_and_punctuation_count() -> None:
    assert bleu([REFERENCES[0].lower()], [REFERENCES[0]]) < 100
    assert bleu([REFERENCES[0].removesuffix(".")], [REFERENCES[0]]) < 100


def test_detokenised_text_is_tokenised_by_sacrebleu() -> None:
    assert bleu(["a b c d."], ["a b c d ."]) == pytest.approx(100)


def test_every_score_has_its_signature() -> None:
    scores = corpus_scores(REFERENCES, REFERENCES)
    assert set(scores) == {"bleu", "bleu_signature", "chrf", "chrf_signature", "ter", "ter_signature"}
    assert str(scores["bleu_signature"]).startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert str(scores["chrf_signature"]).startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert str(scores["ter_signature"]).startswith("nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:")


def test_unequal_counts_are_refused() -> None:
    with pytest.raises(DataError, match="expected as many translations as references, got 2 and 3"):
        corpus_scores(REFERENCES[:2], REFERENCES)
    with pytest.raises(DataError, match="got 0 and 0"):
        corpus_scores([], [])


def test_of_several_references_the_nearer_one_counts() -> None:
    """Each line has one reference that it equals."""
    scores = corpus_scores(["a b c d", "e f g h"], ["a b c d", "x y z"], ["p q", "e f g h"])
    assert scores["bleu"] == 100
    assert str(scores["bleu_signature"]).startswith("nrefs:2|case:mixed|")
    with pytest.raises(DataError, match="got 2 and 2, 3"):
        corpus_scores(["a", "b"], ["a", "b"], ["a", "b", "c"])


def test_signatures_say_which_test_set_it_was() -> None:
    scores = corpus_scores(["a"], ["a"], labels={"test": "wmt17", "lang": "en-de"})
    for name in ("bleu", "chrf", "ter"):
        assert str(scores[f"{name}_signature"]).startswith("nrefs:1|test:wmt17|lang:en-de|case:")


def test_lowercased_bleu_is_that_of_tokenised_lower_cased_text() -> None:
    """The same number as cutting the text first and then scoring words as they stand, which is what papers do."""
    hypotheses = ["A dog, a CAT and a bird.", "It isn't 7.5 (or 8)!", "Ein Mann läuft am Strand."]
    references = ["a Dog, a cat and the bird.", "It isn't 7.5 (or 9)!", "Ein mann läuft, am Strand"]
    tokenize = BLEU().tokenizer
    words = [[tokenize(line).lower() for line in lines] for lines in (hypotheses, references)]
    expected = BLEU(tokenize="none", force=True).corpus_score(words[0], [words[1]]).score
    scores = corpus_scores(hypotheses, references, metrics=lowercased_metric())
    assert scores["lowercased_bleu"] == round(expected, 2)
    assert scores["lowercased_bleu"] != corpus_scores(hypotheses, references)["bleu"]
    assert str(scores["lowercased_bleu_signature"]).startswith("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:")


def test_lowercased_bleu_on_paper() -> None:
    """`A B c d, e` has six words of which all match but the last."""
    scores = corpus_scores(["A B c d, e"], ["a b C D, f"], metrics=lowercased_metric())
    assert scores["lowercased_bleu"] == round(100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25, 2)


def test_chinese_has_a_tokenizer_of_its_own() -> None:
    scores = corpus_scores(["你好世界吗"], ["你好世界啊"], metrics=comparable_metrics("zh"))
    assert scores["bleu"] == round(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25, 2)
    assert "tok:zh" in str(scores["bleu_signature"])


def test_a_tokenizer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_ko_mecab.MeCab", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sacrebleu\[ko\]'"):
        comparable_metrics("ko")


def test_empty_translations_score_nothing() -> None:
    scores = corpus_scores(["", "", ""], REFERENCES)
    assert (scores["bleu"], scores["ter"]) == (0, 100)
    assert bleu(["", "", ""], REFERENCES) == 0


def test_the_mean_loss_is_that_of_one_large_batch() -> None:
    """A mean over tokens, not over batches, and without dropout or gradient."""
    torch.manual_seed(5)
    model = build_seq2seq(ModelConfig(embedding_size=6, hidden_size=8, dropout=0.5), 11, 13)
    sources, targets = [[4, 5], [6, 7, 8, 9], [10], [4, 9, 5]], [[12], [11, 10, 9], [4, 5, 6, 7, 8], []]
    whole = pair_batch(sources, targets)
    parts = [pair_batch(sources[:1], targets[:1]), pair_batch(sources[1:], targets[1:])]
    model.eval()
    expected = float(model.loss(whole).loss_nats) / (1 + 3 + 5 + 4)
    model.train()
    assert mean_loss_nats(model, parts, torch.device("cpu")) == pytest.approx(expected, rel=1e-5)
    assert mean_loss_nats(model, [whole], torch.device("cpu")) == pytest.approx(expected, rel=1e-6)
    assert all(parameter.grad is None for parameter in model.parameters())
