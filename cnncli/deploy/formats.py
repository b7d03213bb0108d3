"""The files that a graph can be written as, and read again to be run."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnncli.core.errors import CheckpointError, ConfigError
from cnncli.deploy.description import KEY, Description
from cnncli.deploy.graph import Graph
from cnncli.deploy.parity import Run
from cnncli.deploy.ports import BATCH, Port
from cnncli.deploy.recurrent import with_operators

if TYPE_CHECKING:
    import onnxruntime

EXTRA = "pip install 'cnncli[export]'"
OPSET = 20
LARGEST = 2**31 - 2**24  # bytes of weights in an ONNX file: protobuf's limit, less room for the graph
_BATCH, _STEPS = 3, 5  # of the example, which the graph is followed with


@dataclass(frozen=True)
class Wish:
    """How a graph is written: any number of samples at a time or one, and the version of ONNX's operators."""

    dynamic_batch: bool = True
    opset: int = OPSET


@dataclass(frozen=True)
class Format:
    """A kind of file: its name, how it is written and how it is read."""

    file: str
    write: Callable[[Graph, Description, Path, Wish], None]
    open: Callable[[Path, Description, Graph | None], Run]
    read: Callable[[Path], str]  # the description, as JSON


def example(ports: tuple[Port, ...], dynamic_batch: bool, longest: int | None = None) -> tuple[Tensor, ...]:
    """Inputs of zeros; at most ``longest`` steps."""
    batch, steps = _BATCH if dynamic_batch else 1, min(_STEPS, longest or _STEPS)
    return tuple(torch.zeros(port.example(batch, steps), dtype=getattr(torch, port.dtype)) for port in ports)


def dynamic(ports: tuple[Port, ...], dynamic_batch: bool) -> tuple[dict[int, Any], ...]:
    """The axes of each input that may have another length."""
    free = [
        {axis for axis, size in enumerate(port.shape) if isinstance(size, str) and (dynamic_batch or size != BATCH)}
        for port in ports
    ]
    return tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for axes in free)


@contextmanager
def quietly(file: str) -> Iterator[None]:
    """Keep what the exporter prints to itself, and make what it raises one line."""
    said = io.StringIO()
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(said), redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # of a compiler: it can raise anything about a network that it cannot follow
        cause = next(line for line in [*str(error).strip().split("\n"), type(error).__name__] if line.strip())
        what = f"{type(error).__name__}: {cause.strip()}"
        raise ConfigError(
            f"{file}: this network cannot be written or read so ({what}); choose another --format"
        ) from error
    finally:
        logging.disable(logging.NOTSET)


def program_of(graph: nn.Module, description: Description, wish: Wish) -> torch.export.ExportedProgram:
    """The graph as PyTorch's exporter sees it."""
    block = description.text.block if description.text else None
    args = example(description.inputs, wish.dynamic_batch, block)
    shapes = dynamic(description.inputs, wish.dynamic_batch)
    with torch.no_grad():
        return torch.export.export(graph, args, dynamic_shapes=(shapes,), strict=False)


def _write_onnx(graph: Graph, description: Description, path: Path, wish: Wish) -> None:
    onnx = _needs("onnx")
    _needs("onnxscript")
    size = sum(value.nbytes for value in graph.state_dict().values())
    if size > LARGEST:
        own, most = (f"{value / 1e9:.1f} GB" for value in (size, LARGEST))
        raise ConfigError(f"ONNX: a file holds at most {most}, the weights have {own}; choose another --format")
    with quietly("ONNX"):
        found = torch.onnx.export(
            program_of(with_operators(graph), description, wish), dynamo=True, opset_version=wish.opset, verbose=False,
            input_names=[port.name for port in description.inputs],
            output_names=[port.name for port in description.outputs],
        )  # fmt: skip
        assert found is not None
        model = found.model_proto
        model.doc_string = ""
        model.producer_name, model.producer_version = "cnncli", description.cnncli
        for node in model.graph.node:  # where in PyTorch's source it came from: paths of the machine
            del node.metadata_props[:]
            node.doc_string = ""
    onnx.helper.set_model_props(model, {KEY: as_json(description)})
    onnx.save(model, path)


def as_json(description: Description) -> str:
    """The text of ``model.json``."""
    from pydantic import TypeAdapter

    return TypeAdapter(Description).dump_json(description).decode()


def from_json(text: str, path: Path) -> Description:
    """The inverse; raises ``CheckpointError`` for what cnncli did not write."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Description).validate_json(text)
    except ValidationError as error:
        raise CheckpointError(f"{path}: its description is not one of cnncli's export; export it again") from error


def _needs(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(f"{name} is not installed, which exporting needs; install it with: {EXTRA}") from error


def session(path: Path, threads: int = 0) -> "onnxruntime.InferenceSession":
    """ONNX Runtime on the CPU with so many threads, 0: one for each core; raises ``CheckpointError``."""
    runtime = _needs("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class
        cause = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: is no network that ONNX Runtime reads ({cause})") from error


def _open_onnx(path: Path, description: Description, graph: Graph | None) -> Run:
    loaded = session(path)

    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        given = with_state(inputs, description)
        values = loaded.run(None, {name: value.numpy() for name, value in given.items()})
        names = [output.name for output in loaded.get_outputs()]
        return {name: torch.from_numpy(value) for name, value in zip(names, values, strict=True)}

    return run


def with_state(inputs: dict[str, Tensor], description: Description) -> dict[str, Tensor]:
    """The inputs with a state of zeros, where one is wanted and not given."""
    state = description.text.state if description.text else ()
    batch = len(next(iter(inputs.values())))
    empty = {port.name: torch.zeros(port.example(batch, 1)) for port in state}
    return empty | inputs


def _read_onnx(path: Path) -> str:
    onnx = _needs("onnx")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's own
        raise CheckpointError(f"{path}: is no ONNX file ({str(error).splitlines()[0]})") from error
    return next((prop.value for prop in model.metadata_props if prop.key == KEY), "")


def _write_pt2(graph: Graph, description: Description, path: Path, wish: Wish) -> None:
    with quietly("pt2"):
        program = program_of(graph, description, wish)
        torch.export.save(program, path, extra_files={KEY: as_json(description)})


def _open_pt2(path: Path, description: Description, graph: Graph | None) -> Run:
    with quietly("pt2"):
        return running(torch.export.load(path).module(), description)


def _read_pt2(path: Path) -> str:
    found = {KEY: ""}
    with quietly("pt2"):
        torch.export.load(path, extra_files=found)
    return found[KEY]


def _write_safetensors(graph: Graph, description: Description, path: Path, wish: Wish) -> None:
    safetensors = _needs("safetensors.torch")
    # a tensor that two layers share is written for each: the file has no way to say so
    weights = {name: value.detach().clone().contiguous() for name, value in graph.network.state_dict().items()}
    safetensors.save_file(weights, path, metadata={KEY: as_json(description), "format": "pt"})


def _read_safetensors(path: Path) -> str:
    from json import JSONDecodeError

    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, 10**8)))
    except (OSError, JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: is no safetensors file; check the path") from error
    return str(header.get("__metadata__", {}).get(KEY, ""))


def running(graph: nn.Module, description: Description) -> Run:
    """A graph in PyTorch as an exported network is run."""

    @torch.inference_mode()
    def run(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        given = with_state(inputs, description)
        values = graph(*(given[port.name] for port in description.inputs))
        return dict(zip((port.name for port in description.outputs), values, strict=True))

    return run


def _open_weights(path: Path, description: Description, graph: Graph | None) -> Run:
    """The weights of a safetensors file in a copy of the checkpoint's network, which is what they are compared with."""
    if graph is None:
        raise ConfigError(f"{path}: safetensors hold weights alone; name the checkpoint, too")
    safetensors, damaged = _needs("safetensors.torch"), _needs("safetensors").SafetensorError
    own = deepcopy(graph)
    try:
        own.network.load_state_dict(safetensors.load_file(path))
    except (RuntimeError, OSError, damaged) as error:
        raise CheckpointError(f"{path}: is damaged, or holds weights of another network; check the path") from error
    return running(own, description)


FORMATS = {
    "onnx": Format("model.onnx", _write_onnx, _open_onnx, _read_onnx),
    "pt2": Format("model.pt2", _write_pt2, _open_pt2, _read_pt2),
    "safetensors": Format("model.safetensors", _write_safetensors, _open_weights, _read_safetensors),
}


def _format_of(path: Path) -> Format:
    found = {form.file.rpartition(".")[2]: form for form in FORMATS.values()}
    ending = path.suffix.removeprefix(".")
    if ending not in found:
        raise ConfigError(f"{path}: is no exported network; name a file that ends in .{', .'.join(found)}")
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; check the path")
    return found[ending]


def described(path: Path) -> Description:
    """The description inside an exported file; raises ``CheckpointError`` for a file that cnncli did not write."""
    return from_json(_format_of(path).read(path), path)


def open_as(path: Path, description: Description, graph: Graph | None) -> Run:
    """An exported file to be run; the ``graph`` is that of a checkpoint, whose network safetensors need."""
    return _format_of(path).open(path, description, graph)


def with_description(path: Path, description: Description) -> None:
    """Write the description into an ONNX file that has none, or another."""
    onnx = _needs("onnx")
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {KEY: as_json(description)})
    onnx.save(model, path)
