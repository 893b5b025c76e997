"""TensorBoard events: the metrics of a run, for people to look at. Programs read metrics.jsonl."""

from pathlib import Path
from typing import Any

from s2s.errors import MissingExtraError

_NO_MEASURES = ("step", "epoch", "elapsed_s")


class EventWriter:
    """Writes metrics into a folder of TensorBoard events, as curves such as `train/loss_nats` and `dev/bleu`."""

    def __init__(self, folder: Path, next_step: int) -> None:
        """Begin, or go on.

        Args:
            folder: where the events go; what it holds from earlier starts stays.
            next_step: the first step that may be written. TensorBoard drops older events of this and later steps, so
                that a run that goes on from a checkpoint shows no step twice.

        Raises:
            MissingExtraError: tensorboard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                'training.tensorboard=true needs tensorboard: pip install "s2s[tensorboard]", or leave the option out'
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=next_step)

    def write(self, record: dict[str, Any]) -> None:
        """Write one line of metrics: every number in it, at its step, under its kind. A value of None has no point.

        It is on its way to the disk when this returns, so that a killed run lacks no step before its checkpoint.
        """
        for name, value in record.items():
            if isinstance(value, int | float) and name not in _NO_MEASURES:
                self._writer.add_scalar(f"{record['kind']}/{name}", value, record["step"])
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
