"""Text in, probabilities of labels out: a trained run as a text classifier.

N texts, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from s2s.config.training import Device, Task
from s2s.data.batching import source_batch
from s2s.data.vocabulary.labels import Labels
from s2s.data.vocabulary.subwords import Subwords
from s2s.decoding.search.search import refuse_nan
from s2s.device import choose_device
from s2s.models.classifier import Classifier, build_classifier
from s2s.runs.checkpoint import load_model
from s2s.runs.folder import RunFolder
from s2s.runs.saved_config import load_config


@dataclass(frozen=True, eq=False)
class TextClassifier:
    """Classifies texts with a trained model.

    The probabilities of a text do not depend on what else is classified with it, nor on the batch size. The weights are
    those that the model has when it is called.

    Attributes:
        model: on the device.
        subwords, labels: those that it was trained with.
        max_pieces: longer texts are cut, as they were in training.
        device: where to compute.
        batch_size: texts read at once.
    """

    model: Classifier
    subwords: Subwords
    labels: Labels
    max_pieces: int
    device: torch.device
    batch_size: int = 64

    @classmethod
    def load(cls, run: str | Path, *, device: Device | str = Device.auto, batch_size: int = 64) -> "TextClassifier":
        """A text classifier from a run folder; nothing in it is executed.

        Raises:
            RunError: the folder is missing, foreign, that of a translator, or holds no readable weights.
            ConfigError: the device is not there.
        """
        folder = RunFolder.existing(run)
        config = load_config(folder.config, Task.classify)
        folder.checked(folder.text_subwords, folder.labels)
        subwords, labels = Subwords.load(folder.text_subwords), Labels.load(folder.labels)
        model, _ = load_model(folder, partial(build_classifier, config.model, len(subwords), len(labels)))
        chosen = choose_device(Device(device))
        return cls(model.to(chosen), subwords, labels, config.training.max_pieces, chosen, batch_size)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Pieces of each text, however many; none of a blank one. Line ends count as white space."""
        return self.subwords.encode(texts)

    def log_probabilities(
        self, rows: Sequence[Sequence[int]], progress: Callable[[int], object] | None = None
    ) -> npt.NDArray[np.float32]:
        """The log probability of each class (N, C), in the order of `labels`.

        Args:
            rows: pieces of each text, possibly none; those beyond `max_pieces` are not read.
            progress: is called with the number of texts of each batch once they are classified.

        Raises:
            CheckpointError: the weights are damaged.
        """
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        log_probabilities_NC = np.zeros((len(rows), len(self.labels)), dtype=np.float32)
        self.model.eval()
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            texts = [rows[index][: self.max_pieces] for index in batch]
            source_BS, lengths_B = (tensor.to(self.device) for tensor in source_batch(texts))
            with torch.inference_mode():
                log_probabilities_NC[batch] = self.model(source_BS, lengths_B).log_softmax(dim=1).cpu().numpy()
            if progress is not None:
                progress(len(batch))
        refuse_nan(bool(np.isnan(log_probabilities_NC).any()))
        return log_probabilities_NC
