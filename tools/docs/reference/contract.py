"""The contract as pages: every service, method, message, field and reason, with the comments of the protos.

`buf`, which `make protos-check` installs, reads the comments; nothing of them is in the stubs.
"""

import functools
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from tools import ROOT

BUF: Final = ROOT / ".venv-protos/bin/buf"

# The numbers of fields in descriptor.proto, of which the paths of comments are made.
_MESSAGES, _ENUMS, _SERVICES = 4, 5, 6
_FIELDS, _NESTED, _NESTED_ENUMS, _METHODS, _VALUES = 2, 3, 4, 2, 2

Place = tuple[int, ...]
"""Where something is in a file: numbers of fields of `FileDescriptorProto` and indices, in turn."""


@dataclass(frozen=True)
class Reason:
    """A value of `ErrorReason` as its comment has it: `CODE: cause. Metadata: keys. Cure: what to do.`"""

    name: str
    code: str
    """The code of gRPC's status."""
    cause: str
    metadata: str
    """The keys of the error's metadata, as a sentence without its full stop; empty where it has none."""
    cure: str


@functools.cache
def files() -> dict[str, FileDescriptorProto]:
    """Return the protos with their comments, by their paths; raises FileNotFoundError without buf."""
    if not BUF.exists():
        raise FileNotFoundError(f"There is no {BUF.relative_to(ROOT)}: run `make protos-check`.")
    image = subprocess.run(
        [BUF, "build", "protos", "--exclude-imports", "-o", "-"], cwd=ROOT, capture_output=True, check=True
    )
    return {file.name: file for file in FileDescriptorSet.FromString(image.stdout).file}


def reasons(file: FileDescriptorProto) -> list[Reason]:
    """Return the reasons of errors; raises ValueError where a comment is not made as `Reason` says."""
    comments = _comments(file)
    [index] = [index for index, kind in enumerate(file.enum_type) if kind.name == "ErrorReason"]
    found = []
    for number, value in enumerate(file.enum_type[index].value):
        if value.number == 0:  # is never sent
            continue
        comment = " ".join(comments[_ENUMS, index, _VALUES, number].split())
        parts = re.fullmatch(r"([A-Z_]+): (.+?)\.(?: Metadata: (.+?)\.)? Cure: (.+)", comment)
        if parts is None:
            raise ValueError(f"{value.name} has no comment such as `CODE: cause. Metadata: keys. Cure: what to do.`")
        name = value.name.removeprefix("ERROR_REASON_")
        found.append(Reason(name, parts[1], _capital(parts[2]), parts[3] or "", _capital(parts[4])))
    return found


def pages() -> dict[str, str]:
    """Return a page for each proto: its name is that of the file, or of the folder where the package is not ours."""
    homes: dict[str, str] = {}
    for file in files().values():
        names = [*(kind.name for kind in file.message_type), *(kind.name for kind in file.enum_type)]
        homes |= {f".{file.package}.{name}": _page_name(file) for name in names}
    return {_page_name(file): "\n".join(_page(file, homes)) for file in files().values()}


def _page_name(file: FileDescriptorProto) -> str:
    path = Path(file.name)
    return path.stem if path.parent.as_posix() == file.package.replace(".", "/") else path.parent.name


def _page(file: FileDescriptorProto, homes: dict[str, str]) -> Iterator[str]:
    comments, here = _comments(file), _page_name(file)
    services = " and ".join(service.name for service in file.service)
    yield f"# {services or f'Messages of {Path(file.name).name}'}\n"
    yield f"Package `{file.package}`, made from `protos/{file.name}`.\n"
    types = _Types(homes, here)
    for index, service in enumerate(file.service):
        yield _text(comments.get((_SERVICES, index), ""))
        yield "## Methods\n"
        for number, method in enumerate(service.method):
            yield f"### {method.name} {{ #rpc-{method.name.lower()} }}\n"
            yield f"{_signature(method, types)}\n"
            yield _text(comments.get((_SERVICES, index, _METHODS, number), ""))
    if file.message_type:
        yield "## Messages\n"
    for index, message in enumerate(file.message_type):
        yield from _message(message, "", (_MESSAGES, index), comments, types)
    if file.enum_type:
        yield "## Enumerations\n"
    for index, enumeration in enumerate(file.enum_type):
        yield from _enumeration(enumeration, "", (_ENUMS, index), comments)


def _message(
    message: DescriptorProto, outer: str, place: Place, comments: dict[Place, str], types: "_Types"
) -> Iterator[str]:
    name = f"{outer}{message.name}"
    yield f"### {name} {{ #{name.lower().replace('.', '-')} }}\n"
    yield _text(comments.get(place, ""))
    if message.field:
        yield "| field | type | number | meaning |\n| --- | --- | --- | --- |"
        for number, field in enumerate(message.field):
            meaning = _cell(comments.get((*place, _FIELDS, number), ""))
            if field.HasField("oneof_index") and not field.proto3_optional:
                meaning = f"One of `{message.oneof_decl[field.oneof_index].name}`. {meaning}"
            yield f"| `{field.name}` | {types.of(field, message)} | {field.number} | {meaning} |"
        yield ""
    for index, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            yield from _message(nested, f"{name}.", (*place, _NESTED, index), comments, types)
    for index, enumeration in enumerate(message.enum_type):
        yield from _enumeration(enumeration, f"{name}.", (*place, _NESTED_ENUMS, index), comments)


def _enumeration(
    enumeration: EnumDescriptorProto, outer: str, place: Place, comments: dict[Place, str]
) -> Iterator[str]:
    name = f"{outer}{enumeration.name}"
    yield f"### {name} {{ #{name.lower().replace('.', '-')} }}\n"
    yield _text(comments.get(place, ""))
    yield "| value | number | meaning |\n| --- | --- | --- |"
    for number, value in enumerate(enumeration.value):
        yield f"| `{value.name}` | {value.number} | {_cell(comments.get((*place, _VALUES, number), ''))} |"
    yield ""


@dataclass(frozen=True)
class _Types:
    """Types as links to where they are explained."""

    homes: dict[str, str]
    """The page of each message and enumeration of ours, by its full name."""
    here: str

    def of(self, field: FieldDescriptorProto, message: DescriptorProto) -> str:
        """Return the type of a field of a message."""
        for nested in message.nested_type:
            if nested.options.map_entry and field.type_name.endswith(f".{message.name}.{nested.name}"):
                key, value = (self._single(part) for part in nested.field)
                return f"map of {key} to {value}"
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return f"repeated {self._single(field)}"
        return f"optional {self._single(field)}" if field.proto3_optional else self._single(field)

    def _single(self, field: FieldDescriptorProto) -> str:
        if field.type_name:
            return self.named(field.type_name)
        return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()

    def named(self, full_name: str) -> str:
        """Return the name of a message or an enumeration, as a link where it is one of ours."""
        outermost = next((home for home in self.homes if full_name == home or full_name.startswith(f"{home}.")), None)
        if outermost is None:
            return f"`{full_name.removeprefix('.')}`"
        name = full_name.removeprefix(outermost.rpartition(".")[0] + ".")
        page = "" if self.homes[outermost] == self.here else f"{self.homes[outermost]}.md"
        return f"[{name}]({page}#{name.lower().replace('.', '-')})"


def _signature(method: MethodDescriptorProto, types: _Types) -> str:
    sent = f"{'stream of ' if method.client_streaming else ''}{types.named(method.input_type)}"
    answered = f"{'stream of ' if method.server_streaming else ''}{types.named(method.output_type)}"
    return f"{sent} → {answered}"


def _comments(file: FileDescriptorProto) -> dict[Place, str]:
    return {tuple(place.path): place.leading_comments for place in file.source_code_info.location}


def _text(comment: str) -> str:
    return _escape("\n".join(line.strip() for line in comment.splitlines())) + "\n"


def _cell(comment: str) -> str:
    paragraphs: Sequence[str] = re.split(r"\n\s*\n", comment.strip())
    return "<br>".join(_escape(" ".join(paragraph.split())).replace("|", r"\|") for paragraph in paragraphs)


def _escape(text: str) -> str:
    """Return the text with what is neither code nor Markdown's made safe for it."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"([*\[])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    return "".join(parts)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
