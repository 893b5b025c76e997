"""Options of commands that draw."""

import enum

from s2s.errors import ConfigError


class Language(enum.Enum):
    """In which language a picture's axes and fixed words are."""

    en = "en"
    ko = "ko"


TITLE_HELP = "above the picture, taken as it stands; left out: what the picture shows"
LANGUAGE_HELP = "of axes and fixed words: en or ko"
LABELS_HELP = "names of the runs in the picture, in their order; left out: how they differ, such as LSTM, dot attention"


def check_labels(labels: list[str], number: int, what: str) -> None:
    """Check that there are as many labels as things to be named, if there are any.

    Raises:
        ConfigError: there are more or fewer, or one is blank.
    """
    if labels and len(labels) != number:
        raise ConfigError(
            f"labels names {len(labels)}, but there are {number} {what}: give one for each, in their order"
        )
    if not all(label.strip() for label in labels):
        raise ConfigError("labels has a blank name: give each of them a text")


class Direction(enum.Enum):
    """Which half of a bidirectional encoder."""

    forwards = "forwards"
    backwards = "backwards"
