"""The metrics of a run as TensorBoard events, for people; programs read metrics.jsonl."""

from pathlib import Path
from typing import Any

from s2s.errors import MissingExtraError
from s2s.files import naming

_NO_MEASURES = ("step", "epoch", "elapsed_s")


class EventWriter:
    """Writes metrics into a folder of TensorBoard events, as scalars such as `train/loss_nats` and `dev/bleu`."""

    def __init__(self, folder: Path, next_step: int) -> None:
        """A writer that adds to the events of earlier starts.

        Args:
            folder: where the events go.
            next_step: the first step to be written. TensorBoard drops older events of this and later steps, so that a
                run that resumes from a checkpoint shows no step twice.

        Raises:
            MissingExtraError: tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                'training.tensorboard=true needs tensorboard: pip install "s2s[tensorboard]", or leave the option out'
            ) from error
        self._folder = folder
        with naming(folder):
            self._writer = SummaryWriter(str(folder), purge_step=next_step)

    def write(self, record: dict[str, Any]) -> None:
        """Write every number of a metrics record at its step, under its kind; None is left out.

        The events are flushed, so that a killed run lacks no step before its checkpoint.
        """
        with naming(self._folder):
            for name, value in record.items():
                if isinstance(value, int | float) and name not in _NO_MEASURES:
                    self._writer.add_scalar(f"{record['kind']}/{name}", value, record["step"])
            self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        with naming(self._folder):
            self._writer.close()
