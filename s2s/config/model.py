"""Options of the network."""

import dataclasses
import enum
from dataclasses import dataclass

from s2s.config.options import FittedFloat, FittedInt, Options, option
from s2s.errors import ConfigError


class Cell(enum.Enum):
    """The recurrent cell of encoder and decoder."""

    rnn = "rnn"
    lstm = "lstm"
    gru = "gru"


class AttentionScore(enum.Enum):
    """How attention compares a decoder state with an encoder state."""

    dot = "dot"
    general = "general"
    additive = "additive"
    none = "none"


class Pooling(enum.Enum):
    """How a classifier makes one vector of the states of a text."""

    last = "last"
    mean = "mean"
    max = "max"
    attention = "attention"


class Tie(enum.Enum):
    """Which embedding tables are one and the same matrix."""

    none = "none"
    output = "output"
    all = "all"


@dataclass
class ModelConfig(Options):
    """Parts and sizes of the network, and its dropout."""

    cell: Cell = option(Cell.lstm, "rnn (tanh), lstm or gru")
    layers: int = option(1, "recurrent layers of encoder and decoder each", low=1, high=100)
    embedding_size: FittedInt = option(256, "units of an embedding; null: fits the text", low=1, high=1_000_000)
    hidden_size: FittedInt = option(
        512,
        "units of a decoder state and of an encoder state (both directions together); null: fits the text",
        low=2,
        high=1_000_000,
    )
    bidirectional: bool = option(True, "the encoder reads in both directions, half of hidden_size each")
    dropout: FittedFloat = option(
        0.2,
        "share of embeddings, layer outputs and attentional states dropped; null: fits the text",
        low=0,
        high=0.95,
    )
    embedding_dropout: float | None = option(None, "of embeddings; left out: model.dropout", low=0, high=0.95)
    layer_dropout: float | None = option(
        None, "of recurrent layers' outputs; left out: model.dropout", low=0, high=0.95
    )
    output_dropout: float | None = option(None, "of attentional states; left out: model.dropout", low=0, high=0.95)
    locked_dropout: bool = option(False, "drop the same units at all positions of a sentence (variational dropout)")
    source_word_dropout: float = option(0.0, "share of source pieces read as <unk> in training", low=0, high=0.95)
    target_word_dropout: float = option(0.0, "share of target pieces read as <unk> in training", low=0, high=0.95)
    residual: bool = option(False, "add a layer's input to its output, from the second layer on")
    attention: AttentionScore = option(
        AttentionScore.dot,
        "how the decoder's state is compared with the encoder's; none: the encoder's last state is all it sees",
    )
    scale_attention: bool = option(
        False, "dot: divide the scores by the square root of hidden_size", only=[AttentionScore.dot]
    )
    input_feeding: bool = option(False, "feed the last attentional state into the next step (a slow step loop)")
    tie: Tie = option(Tie.none, "none, output (decoder embedding = output layer), all (encoder embedding too)")
    pooling: Pooling = option(
        Pooling.last, "classifier: the last state, the mean or max of all, or attention queried by the last state"
    )

    @property
    def dropout_rates(self) -> tuple[float, float, float]:
        """Of embeddings, layer outputs, and what the output layer reads."""
        given = self.embedding_dropout, self.layer_dropout, self.output_dropout
        embedding, layer, output = (self.dropout if rate is None else rate for rate in given)
        return embedding, layer, output

    def check(self) -> None:
        if self.bidirectional and self.hidden_size is not None and self.hidden_size % 2:
            raise ConfigError(
                f"model.hidden_size must be even for a bidirectional encoder, but is {self.hidden_size}; "
                "change it or set model.bidirectional=false"
            )
        if self.input_feeding and self.attention is AttentionScore.none:
            raise ConfigError(
                "model.input_feeding=true feeds the attentional state back, which model.attention=none lacks"
            )


def same_network(old: ModelConfig, new: ModelConfig) -> ModelConfig:
    """The options of `new` with the network of `old`: its sizes and parts, but not its dropout."""
    network = {
        item.name: getattr(old, item.name)
        for item in dataclasses.fields(ModelConfig)
        if not item.name.endswith("dropout")
    }
    return dataclasses.replace(new, **network)
