"""Korean inflection by rule: particles after nouns, endings after verb and adjective stems.

A Hangul syllable is one code point, 0xAC00 + (initial * 21 + vowel) * 28 + final, so its final consonant, which decides
nearly every choice below, is read off the number.
"""

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"  # a blank: no final consonant

# Each particle by the name grammars give it: its form after a final consonant, and after a vowel.
PARTICLES = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "과": ("과", "와"),
    "이나": ("이나", "나"),
    "으로": ("으로", "로"),
    "이에요": ("이에요", "예요"),
}

# How a vowel-final stem and 아/어 become one vowel; ㅟ is missing because 쉬 + 어 stays 쉬어.
CONTRACTIONS = dict(zip("ㅏㅓㅐㅔㅕㅗㅜㅣㅚ", "ㅏㅓㅐㅔㅕㅘㅝㅕㅙ", strict=True))


def split_syllable(syllable: str) -> tuple[str, str, str]:
    """Take a syllable apart: 책 is (ㅊ, ㅐ, ㄱ) and 사 is (ㅅ, ㅏ, blank)."""
    number = ord(syllable) - 0xAC00
    assert 0 <= number < 11172, f"not a Hangul syllable: {syllable!r}"
    return INITIALS[number // 588], VOWELS[number // 28 % 21], FINALS[number % 28]


def build_syllable(initial: str, vowel: str, final: str = " ") -> str:
    """Put a syllable together: the inverse of `split_syllable`."""
    return chr(0xAC00 + (INITIALS.index(initial) * 21 + VOWELS.index(vowel)) * 28 + FINALS.index(final))


def final_consonant(word: str) -> str:
    """The final consonant of the word's last syllable; a blank where there is none."""
    return split_syllable(word[-1])[2]


def with_final(word: str, final: str) -> str:
    """The word with another final consonant in its last syllable: 가 and ㄹ give 갈."""
    initial, vowel, _ = split_syllable(word[-1])
    return word[:-1] + build_syllable(initial, vowel, final)


def with_particle(noun: str, particle: str) -> str:
    """Attach a particle in the form that the noun's last syllable asks for: 책은 but 사과는, 서울로 but 부산으로."""
    if particle not in PARTICLES:
        return noun + particle  # 에, 에서, 에게, 의 ... have one form
    after_consonant, after_vowel = PARTICLES[particle]
    final = final_consonant(noun)
    takes_vowel_form = final == " " or (particle == "으로" and final == "ㄹ")
    return noun + (after_vowel if takes_vowel_form else after_consonant)


def _harmonic(vowel: str) -> str:
    """Vowel harmony: 아 after ㅏ, ㅑ and ㅗ, else 어."""
    return "아" if vowel in "ㅏㅑㅗ" else "어"


def infinitive(stem: str, irregular: str = "") -> str:
    """The form in -아/-어 (먹어, 가, 도와, 들어, 몰라, 지어, 빨개, 써, 해).

    Args:
        stem: the dictionary form without 다.
        irregular: the class, one of ㅂ (추워), 돕 (도와), ㄷ, ㅅ, ㅎ, 르; empty for regular stems and for the changes
            that every such stem undergoes (으 drops, ㄹ drops, 하다).
    """
    head, (initial, vowel, _) = stem[:-1], split_syllable(stem[-1])
    match irregular:
        case "ㅂ":
            return with_final(stem, " ") + "워"
        case "돕":
            return with_final(stem, " ") + "와"
        case "ㄷ":
            return with_final(stem, "ㄹ") + _harmonic(vowel)
        case "ㅅ":
            return with_final(stem, " ") + _harmonic(vowel)
        case "ㅎ":
            return head + build_syllable(initial, "ㅒ" if vowel == "ㅑ" else "ㅐ")
        case "르":
            harmony = split_syllable(head[-1])[1]
            return with_final(head, "ㄹ") + ("라" if _harmonic(harmony) == "아" else "러")
    assert not irregular, f"unknown irregular class: {irregular!r}"
    return _regular_infinitive(stem)


def _regular_infinitive(stem: str) -> str:
    head, (initial, vowel, final) = stem[:-1], split_syllable(stem[-1])
    if stem[-1] == "하":
        return head + "해"
    if final != " ":
        return stem + _harmonic(vowel)
    if vowel == "ㅡ":
        harmony = _harmonic(split_syllable(head[-1])[1]) if head else "어"
        return head + build_syllable(initial, "ㅏ" if harmony == "아" else "ㅓ")
    if vowel not in CONTRACTIONS:
        return stem + _harmonic(vowel)
    return head + build_syllable(initial, CONTRACTIONS[vowel])


def past_stem(stem: str, irregular: str = "") -> str:
    """The form in -았/-었: the infinitive with ㅆ below it (먹었, 갔, 했)."""
    return with_final(infinitive(stem, irregular), "ㅆ")


def _before_eu(stem: str, irregular: str) -> str:
    """The stem with its linking 으, if it takes one: 먹으, 가, 들으, 도우, 지으, 빨가; 살 keeps its ㄹ."""
    match irregular:
        case "ㅂ" | "돕":
            return with_final(stem, " ") + "우"
        case "ㄷ":
            return with_final(stem, "ㄹ") + "으"
        case "ㅅ":
            return with_final(stem, " ") + "으"
        case "ㅎ":
            return with_final(stem, " ")
    return stem if final_consonant(stem) in " ㄹ" else stem + "으"


def with_final_ending(stem: str, ending: str, irregular: str = "") -> str:
    """-(으)ㄴ or -(으)ㄹ: 먹은, 간, 산 (from 살), 들은, 도운; `ending` is the consonant."""
    return with_final(_before_eu(stem, irregular), ending)


def with_eu_ending(stem: str, ending: str, irregular: str = "") -> str:
    """-(으)면, -(으)면서, -(으)러: 먹으면, 가면, 살면, 들으면, 도우면."""
    return _before_eu(stem, irregular) + ending


def with_neun(stem: str) -> str:
    """-는: 먹는, 가는, and 사는 from 살, whose ㄹ drops."""
    return (with_final(stem, " ") if final_consonant(stem) == "ㄹ" else stem) + "는"
