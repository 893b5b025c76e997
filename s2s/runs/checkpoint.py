"""Checkpoints: one safetensors file each, complete or absent, and loaded without running any code.

A file holds tensors (`model.…`, `optimizer.…`, `average.…`, `random.…`) and, in its metadata, the rest of the state as
JSON and a SHA-256 of both, so that a flipped bit is detected and not trained on.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from s2s.errors import CheckpointError, DamagedCheckpointError
from s2s.files import write_bytes
from s2s.runs.folder import RunFolder

_FORMAT = "s2s-checkpoint-2"
Tensors = dict[str, Tensor]


def _digest(tensors: Tensors, state: str) -> str:
    digest = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def checkpoint_content(tensors: Tensors, state: dict[str, Any]) -> bytes:
    """The bytes of a checkpoint file with these tensors and this JSON-serialisable state."""
    kept = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    text = json.dumps(state)
    metadata = {"format": _FORMAT, "state": text, "sha256": _digest(kept, text)}
    return safetensors.torch.save(kept, metadata)


def save_checkpoint(path: Path, tensors: Tensors, state: dict[str, Any]) -> None:
    """Write tensors and JSON-serialisable state.

    Raises:
        CheckpointError: the file cannot be written; an older file of that name is kept.
    """
    content = checkpoint_content(tensors, state)
    try:
        write_bytes(path, content)
    except OSError as error:
        what = f"{path}: the checkpoint of {len(content) / 1e6:.0f} MB cannot be written ({error.strerror or error})"
        raise CheckpointError(f"{what}; the one before is still there: make room and give the same command") from error


def load_checkpoint(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read tensors and state.

    Raises:
        DamagedCheckpointError: the file is truncated, changed since it was written, or not one of ours.
        CheckpointError: the file is missing, or cannot be read now.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError) as error:
        # With a number it is an error of the disk, perhaps a passing one; bad content gives an error without.
        kind = CheckpointError if getattr(error, "errno", None) else DamagedCheckpointError
        raise kind(f"{path}: expected a checkpoint of s2s, but it cannot be read ({error})") from error
    if metadata.get("format") != _FORMAT:
        came = metadata.get("format", "a file of another program")
        raise DamagedCheckpointError(f"{path}: expected a checkpoint of format {_FORMAT}, but it is {came}")
    text = metadata.get("state", "")
    if metadata.get("sha256") != _digest(tensors, text):
        raise DamagedCheckpointError(f"{path}: the checkpoint was damaged after it was written (its SHA-256 differs)")
    state: dict[str, Any] = json.loads(text)
    return tensors, state


def checkpoint_state(path: Path) -> dict[str, Any]:
    """The state alone; the tensors are neither read nor checked.

    Raises:
        DamagedCheckpointError: the file is not one of ours, or is damaged where its state is.
    """
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            state: dict[str, Any] = json.loads((file.metadata() or {})["state"])
            return state
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DamagedCheckpointError(
            f"{path}: expected a checkpoint of s2s, but it cannot be read ({error})"
        ) from error


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """The same tensors under the names `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors named `prefix.name`, under the names `name`."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def model_tensors(model: nn.Module) -> Tensors:
    """A model's weights by name, each tied matrix once."""
    return dict(model.named_parameters())


def load_weights(model: nn.Module, tensors: Tensors, origin: Path) -> None:
    """Copy weights into a model that was built with the same options.

    Raises:
        CheckpointError: names or shapes differ; the message lists the first three.
    """
    parameters = model_tensors(model)
    wrong = sorted(parameters.keys() ^ tensors.keys()) or [
        f"{name} {tuple(tensors[name].shape)}, not {tuple(parameters[name].shape)}"
        for name in parameters
        if tensors[name].shape != parameters[name].shape
    ]
    if wrong:
        raise CheckpointError(f"{origin}: the weights are of another model ({', '.join(wrong[:3])}); see config.yaml")
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """An optimizer's state, as `index.name`, the index counted over all parameter groups.

    Every entry is a tensor, or None (SGD's velocity before the first step, or without momentum).
    """
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": tensor
        for index, entry in state.items()
        for name, tensor in entry.items()
        if tensor is not None
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restore the state that `optimizer_tensors` gave."""
    state: dict[int, Tensors] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def checkpoints(run: RunFolder) -> list[Path]:
    """The checkpoints that training can resume from, newest first."""
    return sorted(run.last.glob("step-*.safetensors"), reverse=True)


def checkpoint_path(run: RunFolder, step: int) -> Path:
    """The file for the checkpoint of a step."""
    return run.last / f"step-{step:09d}.safetensors"


def step_of(path: Path) -> int:
    """The step of a checkpoint, read off its name."""
    return int(path.stem.removeprefix("step-"))


def weights_path(run: RunFolder) -> Path:
    """The file for the best weights."""
    return run.best / "weights.safetensors"


def mean_weights(paths: Sequence[Path]) -> tuple[Tensors, list[int]]:
    """The mean of the model's weights in several checkpoints of one run, which are read one after another.

    Returns:
        The weights, summed in float64 and rounded once, to fp32; and the steps of the checkpoints, in their order.

    Raises:
        CheckpointError: a file is damaged, or holds weights of another model.
    """
    sums: Tensors = {}
    steps: list[int] = []
    for path in paths:
        tensors, state = load_checkpoint(path)
        weights = without_prefix("model", tensors)
        if not weights or (sums and weights.keys() != sums.keys()):
            raise CheckpointError(f"{path}: expected the weights of one and the same model in all checkpoints")
        for name, tensor in weights.items():
            sums[name] = tensor.double() + sums.get(name, 0)
        steps.append(state["progress"]["step"])
    return {name: (total / len(steps)).float() for name, total in sums.items()}, steps


def best_path(run: RunFolder) -> Path:
    """The file of the weights to translate with: the best, or the newest of a run that has not been validated yet.

    Raises:
        CheckpointError: there are none.
    """
    candidates = [weights_path(run), *checkpoints(run)]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise CheckpointError(f"{run.path}: no weights in best/ or last/ yet; train longer, or copy the whole folder")
    return path


def load_best(run: RunFolder) -> tuple[Tensors, dict[str, Any], Path]:
    """The weights in `best_path`, the state saved with them, and that path.

    Raises:
        CheckpointError: there are none, or they are damaged.
    """
    path = best_path(run)
    tensors, state = load_checkpoint(path)
    weights = without_prefix("average", tensors) or without_prefix("model", tensors)
    return weights, state, path
