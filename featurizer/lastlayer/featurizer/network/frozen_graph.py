"""Frozen graphs as files: reads them, checks that they have what a declaration names, and keeps those of Keras."""

import difflib
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import tensorflow as tf
from google.protobuf.message import DecodeError

from lastlayer.featurizer.errors import BackboneError
from lastlayer.rpc.system.files import write_whole

_log = logging.getLogger(__name__)

_CHECKSUM_BYTES: Final = 32


class Frozen(NamedTuple):
    """A frozen graph, and the tensors of it that matter."""

    graph_def: tf.compat.v1.GraphDef
    input: str
    tensors: dict[str, str]
    """The tensor of each tap."""


@dataclass(frozen=True)
class GraphCache:
    """Where the graph of a Keras network is kept, which takes long to make."""

    folder: Path
    digest: str
    """The backbone's."""


def read_graph(path: Path) -> tf.compat.v1.GraphDef:
    """Return the graph of a file; raises BackboneError where it is none."""
    graph_def = tf.compat.v1.GraphDef()
    try:
        graph_def.ParseFromString(path.read_bytes())
    except OSError as error:
        raise BackboneError(f"`{path}` cannot be read: {error.strerror}.") from error
    except DecodeError as error:
        raise BackboneError(f"`{path}` is no frozen TensorFlow graph, or it is damaged.") from error
    if not graph_def.node:
        raise BackboneError(f"`{path}` holds no graph.")
    return graph_def


def needed_part(frozen: Frozen, path: Path) -> tf.compat.v1.GraphDef:
    """Return the part of the graph between the input and the taps.

    Raises BackboneError, naming the file `path`, where the graph has not what is declared or needs more than the input.
    """
    _check_tensors(frozen, path)
    input_node = frozen.input.partition(":")[0]
    tapped = [tensor.partition(":")[0] for tensor in frozen.tensors.values()]
    needed: tf.compat.v1.GraphDef = tf.compat.v1.graph_util.extract_sub_graph(frozen.graph_def, [input_node, *tapped])
    for node in needed.node:
        if node.op in ("Variable", "VariableV2", "VarHandleOp"):
            raise BackboneError(f"`{path}` is not frozen: `{node.name}` is a variable; its value must be in the graph.")
        if node.op == "Placeholder" and node.name != input_node:
            raise BackboneError(f"`{path}`: the taps need a second input, `{node.name}`; freeze its value too.")
    return needed


def load_or_make(cache: GraphCache, group: str, make: Callable[[], Frozen]) -> Frozen:
    """Return the graph that was kept; make and keep it where there is none, or where it is damaged.

    Another version of TensorFlow makes it anew, and so do weights of another `group` of the file.
    """
    key = f"{cache.digest} {group} TensorFlow {tf.__version__}"
    path = cache.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.pb"
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_CHECKSUM_BYTES:]).digest() == content[:_CHECKSUM_BYTES]:
            header, _, graph = content[_CHECKSUM_BYTES:].partition(b"\n")
            names = json.loads(header)
            return Frozen(tf.compat.v1.GraphDef.FromString(graph), names["input"], names["tensors"])
        _log.warning("`%s` is damaged; making it again", path)
    except FileNotFoundError:
        pass
    except OSError as error:
        _log.warning("`%s` cannot be read: %s", path, error.strerror)
    frozen = make()
    header = json.dumps({"input": frozen.input, "tensors": frozen.tensors}).encode()
    content = header + b"\n" + frozen.graph_def.SerializeToString()
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as unfinished:
            unfinished.write_bytes(hashlib.sha256(content).digest() + content)
    except OSError as error:  # such as a folder that is mounted read-only: the next start takes longer, no more
        _log.info("`%s` cannot be kept: %s", path, (error.strerror or str(error)).lower())
    return frozen


def _check_tensors(frozen: Frozen, path: Path) -> None:
    nodes = {node.name: node for node in frozen.graph_def.node}
    taps = {f"tap `{name}`": tensor for name, tensor in frozen.tensors.items()}
    for key, tensor in {"input": frozen.input, **taps}.items():
        name, colon, index = tensor.partition(":")
        if not colon or not index.isdigit():
            raise BackboneError(f"The {key} is declared as `{tensor}`; a tensor is named like `{name}:0`.")
        if name not in nodes:
            close = difflib.get_close_matches(name, nodes, n=3, cutoff=0.4)
            hint = f" The closest that exist: {', '.join(f'`{match}:0`' for match in close)}." if close else ""
            raise BackboneError(f"`{path}` has no tensor `{tensor}` for the {key}.{hint}")
    node = nodes[frozen.input.partition(":")[0]]
    if node.op != "Placeholder" or node.attr["dtype"].type != tf.float32.as_datatype_enum:
        raise BackboneError(f"`{path}`: the input `{frozen.input}` is a {node.op}; a float32 Placeholder is needed.")
