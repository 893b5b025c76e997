from s2s.data.encode import encode_pairs
from s2s.data.text.parallel_text import Pair
from s2s.data.vocabulary.subwords import Subwords
from small_corpora import PAIRS


def test_encoded_pairs_line_by_line(sides: tuple[Subwords, Subwords]) -> None:
    pairs = [*PAIRS[:5], Pair("", "책을"), Pair("책을 " * 99, " ")]  # whatever their length
    source, target = encode_pairs(pairs, *sides)
    assert len(source) == len(target) == 7
    assert [sides[0].decode(source[index].tolist()) for index in range(5)] == [pair.source for pair in PAIRS[:5]]
    assert [sides[1].decode(target[index].tolist()) for index in range(5)] == [pair.target for pair in PAIRS[:5]]
    assert (len(source[5]), len(target[6])) == (0, 0)
