"""Imports gRPC without asyncio, which no command uses: importing it took a fifth of `client predict`.

This is for the processes of commands alone. Programs that import `lastlayer.client` get gRPC as it is.
"""

import contextlib
import importlib
import sys
import types
from collections.abc import Iterator
from typing import Any, Final

_UNUSED: Final = ("asyncio", "grpc.aio", "socket")
"""What gRPC imports for its asynchronous API alone, with Python's TLS; it does without Python's sockets, too."""


def import_grpc() -> None:
    """Import gRPC, unless that has been done; `grpc.aio` and what it needs are imported once something of them is used.

    Afterwards `import asyncio` and `import grpc.aio` import them as ever.
    """
    if "grpc" not in sys.modules:
        with postponed(*_UNUSED):
            import grpc  # noqa: F401 - whoever needs it finds it


@contextlib.contextmanager
def postponed(*names: str) -> Iterator[None]:
    """Give whoever imports one of these modules while the block lasts a stand-in, which imports it at first use."""
    # `importlib.util.LazyLoader` imports a module as soon as a second one imports it: that asks for its `__spec__`.
    # And what it makes lazy is so for all the process; a first `import asyncio.events` would import that twice.
    stand_ins = {name: _StandIn(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for stand_in in stand_ins.values():
            stand_in.step_aside()


class _StandIn(types.ModuleType):
    """Stands for a module, where that has been imported from: its attributes are those of the module."""

    def __getattr__(self, attribute: str) -> Any:
        self.step_aside()
        return getattr(importlib.import_module(self.__name__), attribute)

    def step_aside(self) -> None:
        """Let the next import get the module itself."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
