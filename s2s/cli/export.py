"""`s2s export`: a trained model to ship, for s2s or for other programs."""

import enum
import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s2s.cli.commands import Command
from s2s.config.options import Options, Takes, flatten, option
from s2s.config.training import Config, Device
from s2s.errors import RunError

if TYPE_CHECKING:
    from s2s.models.seq2seq import Seq2Seq
    from s2s.runs.folder import RunFolder

_logger = logging.getLogger(__name__)
_ONNX_FORMAT = "s2s-onnx-1"


class ExportFormat(enum.Enum):
    """Who can read an exported model."""

    s2s = "s2s"
    onnx = "onnx"


@dataclass
class ExportConfig(Options):
    """Options of `export`."""

    run: str = option("???", "folder of a trained run; it is only read", takes=Takes.run)
    output: str = option("???", "new folder for the model", takes=Takes.folder)
    format: ExportFormat = option(
        ExportFormat.s2s,
        "s2s (a run folder that only translates), or onnx (graphs for other programs; needs the extra s2s[export])",
    )


def export(config: ExportConfig) -> None:
    """Write the best weights of a run, and what goes with them, into a folder that is complete or absent.

    Raises:
        RunError: there is no such run, it is damaged, or the output folder is in use or cannot be written.
        MissingExtraError: onnx is asked for and not installed.
    """
    from s2s.decoding.batch_translator import BatchTranslator
    from s2s.files import new_folder
    from s2s.runs.folder import RunFolder, check_free
    from s2s.runs.saved_config import load_config

    run, output = RunFolder.existing(config.run), Path(config.output)
    check_free(output)
    before_mb = _size_mb(run.path)
    options = load_config(run.config)
    model = BatchTranslator.load(config.run, device=Device.cpu).model
    try:
        with new_folder(output) as folder:
            _write(config.format, model, options, run, folder)
    except OSError as error:
        raise RunError(
            f"output={output} cannot be written ({error.strerror or error}), and nothing of it is there: make room, or "
            "choose another output=DIR"
        ) from error
    _logger.info("%s: %.1f MB; the run is %.1f MB", output, _size_mb(output), before_mb)
    if config.format is ExportFormat.s2s:
        _logger.info("\ntranslate with\n  s2s translate run=%s", shlex.quote(str(output)))


def _write(form: ExportFormat, model: "Seq2Seq", options: Config, run: "RunFolder", folder: Path) -> None:
    """The model in a form, and the subwords of its run."""
    from s2s.data.vocabulary.subwords import BOS, EOS, PAD, UNK
    from s2s.decoding.familiarity import CONFIDENCE
    from s2s.files import write_bytes, write_json
    from s2s.models.onnx_export import decoder_graph, encoder_graph, memory_names, state_names
    from s2s.runs.checkpoint import (
        best_path,
        checkpoint_content,
        checkpoint_state,
        model_tensors,
        weights_path,
        with_prefix,
    )
    from s2s.runs.checksums import write_checksums
    from s2s.runs.folder import RunFolder

    source, target = run.subwords(options.subwords.shared)
    copied = [source, target]
    match form:
        case ExportFormat.s2s:  # a run folder without the state of training, scores or text
            weights, state = with_prefix("model", model_tensors(model)), checkpoint_state(best_path(run))
            kept = {name: value for name, value in state.items() if name == CONFIDENCE}
            write_bytes(weights_path(RunFolder(folder)), checkpoint_content(weights, kept))
            write_bytes(RunFolder(folder).config, run.config.read_bytes())
            if run.unseen_pieces.is_file():  # runs of earlier versions have none
                copied.extend(run.checked(run.unseen_pieces))
        case ExportFormat.onnx:
            write_bytes(folder / "encoder.onnx", encoder_graph(model).SerializeToString())
            write_bytes(folder / "decoder.onnx", decoder_graph(model).SerializeToString())
            description = {
                "format": _ONNX_FORMAT,
                "source_language": options.data.source_language,
                "target_language": options.data.target_language,
                "source_subwords": source.name,
                "target_subwords": target.name,
                "special_ids": {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS},
                "memory": memory_names(model),
                "state": state_names(model),
                "options": flatten(options.model, "model."),
            }
            write_json(folder / "model.json", description)
    copies = {folder / path.name: path for path in copied}
    for copy, path in copies.items():
        write_bytes(copy, path.read_bytes())
    if form is ExportFormat.s2s:
        write_checksums(folder, copies)


def _size_mb(folder: Path) -> float:
    """Of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


COMMAND = Command(
    export,
    ExportConfig,
    bare=("run",),
    examples=(
        "runs/demo output=demo",
        "runs/demo output=demo-onnx format=onnx",
    ),
)
