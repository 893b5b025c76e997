"""s2s: sequence-to-sequence translation with attention.

from s2s import Translator
Translator.load("runs/phrasebook-lstm").translate(["저는 어제 책을 읽었어요."])
"""

from s2s.decoding.translator import Translation, Translator
from s2s.errors import S2SError

__all__ = ["S2SError", "Translation", "Translator"]
