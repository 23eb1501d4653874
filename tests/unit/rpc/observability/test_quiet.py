import subprocess
import sys

PROGRAM = """
import os, sys
from lastlayer.rpc.observability.quiet import native_lines_held
try:
    with native_lines_held():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\\n")
        os.write(2, b"I0000 00:00:1795872019.017934   17848 port.cc:153] oneDNN custom operations are on.\\n")
        os.write(2, b"E0000 00:00:1795872019.017934   17848 x.cc:1] no memory\\n")
        print("ours, at once", file=sys.stderr)
        {last}
finally:
    print("after", file=sys.stderr)
"""


def said(last: str = "pass") -> list[str]:
    program = PROGRAM.format(last=last)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    ).stderr.splitlines()


def test_only_what_tells_of_a_fault_comes_through() -> None:
    fault = "E0000 00:00:1795872019.017934   17848 x.cc:1] no memory"
    assert said() == ["ours, at once", fault, "after"]
    failed = said("raise ValueError('wrong')")
    assert failed[:3] == ["ours, at once", fault, "after"]
    assert failed[-1] == "ValueError: wrong"
