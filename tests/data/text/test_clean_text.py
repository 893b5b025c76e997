import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from s2s.data.text.clean_text import pack_pairs, select_pairs, unpack_sides
from s2s.data.text.parallel_text import Pair

SIDES = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=5)


def test_packed_pairs_on_paper() -> None:
    text = pack_pairs([Pair("하나", "one"), Pair("", "two"), Pair("셋", "")])
    assert text == "하나\none\n\ntwo\n셋\n\n".encode()
    assert unpack_sides(text) == (["하나", "", "셋"], ["one", "two", ""])
    assert select_pairs(text, np.array([False, True, True])) == "\ntwo\n셋\n\n".encode()


@given(st.lists(st.tuples(st.builds(Pair, SIDES, SIDES), st.booleans())))
def test_pairs_come_back(rows: list[tuple[Pair, bool]]) -> None:
    text = pack_pairs([pair for pair, _ in rows])
    assert list(zip(*unpack_sides(text), strict=True)) == [pair for pair, _ in rows]
    is_selected_N = np.array([is_selected for _, is_selected in rows], dtype=np.bool_)
    assert select_pairs(text, is_selected_N) == pack_pairs([pair for pair, is_selected in rows if is_selected])
