"""Checkpoints: one safetensors file each, complete or absent, and loaded without running any code.

A file holds tensors (`model.…`, `optimizer.…`, `average.…`, `random.…`) and, in its metadata, the rest of the state as
JSON and a SHA-256 of both, so that a flipped bit is detected and not trained on. It begins with the names and sizes of
the tensors, which are compared with those of the network before that is built.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from s2s.errors import CheckpointError, ConfigError, DamagedCheckpointError, ForeignCheckpointError
from s2s.files import parse_json, write_bytes
from s2s.models.network_size import check_memory, outline
from s2s.runs.folder import RunFolder

_FORMAT, _FORMAT_WITHOUT_TYPES = "s2s-checkpoint-3", "s2s-checkpoint-2"
"""The SHA-256 of the second, which earlier versions wrote, leaves out the types and shapes of the tensors."""
_FLOAT32 = "F32"  # as safetensors calls it
_CPU = torch.device("cpu")
_ADAM = frozenset({"step", "exp_avg", "exp_avg_sq"})
_STATE_OF = {torch.optim.Adam: _ADAM, torch.optim.AdamW: _ADAM, torch.optim.SGD: frozenset({"momentum_buffer"})}
"""What each optimizer keeps for a weight, after its first step."""
M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")
Tensors = dict[str, Tensor]


class Size(NamedTuple):
    """The type and shape of a tensor; the type by safetensors' name."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.shape}" if self.dtype == _FLOAT32 else f"{self.shape} of {self.dtype}"


def _digest(tensors: Tensors, state: str, format: str = _FORMAT) -> str:
    digest = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        kind = f" {tensors[name].dtype} {tuple(tensors[name].shape)}" if format == _FORMAT else ""
        digest.update(f"{name}{kind}".encode())
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


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file, of which nothing but the names and sizes is read yet.

    Raises:
        DamagedCheckpointError: the content is no such file, or a part of one.
        CheckpointError: the file is missing, or cannot be read now.
    """
    try:
        with path.open("rb"), safetensors.safe_open(str(path), framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        # Those of `open` have a number, such as that of a missing file or of a disk that fails, perhaps for a while;
        # those of safetensors, about bad content, have none.
        kind = CheckpointError if getattr(error, "errno", None) else DamagedCheckpointError
        raise kind(f"{path}: expected a checkpoint of s2s, but it cannot be read ({error})") from error


def load_checkpoint(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read tensors and state.

    Raises:
        DamagedCheckpointError: the file is truncated, changed since it was written, or not one of ours.
        CheckpointError: the file is missing, or cannot be read now.
    """
    with _opened(path) as file:
        metadata = _metadata_of(file, path)
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    text = metadata.get("state", "")
    if metadata.get("sha256") != _digest(tensors, text, metadata["format"]):
        raise DamagedCheckpointError(f"{path}: the checkpoint was damaged after it was written (its SHA-256 differs)")
    return tensors, _state_of(text, path)


def checkpoint_state(path: Path) -> dict[str, Any]:
    """The state alone; the tensors are neither read nor checked.

    Raises:
        DamagedCheckpointError: the file is not one of ours, or is damaged where its state is.
        CheckpointError: the file is missing, or cannot be read now.
    """
    with _opened(path) as file:
        return _state_of(_metadata_of(file, path).get("state", ""), path)


def _metadata_of(file: Any, path: Path) -> dict[str, str]:
    """The metadata of a checkpoint.

    Raises:
        DamagedCheckpointError: it is of another program or version.
    """
    metadata: dict[str, str] = file.metadata() or {}
    form = metadata.get("format", "a file of another program")
    if form not in (_FORMAT, _FORMAT_WITHOUT_TYPES):
        raise DamagedCheckpointError(f"{path}: expected a checkpoint of format {_FORMAT}, but it is {form}")
    return metadata


def _state_of(text: str, path: Path) -> dict[str, Any]:
    """The state in a checkpoint's metadata.

    Raises:
        DamagedCheckpointError: it is not a JSON object.
    """
    try:
        state = parse_json(text)
    except ValueError as error:
        raise DamagedCheckpointError(f"{path}: expected state as JSON, but it cannot be read ({error})") from error
    if not isinstance(state, dict):
        raise DamagedCheckpointError(f"{path}: expected state as a JSON object, found {type(state).__name__}")
    return state


def with_prefix(prefix: str, tensors: Tensors) -> Tensors:
    """The same tensors under the names `prefix.name`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, T]) -> dict[str, T]:
    """The tensors (or their sizes) named `prefix.name`, under the names `name`."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def model_tensors(model: nn.Module) -> Tensors:
    """A model's weights by name, each tied matrix once."""
    return dict(model.named_parameters())


def load_weights(model: nn.Module, tensors: Tensors, origin: Path) -> None:
    """Copy weights into a model that was built with the same options.

    Raises:
        ForeignCheckpointError: names, types or shapes differ; the message lists the first three.
    """
    check_weights(model, tensors, origin)
    with torch.no_grad():
        for name, parameter in model_tensors(model).items():
            parameter.copy_(tensors[name])


def _with_weights(outlined: M, tensors: Tensors) -> M:
    """A network that `outline` made with these weights in it, as `load_weights` would leave it; no number is drawn."""
    weight_of = {id(weight): nn.Parameter(tensors[name].clone()) for name, weight in outlined.named_parameters()}
    for module in outlined.modules():
        for name, weight in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            setattr(module, name, weight_of[id(weight)])  # a tied matrix stays one
    return outlined


def check_weights(model: nn.Module, tensors: Tensors, origin: Path) -> None:
    """Ensure that `load_weights` can copy them; errors as there."""
    _check_sizes(_sizes(tensors), _sizes(model_tensors(model)), origin)


def check_network(model: nn.Module, tensors: Tensors, origin: Path) -> None:
    """Ensure that weights are those of such a network, whatever its vocabularies: rows are not counted.

    Raises:
        ForeignCheckpointError: they are of another one.
    """
    found, expected = (
        {name: Size(size.dtype, size.shape[1:]) for name, size in _sizes(each).items()}
        for each in (tensors, model_tensors(model))
    )
    _check_sizes(found, expected, origin)


def _sizes(tensors: Tensors) -> dict[str, Size]:
    return {
        name: Size(_FLOAT32 if tensor.dtype is torch.float32 else str(tensor.dtype), tuple(tensor.shape))
        for name, tensor in tensors.items()
    }


def _check_sizes(found: dict[str, Size], expected: dict[str, Size], origin: Path) -> None:
    """Ensure that these are the weights of a network.

    Raises:
        ForeignCheckpointError: they are of another one.
    """
    wrong = sorted(expected.keys() ^ found.keys()) or [
        f"{name} {found[name]}, not {size}" for name, size in expected.items() if found[name] != size
    ]
    if wrong:
        raise ForeignCheckpointError(
            f"{origin}: the weights are of another model ({', '.join(wrong[:3])}); see config.yaml"
        )


def load_model(run: RunFolder, build: Callable[[], M]) -> tuple[M, Path]:
    """A model with the best weights of a run, on the CPU; and the file that they come from.

    Args:
        build: makes the model that the options of the run ask for; it is called for an outline only.

    Raises:
        CheckpointError: there are no weights; or they are damaged, of another model, or larger than memory.
    """
    path = best_path(run)
    try:
        model = outline(build)
        _check_sizes(_best_sizes(path), _sizes(model_tensors(model)), path)
        weights, _, _ = load_best(run)
        check_memory(build, _CPU)
    except ConfigError as error:
        raise CheckpointError(f"{run.config}: {error}") from error
    check_weights(model, weights, path)
    return _with_weights(model, weights), path


def _best_sizes(path: Path) -> dict[str, Size]:
    """The sizes of the weights that `load_best` reads, without reading them.

    Raises:
        CheckpointError, DamagedCheckpointError: as in `load_checkpoint`.
    """
    with _opened(path) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        sizes = {name: Size(part.get_dtype(), tuple(part.get_shape())) for name, part in slices.items()}
    return without_prefix("average", sizes) or without_prefix("model", sizes)


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


def optimizer_state(optimizer: torch.optim.Optimizer, tensors: Tensors) -> dict[int, Tensors]:
    """The state of each weight, by its index, in what `optimizer_tensors` gave.

    Raises:
        ValueError: it is not the state of such an optimizer of these weights; the message says why.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, Tensors] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        if not index.isdecimal() or int(index) >= len(weights):
            raise ValueError(f"optimizer.{key} belongs to none of {len(weights)} weights")
        shape = tuple(tensor.shape)
        if tensor.dtype is not torch.float32 or shape != (() if name == "step" else tuple(weights[int(index)].shape)):
            raise ValueError(f"optimizer.{key} has the wrong size: {tensor.dtype} {shape}")
        state.setdefault(int(index), {})[name] = tensor
    names = {frozenset(entry) for entry in state.values()}
    if state and (len(state) < len(weights) or names != {_STATE_OF[type(optimizer)]}):
        raise ValueError(f"the optimizer's state is incomplete: {len(tensors)} tensors for {len(weights)} weights")
    return state


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors) -> None:
    """Restore the state that `optimizer_tensors` gave; errors as of `optimizer_state`."""
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": optimizer_state(optimizer, tensors), "param_groups": groups})


def checkpoints(run: RunFolder) -> list[Path]:
    """The checkpoints that training can resume from, newest first."""
    found = (path for path in run.last.glob("step-*.safetensors") if path.stem.removeprefix("step-").isdecimal())
    return sorted(found, reverse=True)


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
    sizes: dict[str, Size] = {}
    steps: list[int] = []
    for path in paths:
        tensors, _ = load_checkpoint(path)
        weights = without_prefix("model", tensors)
        sizes = sizes or _sizes(weights)
        if not weights or _sizes(weights) != sizes:
            raise CheckpointError(f"{path}: expected the weights of one and the same model in all checkpoints")
        for name, tensor in weights.items():
            sums[name] = tensor.double() + sums.get(name, 0)
        steps.append(step_of(path))
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
