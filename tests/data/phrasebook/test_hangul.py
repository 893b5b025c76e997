import pytest

from s2s.data.phrasebook.hangul import (
    infinitive,
    past_stem,
    with_eu_ending,
    with_final_ending,
    with_neun,
    with_particle,
)


@pytest.mark.parametrize(
    ("noun", "particle", "expected"),
    [
        ("책", "은", "책은"),
        ("사과", "은", "사과는"),
        ("책", "이", "책이"),
        ("사과", "이", "사과가"),
        ("물", "을", "물을"),
        ("커피", "을", "커피를"),
        ("서울", "으로", "서울로"),  # ㄹ counts as a vowel, for this particle only
        ("부산", "으로", "부산으로"),
        ("대구", "으로", "대구로"),
        ("톰", "과", "톰과"),
        ("민수", "과", "민수와"),
        ("빵", "이나", "빵이나"),
        ("커피", "이나", "커피나"),
        ("학생", "이에요", "학생이에요"),
        ("의사", "이에요", "의사예요"),
        ("도서관", "에서", "도서관에서"),
    ],
)
def test_particles_follow_the_final_consonant(noun: str, particle: str, expected: str) -> None:
    assert with_particle(noun, particle) == expected


@pytest.mark.parametrize(
    ("lemma", "irregular", "present", "past", "adnominal", "future", "conditional"),
    [
        ("먹다", "", "먹어", "먹었", "먹은", "먹을", "먹으면"),
        ("가다", "", "가", "갔", "간", "갈", "가면"),
        ("오다", "", "와", "왔", "온", "올", "오면"),
        ("배우다", "", "배워", "배웠", "배운", "배울", "배우면"),
        ("마시다", "", "마셔", "마셨", "마신", "마실", "마시면"),
        ("쉬다", "", "쉬어", "쉬었", "쉰", "쉴", "쉬면"),
        ("보내다", "", "보내", "보냈", "보낸", "보낼", "보내면"),
        ("하다", "", "해", "했", "한", "할", "하면"),
        ("쓰다", "", "써", "썼", "쓴", "쓸", "쓰면"),  # 으 drops
        ("바쁘다", "", "바빠", "바빴", "바쁜", "바쁠", "바쁘면"),
        ("예쁘다", "", "예뻐", "예뻤", "예쁜", "예쁠", "예쁘면"),
        ("만들다", "", "만들어", "만들었", "만든", "만들", "만들면"),  # ㄹ drops
        ("돕다", "돕", "도와", "도왔", "도운", "도울", "도우면"),
        ("춥다", "ㅂ", "추워", "추웠", "추운", "추울", "추우면"),
        ("듣다", "ㄷ", "들어", "들었", "들은", "들을", "들으면"),
        ("짓다", "ㅅ", "지어", "지었", "지은", "지을", "지으면"),
        ("모르다", "르", "몰라", "몰랐", "모른", "모를", "모르면"),
        ("부르다", "르", "불러", "불렀", "부른", "부를", "부르면"),
        ("빨갛다", "ㅎ", "빨개", "빨갰", "빨간", "빨갈", "빨가면"),
        ("하얗다", "ㅎ", "하얘", "하얬", "하얀", "하얄", "하야면"),
    ],
)
def test_inflection_by_class(
    lemma: str, irregular: str, present: str, past: str, adnominal: str, future: str, conditional: str
) -> None:
    stem = lemma[:-1]
    assert infinitive(stem, irregular) == present
    assert past_stem(stem, irregular) == past
    assert with_final_ending(stem, "ㄴ", irregular) == adnominal
    assert with_final_ending(stem, "ㄹ", irregular) == future
    assert with_eu_ending(stem, "면", irregular) == conditional


def test_adnominal_present_drops_rieul() -> None:
    assert [with_neun(stem) for stem in ("먹", "살", "있")] == ["먹는", "사는", "있는"]
