"""The fixed words of pictures, in English and in Korean."""

from s2s.config.pictures import Language

_KOREAN = {
    # attention
    "source": "원문",
    "target": "번역문",
    "attention weight": "어텐션 가중치",
    "attention": "어텐션",
    # the six steps
    "with the context": "문맥 벡터가 있을 때",
    "without the context": "문맥 벡터가 없을 때",
    "step {step} says {piece}": "{step}번째 스텝의 {piece}",
    # beam search
    "step": "스텝",
    "log probability of all pieces so far (nats)": "지금까지 모든 조각의 로그 확률(nat)",
    # scores
    "log probability of each piece (nats)": "조각마다의 로그 확률(nat)",
    # gates
    "forget gate": "망각 게이트",
    "input gate": "입력 게이트",
    "output gate": "출력 게이트",
    "reset gate": "재설정 게이트",
    "update gate": "갱신 게이트",
    "cell state": "셀 상태",
    "hidden state": "은닉 상태",
    "unit {unit} ({mean:.2f})": "유닛 {unit} ({mean:.2f})",
    "{cell}, encoder layer {layer} reading {direction}; in brackets the mean {gate}": (
        "{cell}, 인코더 {layer}층, {direction}; 괄호 안은 {gate}의 평균"
    ),
    "forwards": "앞으로 읽음",
    "backwards": "뒤로 읽음",
    # gradients
    "hidden state, clipped": "은닉 상태, 클리핑한 뒤",
    "bound": "상한",
    "steps back from the end (pieces)": "끝에서 거슬러 간 스텝(조각)",
    "norm of the loss's gradient": "손실의 기울기 노름",
    "at first: torch's own weights": "처음: torch의 기본 가중치",
    "at first: orthogonal recurrent weights": "처음: 직교 순환 가중치",
    "at first: orthogonal weights times {scale:g}": "처음: 직교 가중치의 {scale:g}배",
    "after {steps} steps of training from orthogonal weights": "직교 가중치에서 {steps}스텝 학습한 뒤",
    "trained encoders, reading forwards": "학습된 인코더, 앞으로 읽음",
    # memory
    "fillers between the word and its copy": "낱말과 복사본 사이의 채움 기호 수",
    "words copied without an error (%)": "정확히 복사한 낱말(%)",
    "words of {letters} letters, after {steps:,} training steps": "{letters}글자 낱말, {steps:,}스텝 학습한 뒤",
    "{cell}, no attention": "{cell}, 어텐션 없음",
    "{cell}, {score} attention": "{cell}, {score} 어텐션",
    # names of runs
    "no attention": "어텐션 없음",
    "{score} attention": "{score} 어텐션",
    "1 layer": "1층",
    "{number} layers": "{number}층",
    "{number} units": "{number}유닛",
    "seed {number}": "시드 {number}",
    "no {words}": "{words} 없음",
    # lengths
    "BLEU by length of the source": "원문 길이에 따른 BLEU",
    "words of the source (sentences of this length)": "원문 단어 수(괄호 안은 문장 수)",
    "words of the source (mean of a group of lines)": "원문 단어 수(묶음의 평균)",
    # learning curves
    "updates of the weights": "가중치를 갱신한 횟수",
    "minutes of training": "학습 시간(분)",
    "loss (nats a {unit})": "손실({unit}당 nat)",
    "target token": "번역문 토큰",
    "text": "글",
    "training": "학습",
    "dev set": "개발 세트",
    "training loss": "학습 손실",
    "dev loss": "개발 세트 손실",
    "dev BLEU": "개발 세트 BLEU",
    "dev accuracy": "개발 세트 정확도",
    "dev F1": "개발 세트 F1",
}


def localized(text: str, language: Language) -> str:
    """A fixed text, or a pattern for `str.format`, in a language."""
    return _KOREAN[text] if language is Language.ko else text
