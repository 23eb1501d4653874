"""What the contract says of services: those in protobuf's default pool, and that of the Open Inference Protocol."""

from collections.abc import Iterable
from typing import Final

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from lastlayer.open_inference import service_pb2
from lastlayer.rpc.channel import INFERENCE_SERVICE

_INFERENCE: Final = service_pb2.DESCRIPTOR.services_by_name[INFERENCE_SERVICE.rpartition(".")[2]]

METHODS: Final = frozenset(f"/{INFERENCE_SERVICE}/{method.name}" for method in _INFERENCE.methods)
"""The paths of all methods of the Open Inference Protocol: none of them changes anything."""

PROBES: Final = frozenset(f"/{INFERENCE_SERVICE}/{name}" for name in ("ServerLive", "ServerReady"))
"""The paths of those that say how the server is, as the health service does."""


def find_service(name: str) -> ServiceDescriptor:
    """Return what the contract says of a service, by its full name; raises KeyError where there is none."""
    if name == INFERENCE_SERVICE:
        return _INFERENCE
    return descriptor_pool.Default().FindServiceByName(name)


def reflection_pool(services: Iterable[str]) -> DescriptorPool:
    """Return a pool with the files of services, by their full names, and with all that those import."""
    pool = DescriptorPool()
    known = set[str]()

    def add(file: FileDescriptor) -> None:
        if file.name not in known:
            known.add(file.name)
            for imported in file.dependencies:
                add(imported)
            pool.AddSerializedFile(file.serialized_pb)

    for service in services:
        add(find_service(service).file)
    return pool
