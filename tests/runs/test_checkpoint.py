import hashlib
import json
import os
import pickletools
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from s2s.config.model import AttentionScore, Cell, ModelConfig, Pooling, Tie
from s2s.config.optim import OptimConfig, Optimizer
from s2s.data.batching import pair_batch, source_batch
from s2s.errors import CheckpointError, DamagedCheckpointError
from s2s.models.classifier import build_classifier
from s2s.models.seq2seq import build_seq2seq
from s2s.runs.checkpoint import (
    checkpoint_path,
    checkpoint_state,
    checkpoints,
    load_best,
    load_checkpoint,
    load_model,
    load_optimizer,
    load_weights,
    model_tensors,
    optimizer_tensors,
    save_checkpoint,
    weights_path,
    with_prefix,
    without_prefix,
)
from s2s.runs.folder import RunFolder
from s2s.training.optim import build_optimizer

TENSORS = {
    "model.weight": torch.arange(15, dtype=torch.float32).reshape(3, 5),
    "model.bias": torch.tensor([1.5, float("nan"), -0.0, float("inf")]),
    "optimizer.0.step": torch.tensor(7.0),
    "random.cpu": torch.arange(11, dtype=torch.uint8),
    "half": torch.tensor([0.5, 3.0], dtype=torch.bfloat16),
}
STATE: dict[str, Any] = {"step": 7, "elapsed_s": 0.1 + 0.2, "best_score": -float("inf"), "plateau": {"scale": 0.5}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "one.safetensors", TENSORS, STATE)
    return tmp_path / "one.safetensors"


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0, equal_nan=True)


def test_tensors_and_state_come_back(path: Path) -> None:
    tensors, state = load_checkpoint(path)
    assert_same(tensors, TENSORS)
    assert state == STATE  # digit for digit


def test_the_state_alone_is_the_same(path: Path) -> None:
    assert checkpoint_state(path) == STATE


def test_a_view_and_a_parameter_are_saved_as_what_they_show(tmp_path: Path) -> None:
    table = nn.Parameter(torch.arange(21.0).reshape(3, 7))
    save_checkpoint(tmp_path / "c", {"turned": table.T, "corner": table[1:, 2:5], "whole": table}, {})
    tensors, _ = load_checkpoint(tmp_path / "c")
    assert_same(tensors, {"turned": table.T.detach(), "corner": table[1:, 2:5].detach(), "whole": table.detach()})


def test_nothing_in_the_file_can_run(path: Path) -> None:
    """It is safetensors: the length of a JSON header, the header, and the numbers."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert set(header) == {"__metadata__", *TENSORS}
    assert json.loads(header["__metadata__"]["state"]) == STATE
    assert len(content) == 8 + length + sum(tensor.nbytes for tensor in TENSORS.values())
    with pytest.raises(ValueError, match="opcode"):
        list(pickletools.genops(content))


# ----------------------------------------------------------------------------------------------------------------------
# Damage


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("change", [-1, 1, 8])
def test_a_file_that_is_a_little_too_short_or_long_is_refused(path: Path, change: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + b"\0" * change)
    with pytest.raises(CheckpointError, match=r"one\.safetensors"):
        load_checkpoint(path)


@given(data=st.data())
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, data: st.DataObject) -> None:
    """In the header, in the state or in the numbers: a CheckpointError, or what was saved."""
    save_checkpoint(tmp_path / "whole", TENSORS, STATE)
    content = bytearray((tmp_path / "whole").read_bytes())
    where = data.draw(st.integers(0, len(content) - 1))
    content[where] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "flipped").write_bytes(content)
    try:
        tensors, state = load_checkpoint(tmp_path / "flipped")
    except CheckpointError:
        return
    assert_same(tensors, TENSORS)
    assert state == STATE


def test_a_flipped_bit_among_the_numbers_says_so(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged after it was written"):
        load_checkpoint(path)


@pytest.mark.parametrize("other", ["I32", "U32"])
def test_numbers_of_another_type_are_refused(path: Path, other: str) -> None:
    """The header alone is changed: every number would be read, and be wrong."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["model.weight"]["dtype"] = other
    text = json.dumps(header, separators=(",", ":")).encode().ljust(length)
    path.write_bytes(content[:8] + text + content[8 + length :])
    with pytest.raises(CheckpointError, match="damaged after it was written"):
        load_checkpoint(path)


def test_swapped_sizes_are_refused(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(b"[3,5]") == 1
    path.write_bytes(content.replace(b"[3,5]", b"[5,3]"))
    with pytest.raises(CheckpointError, match="damaged after it was written"):
        load_checkpoint(path)


def test_a_file_of_the_version_before_is_read(tmp_path: Path) -> None:
    """Its SHA-256 leaves out types and shapes."""
    tensors, text = {"model.weight": torch.arange(6.0)}, json.dumps(STATE)
    digest = hashlib.sha256(text.encode() + b"model.weight" + tensors["model.weight"].numpy().tobytes()).hexdigest()
    metadata = {"format": "s2s-checkpoint-2", "state": text, "sha256": digest}
    safetensors.torch.save_file(tensors, tmp_path / "old", metadata)
    found, state = load_checkpoint(tmp_path / "old")
    assert_same(found, tensors)
    assert state == STATE


@pytest.mark.parametrize("text", ["", "3", "[]", "{", "[" * 100_000])
def test_state_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    digest = hashlib.sha256(text.encode()).hexdigest()
    metadata = {"format": "s2s-checkpoint-3", "state": text, "sha256": digest}
    safetensors.torch.save_file({}, tmp_path / "foreign", metadata)
    for load in (load_checkpoint, checkpoint_state):
        with pytest.raises(DamagedCheckpointError, match="expected state as"):
            load(tmp_path / "foreign")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04K\x01.", b"\xff" * 100, b"PK\x03\x04" + b"\0" * 60])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "foreign").write_bytes(content)
    for load in (load_checkpoint, checkpoint_state):
        with pytest.raises(DamagedCheckpointError, match="expected a checkpoint of s2s, but it cannot be read"):
            load(tmp_path / "foreign")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        for load in (load_checkpoint, checkpoint_state):
            with pytest.raises(CheckpointError, match="cannot be read") as caught:
                load(path)
            assert type(caught.value) is CheckpointError  # nothing is damaged


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}, {"format": "s2s-checkpoint-1"}])
def test_safetensors_of_another_program_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    safetensors.torch.save_file({"weight": torch.zeros(3)}, tmp_path / "foreign", metadata)
    for load in (load_checkpoint, checkpoint_state):
        with pytest.raises(DamagedCheckpointError, match="expected a checkpoint of format s2s-checkpoint-3, but it is"):
            load(tmp_path / "foreign")


# ----------------------------------------------------------------------------------------------------------------------
# A full disk

FULL_DISK = """
import resource, signal, sys
import torch
from pathlib import Path
from s2s.errors import CheckpointError, DamagedCheckpointError
from s2s.runs.checkpoint import save_checkpoint

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing beyond the limit is then an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_checkpoint(Path(sys.argv[1]), {"large": torch.zeros(50_000)}, {})
except CheckpointError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_checkpoint_before(path: Path) -> None:
    before = path.read_bytes()
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "the checkpoint of 0 MB cannot be written (File too large)" in ended.stdout
    assert "the one before is still there: make room and give the same command" in ended.stdout
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == ["one.safetensors"]


def test_a_folder_that_cannot_be_made_is_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "one", TENSORS, STATE)


def test_an_old_checkpoint_is_there_until_the_new_one_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_checkpoint(path, {"other": torch.zeros(2)}, {})
    assert_same(load_checkpoint(path)[0], TENSORS)


# ----------------------------------------------------------------------------------------------------------------------
# Models and optimizers


def tied(width: int = 5) -> nn.ModuleDict:
    table, output = nn.Embedding(7, width), nn.Linear(width, 7)
    output.weight = table.weight
    return nn.ModuleDict({"table": table, "output": output})


def test_prefixes_come_and_go() -> None:
    named = with_prefix("model", {"a.b": torch.zeros(1)}) | with_prefix("modelled", {"c": torch.ones(1)})
    assert set(named) == {"model.a.b", "modelled.c"}
    assert set(without_prefix("model", named)) == {"a.b"}


def test_a_tied_matrix_is_kept_once_and_stays_tied() -> None:
    first, second = tied(), tied()
    assert set(model_tensors(first)) == {"table.weight", "output.bias"}
    load_weights(second, {name: weight.detach() for name, weight in model_tensors(first).items()}, Path("c"))
    assert torch.equal(second["output"].weight, first["table"].weight)
    assert second["output"].weight is second["table"].weight


def test_weights_of_another_model_are_refused() -> None:
    weights = dict(tied(width=4).named_parameters())
    with pytest.raises(CheckpointError, match=r"another model \(table\.weight \(7, 4\), not \(7, 5\)\); see config"):
        load_weights(tied(width=5), weights, Path("c"))
    weights = dict(tied().named_parameters()) | {"wings": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"c: the weights are of another model \(wings\)"):
        load_weights(tied(), weights, Path("c"))
    with pytest.raises(CheckpointError, match=r"\(output\.bias, table\.weight\)"):
        load_weights(tied(), {}, Path("c"))


def test_weights_that_are_refused_change_nothing() -> None:
    model = tied()
    before = model["output"].bias.detach().clone()
    wrong = {"table.weight": torch.zeros(7, 4), "output.bias": torch.ones(7)}
    with pytest.raises(CheckpointError):
        load_weights(model, wrong, Path("c"))
    assert torch.equal(model["output"].bias, before)


def optimizer_steps(model: nn.Module, optimizer: torch.optim.Optimizer, num: int) -> None:
    for step in range(num):
        optimizer.zero_grad()
        sum((weight * (step + 1)).pow(2).sum() for weight in model.parameters()).backward()
        optimizer.step()


ENTRIES = {
    Optimizer.adam: {"step", "exp_avg", "exp_avg_sq"},
    Optimizer.adamw: {"step", "exp_avg", "exp_avg_sq"},
    Optimizer.sgd: {"momentum_buffer"},
}


@pytest.mark.parametrize("weight_decay", [0.0, 0.1], ids=["one group", "two groups"])
@pytest.mark.parametrize("optimizer", Optimizer)
def test_an_optimizer_goes_on_where_it_was(tmp_path: Path, optimizer: Optimizer, weight_decay: float) -> None:
    first, second = tied(), tied()
    config = OptimConfig(optimizer, weight_decay=weight_decay)
    made = [build_optimizer(list(model.parameters()), config) for model in (first, second)]
    optimizer_steps(first, made[0], 3)
    tensors = with_prefix("model", model_tensors(first)) | with_prefix("optimizer", optimizer_tensors(made[0]))
    assert set(without_prefix("optimizer", tensors)) == {
        f"{index}.{name}" for index in (0, 1) for name in ENTRIES[optimizer]
    }
    save_checkpoint(tmp_path / "c", tensors, {})
    kept, _ = load_checkpoint(tmp_path / "c")
    load_weights(second, without_prefix("model", kept), tmp_path / "c")
    load_optimizer(made[1], without_prefix("optimizer", kept))
    assert_same(optimizer_tensors(made[1]), optimizer_tensors(made[0]))
    for model, each in zip((first, second), made, strict=True):
        optimizer_steps(model, each, 4)
    assert_same(dict(second.state_dict()), dict(first.state_dict()))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("optimizer", Optimizer)
def test_an_optimizer_that_has_nothing_to_keep_goes_on_too(optimizer: Optimizer, momentum: float) -> None:
    """Before its first step; and SGD without momentum keeps nothing after it either."""
    first, second = tied(), tied()
    load_weights(second, {name: weight.detach() for name, weight in model_tensors(first).items()}, Path("c"))
    made = [
        build_optimizer(list(model.parameters()), OptimConfig(optimizer, momentum=momentum))
        for model in (first, second)
    ]
    for num in (0, 2):
        optimizer_steps(first, made[0], num)
        optimizer_steps(second, made[1], num)
        kept = optimizer_tensors(made[0])
        assert bool(kept) == (num > 0 and (optimizer is not Optimizer.sgd or momentum > 0))
        load_optimizer(made[1], {name: tensor.clone() for name, tensor in kept.items()})
    optimizer_steps(first, made[0], 1)
    optimizer_steps(second, made[1], 1)
    assert_same(dict(second.state_dict()), dict(first.state_dict()))


# ----------------------------------------------------------------------------------------------------------------------
# Where they lie


def test_checkpoints_are_listed_newest_first(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert checkpoints(run) == []
    for step in (9, 100, 20, 123_456_789):
        save_checkpoint(checkpoint_path(run, step), {}, {"step": step})
    (run.last / "step-000000500.safetensors.77.part").write_bytes(b"of a run that was killed")
    assert [load_checkpoint(path)[1]["step"] for path in checkpoints(run)] == [123_456_789, 100, 20, 9]


def test_the_best_weights_are_those_to_translate_with(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with pytest.raises(CheckpointError, match="no weights in best/ or last/ yet"):
        load_best(run)
    weights = {name: torch.full((3,), value) for name, value in (("model.w", 1.0), ("average.w", 2.0))}
    save_checkpoint(checkpoint_path(run, 5), weights, {"step": 5})
    save_checkpoint(checkpoint_path(run, 6), weights, {"step": 6})
    found, state, path = load_best(run)
    assert (found["w"].tolist(), state["step"], path) == ([2, 2, 2], 6, checkpoint_path(run, 6))
    save_checkpoint(weights_path(run), {"model.w": torch.full((3,), 4.0)}, {"step": 3})
    found, state, path = load_best(run)
    assert (found["w"].tolist(), state["step"], path) == ([4, 4, 4], 3, weights_path(run))


@pytest.mark.parametrize("tie", Tie)
@pytest.mark.parametrize("attention", AttentionScore)
@pytest.mark.parametrize("cell", Cell)
def test_a_loaded_model_has_the_saved_weights_and_draws_no_others(
    tmp_path: Path, cell: Cell, attention: AttentionScore, tie: Tie
) -> None:
    config = ModelConfig(cell=cell, attention=attention, layers=2, embedding_size=6, hidden_size=10, tie=tie)
    build = partial(build_seq2seq, config, 9, 9)
    saved = build().eval()
    run = RunFolder(tmp_path)
    save_checkpoint(weights_path(run), with_prefix("model", model_tensors(saved)), {})
    before = torch.get_rng_state()
    loaded, origin = load_model(run, build)
    assert torch.equal(torch.get_rng_state(), before)
    assert origin == weights_path(run)
    assert_same(model_tensors(loaded.eval()), model_tensors(saved))
    assert loaded.state_dict().keys() == saved.state_dict().keys()
    batch = pair_batch([[4, 5, 6], [7]], [[4], [5, 8]])
    with torch.inference_mode():
        assert torch.equal(loaded(batch)[0], saved(batch)[0])


@pytest.mark.parametrize("pooling", Pooling)
def test_a_loaded_classifier_has_the_saved_weights(tmp_path: Path, pooling: Pooling) -> None:
    build = partial(build_classifier, ModelConfig(embedding_size=6, hidden_size=10, pooling=pooling), 9, 3)
    saved = build().eval()
    run = RunFolder(tmp_path)
    save_checkpoint(weights_path(run), with_prefix("model", model_tensors(saved)), {})
    loaded, _ = load_model(run, build)
    source_BS, lengths_B = source_batch([[4, 5, 6], [7]])
    with torch.inference_mode():
        assert torch.equal(loaded.eval()(source_BS, lengths_B), saved(source_BS, lengths_B))
