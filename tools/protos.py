"""Generates the gRPC stubs from `protos/` and checks the contract: fresh stubs, a comment on everything, no break.

Runs in the environment of `requirements/protos.txt` (see `make protos`), whose protobuf 6 generator makes stubs that
runtimes 6 and 7 both load. The checks themselves work on descriptors and need protobuf alone.
"""

import argparse
import importlib.resources
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

PROTOS = Path(__file__).resolve().parent.parent / "protos"
SOURCES = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.glob("lastlayer/v1/*.proto"))
# The contract as it was last released. Everything in it must stay; what is new is added to it by `make protos`.
BASELINE = PROTOS / "lastlayer" / "v1" / "baseline.binpb"

# Field numbers within descriptor.proto, of which the paths of source locations are made.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _NESTED, _NESTED_ENUMS, _ONEOFS = 2, 3, 4, 8
_VALUES, _METHODS = 2, 2


def run_protoc(*options: str) -> None:
    """Run protoc over our sources; raises SystemExit with its status where it fails (it prints why)."""
    import grpc_tools  # type: ignore[import-not-found]
    from grpc_tools import protoc

    well_known = importlib.resources.files(grpc_tools) / "_proto"
    google_rpc = Path(importlib.import_module("google.rpc.status_pb2").__file__ or "").parents[2]
    status = protoc.main(["protoc", f"-I{PROTOS}", f"-I{well_known}", f"-I{google_rpc}", *options, *SOURCES])
    if status:
        raise SystemExit(status)


def write_stubs(folder: Path) -> None:
    """Write the stubs and their types below `folder`."""
    run_protoc(
        f"--python_out={folder}",
        f"--pyi_out={folder}",
        f"--grpc_python_out={folder}",
        f"--mypy_grpc_out={folder}",
    )


def read_contract(folder: Path) -> FileDescriptorSet:
    """Return the descriptors of our sources, with their comments."""
    target = folder / "contract.binpb"
    run_protoc(f"--descriptor_set_out={target}", "--include_source_info")
    return FileDescriptorSet.FromString(target.read_bytes())


def uncommented(contract: FileDescriptorSet) -> list[str]:
    """Return the full names of the elements without a leading comment, in the order of the sources."""
    missing = []
    for file in contract.file:
        commented = {
            tuple(location.path)
            for location in file.source_code_info.location
            if location.leading_comments.strip() or location.trailing_comments.strip()
        }
        missing += [name for name, path in _elements(file) if path not in commented]
    return missing


def _elements(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    for index, message in enumerate(file.message_type):
        yield from _message_elements(message, file.package, (_MESSAGES, index))
    for index, enum in enumerate(file.enum_type):
        yield from _enum_elements(enum, file.package, (_ENUMS, index))
    for index, service in enumerate(file.service):
        name, path = f"{file.package}.{service.name}", (_SERVICES, index)
        yield name, path
        for number, method in enumerate(service.method):
            yield f"{name}.{method.name}", (*path, _METHODS, number)


def _message_elements(
    message: DescriptorProto, scope: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    name = f"{scope}.{message.name}"
    yield name, path
    for index, field in enumerate(message.field):
        yield f"{name}.{field.name}", (*path, _FIELDS, index)
    # The compiler makes a oneof of its own for each `optional` field; only those that were written can have a comment.
    synthetic = {field.oneof_index for field in message.field if field.proto3_optional}
    for index, oneof in enumerate(message.oneof_decl):
        if index not in synthetic:
            yield f"{name}.{oneof.name}", (*path, _ONEOFS, index)
    for index, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            yield from _message_elements(nested, name, (*path, _NESTED, index))
    for index, enum in enumerate(message.enum_type):
        yield from _enum_elements(enum, name, (*path, _NESTED_ENUMS, index))


def _enum_elements(
    enum: EnumDescriptorProto, scope: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    name = f"{scope}.{enum.name}"
    yield name, path
    for index, value in enumerate(enum.value):
        yield f"{name}.{value.name}", (*path, _VALUES, index)


def breaks(released: FileDescriptorSet, contract: FileDescriptorSet) -> list[str]:
    """Return one sentence for each promise of `released` that `contract` no longer keeps.

    A message, field, enum value, service or method that was released stays, with its number, type, cardinality and
    streaming; a oneof that a field was in stays.
    """
    old, new = _promises(released), _promises(contract)
    return [
        f"{name} was removed or renamed" if name not in new else f"{name} changed from {promise} to {new[name]}"
        for name, promise in old.items()
        if new.get(name) != promise
    ]


def _promises(contract: FileDescriptorSet) -> dict[str, str]:
    promises: dict[str, str] = {}
    for file in contract.file:
        for message in file.message_type:
            _promise_message(promises, message, file.package)
        for enum in file.enum_type:
            _promise_enum(promises, enum, file.package)
        for service in file.service:
            for method in service.method:
                promises[f"{file.package}.{service.name}.{method.name}"] = (
                    f"({'stream ' * method.client_streaming}{method.input_type}) returns "
                    f"({'stream ' * method.server_streaming}{method.output_type})"
                )
    return promises


def _promise_message(promises: dict[str, str], message: DescriptorProto, scope: str) -> None:
    name = f"{scope}.{message.name}"
    promises[name] = "message"
    for field in message.field:
        kind = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
        label = FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()
        oneof = f" in oneof {message.oneof_decl[field.oneof_index].name}" if field.HasField("oneof_index") else ""
        promises[f"{name}.{field.name}"] = f"{label} {field.type_name or kind} = {field.number}{oneof}"
    for nested in message.nested_type:
        _promise_message(promises, nested, name)
    for enum in message.enum_type:
        _promise_enum(promises, enum, name)


def _promise_enum(promises: dict[str, str], enum: EnumDescriptorProto, scope: str) -> None:
    for value in enum.value:
        promises[f"{scope}.{enum.name}.{value.name}"] = str(value.number)


def stale_stubs(fresh: Path, committed: Path) -> list[str]:
    """Return the paths, below both folders, of stubs that differ, are missing or have no source any more."""

    def stubs(folder: Path) -> dict[str, bytes]:
        found = [*folder.glob("lastlayer/v1/*_pb2*.py"), *folder.glob("lastlayer/v1/*_pb2*.pyi")]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}

    new, old = stubs(fresh), stubs(committed)
    return sorted(name for name in new.keys() | old.keys() if new.get(name) != old.get(name))


def main() -> int:
    """Generate (`write`) or check (`check`); the exit status is 0 where the contract is sound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["write", "check"])
    action = parser.parse_args().action
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contract = read_contract(folder)
        problems = [f"{element} has no comment" for element in uncommented(contract)]
        released = FileDescriptorSet.FromString(BASELINE.read_bytes()) if BASELINE.exists() else FileDescriptorSet()
        problems += [f"v1 breaks its compatibility: {sentence}" for sentence in breaks(released, contract)]
        for file in contract.file:
            file.ClearField("source_code_info")
        baseline = contract.SerializeToString(deterministic=True)
        if action == "write" and not problems:
            write_stubs(PROTOS)
            BASELINE.write_bytes(baseline)
        elif action == "check":
            write_stubs(folder)
            problems += [f"protos/{stub} is stale: run `make protos`" for stub in stale_stubs(folder, PROTOS)]
            if released != contract:
                problems.append(f"protos/{BASELINE.relative_to(PROTOS)} is stale: run `make protos`")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
