from s2s.data.phrasebook.lexicon import add_ed, add_ing, add_s, article


def test_english_inflection() -> None:
    assert [add_s(word) for word in ("watch", "study", "play", "go", "have", "do", "city")] == [
        "watches", "studies", "plays", "goes", "has", "does", "cities",
    ]  # fmt: skip
    assert [add_ed(word) for word in ("bake", "study", "play", "cook")] == ["baked", "studied", "played", "cooked"]
    assert [add_ing(word) for word in ("bake", "swim", "lie", "eat")] == ["baking", "swimming", "lying", "eating"]
    assert [article(word) for word in ("apple", "book", "umbrella", "university")] == ["an", "a", "an", "a"]
