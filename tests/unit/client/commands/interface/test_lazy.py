"""gRPC without asyncio: in processes of their own, as this one has both."""

import subprocess
import sys

import pytest

LAZY = "import sys; from lastlayer.client.commands.interface.lazy import import_grpc, postponed\n"


def run(program: str) -> str:
    """Run a program of Python; return what it printed."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_grpc_comes_without_what_no_command_uses() -> None:
    program = "import_grpc()\nimport grpc; from lastlayer.client.api import Client\nprint(*sys.modules)"
    modules = set(run(LAZY + program).split())
    assert "grpc" in modules
    assert not {"asyncio", "grpc.aio", "socket", "ssl"} & modules


def test_programs_that_use_the_library_get_grpc_as_it_is() -> None:
    program = (
        "import sys, types; from lastlayer.client import Client; import grpc; print(type(sys.modules['grpc.aio']))"
    )
    assert run(f"{program}; print(grpc.aio is sys.modules['grpc.aio'], 'asyncio' in sys.modules)") == (
        "<class 'module'>\nTrue True\n"
    )


@pytest.mark.parametrize(
    "how",
    [
        "import asyncio",
        "import asyncio.events, asyncio",
        "from asyncio import run; import asyncio",
        "import grpc.aio; import asyncio",
        "from grpc import aio; aio.Channel; import asyncio",
        "grpc.aio.Channel; import asyncio",
    ],
)
def test_whoever_needs_it_afterwards_gets_all_of_it_once(how: str) -> None:
    program = (
        "import_grpc()\nimport grpc\n"
        f"{how}\n"
        "import grpc.aio, socket, types\n"
        "assert type(asyncio) is type(socket) is type(sys.modules['grpc.aio']) is types.ModuleType\n"
        "assert asyncio.events is sys.modules['asyncio.events']\n"
        "assert issubclass(asyncio.SelectorEventLoop, asyncio.events.AbstractEventLoop)\n"
        "assert grpc.aio.Channel is sys.modules['grpc.aio'].Channel"
    )
    run(LAZY + program)


def test_what_is_used_at_once_is_imported_at_once() -> None:
    program = (
        "with postponed('colorsys', 'json'):\n"
        "    import colorsys, json\n"
        "    assert colorsys.rgb_to_hsv(0, 0, 0) == (0, 0, 0)\n"
        "    assert sys.modules['colorsys'].rgb_to_hsv is colorsys.rgb_to_hsv\n"
        "    assert 'json.decoder' not in sys.modules\n"
        "assert 'json' not in sys.modules\n"
        "assert json.loads('1') == 1\n"
        "assert sys.modules['json'].loads is json.loads"
    )
    run(LAZY + program)


def test_what_is_there_already_stays() -> None:
    program = (
        "import json, grpc\n"
        "before = dict(sys.modules)\n"
        "with postponed('json'):\n"
        "    assert sys.modules['json'] is json\n"
        "import_grpc()\n"
        "assert sys.modules == before"
    )
    run(LAZY + program)
