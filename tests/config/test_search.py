import pytest

from s2s.config.options import check_options
from s2s.config.search import ExpectedUtility, LengthNormalization, SearchConfig, Strategy
from s2s.errors import ConfigError

GREEDY, SAMPLE = Strategy.greedy, Strategy.sample


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            SearchConfig(GREEDY, num_best=2),
            r"search\.num_best=2 belongs to search\.strategy=beam or sample, not to greedy",
        ),
        (SearchConfig(num_best=6), r"search\.num_best=6 needs search\.beam_size"),
        (SearchConfig(mbr=ExpectedUtility.chrf), r"search\.mbr=chrf chooses among several .* add search\.num_best"),
        (SearchConfig(temperature=0.5), r"search\.temperature=0\.5 belongs to search\.strategy=sample, not to beam"),
        (SearchConfig(GREEDY, top_k=7), r"search\.top_k=7 belongs to search\.strategy=sample, not to greedy"),
        (SearchConfig(top_p=0.9), r"search\.top_p=0\.9 belongs to search\.strategy=sample"),
        (SearchConfig(seed=3), r"search\.seed=3 belongs to search\.strategy=sample"),
        (SearchConfig(GREEDY, must=["a", "b"]), r"search\.must=a,b belongs to search\.strategy=beam"),
        (SearchConfig(SAMPLE, must=["a"]), r"search\.must=a belongs to search\.strategy=beam"),
        (SearchConfig(SAMPLE, diverse_groups=5), r"search\.diverse_groups=5 belongs to search\.strategy=beam"),
        (SearchConfig(GREEDY, word_reward=0.5), r"search\.word_reward=0\.5 belongs to search\.strategy=beam or sample"),
        (SearchConfig(GREEDY, coverage_penalty=0.2), r"search\.coverage_penalty=0\.2 belongs to search\.strategy=beam"),
        (
            SearchConfig(length_normalization=LengthNormalization.none, length_penalty=0.6),
            r"search\.length_penalty=0\.6 belongs to search\.length_normalization=average or gnmt, not to none",
        ),
        (SearchConfig(min_length=7, max_length=5), r"search\.min_length=7 is more than search\.max_length=5"),
        (
            SearchConfig(min_length_factor=2.5),
            r"search\.min_length_factor=2\.5 is more than search\.max_length_factor=2",
        ),
        (SearchConfig(diversity_strength=0.7), r"search\.diversity_strength=0\.7 is for search\.diverse_groups of 2"),
        (SearchConfig(diverse_groups=2), r"search\.beam_size=5 cannot be divided into search\.diverse_groups=2 equal"),
        (SearchConfig(diverse_groups=5, must=["a"]), r"search\.must and search\.diverse_groups divide the beam"),
        (SearchConfig(avoid=["a", " "]), r"search\.avoid takes WORD,WORD, but a word is blank"),
        (SearchConfig(must=[""]), r"search\.must takes WORD,WORD, but a word is blank"),
        (SearchConfig(must=["a", "b "], avoid=["c", "b"]), r"b must not occur \(search\.avoid\) and must occur"),
    ],
    ids=lambda item: str(item)[:60],
)
def test_contradictions_are_refused(options: SearchConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_options(options, "search.")


@pytest.mark.parametrize(
    "options",
    [
        SearchConfig(num_best=5, beam_size=5),
        SearchConfig(GREEDY, beam_size=1),
        SearchConfig(SAMPLE, num_best=9, temperature=0.5, top_k=5, top_p=0.9, seed=2),
        SearchConfig(beam_size=6, diverse_groups=3, diversity_strength=0.7),
        SearchConfig(length_normalization=LengthNormalization.none, word_reward=0.5, coverage_penalty=0.2),
        SearchConfig(min_length=5, max_length=5, min_length_factor=2.0, no_repeat_ngram=3),
        SearchConfig(must=["a", "b c"], avoid=["c"]),
    ],
    ids=str,
)
def test_what_makes_sense_is_allowed(options: SearchConfig) -> None:
    check_options(options, "search.")


@pytest.mark.parametrize(
    ("options", "gives_one"),
    [
        (SearchConfig(), True),
        (SearchConfig(num_best=2), False),
        (SearchConfig(num_best=2, mbr=ExpectedUtility.bleu), True),
    ],
)
def test_minimum_bayes_risk_chooses_one_of_several(options: SearchConfig, gives_one: bool) -> None:
    assert options.gives_one is gives_one


@pytest.mark.parametrize(
    ("options", "is_free"),
    [
        (SearchConfig(), True),
        (SearchConfig(GREEDY), True),
        (SearchConfig(num_best=3, length_penalty=0.6, max_length=7, coverage_penalty=0.2, replace_unknown=True), True),
        (SearchConfig(SAMPLE), False),
        (SearchConfig(must=["a"]), False),
        (SearchConfig(avoid=["a"]), False),
        (SearchConfig(min_length=3), False),
        (SearchConfig(min_length_factor=0.5), False),
        (SearchConfig(no_repeat_ngram=3), False),
        (SearchConfig(diverse_groups=5), False),
        (SearchConfig(num_best=3, mbr=ExpectedUtility.chrf), False),
    ],
)
def test_a_search_is_free_where_nothing_but_the_model_decides(options: SearchConfig, is_free: bool) -> None:
    assert options.is_free == is_free
