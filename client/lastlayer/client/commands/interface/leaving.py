"""Ends a command's process without tearing the interpreter down, which takes a twelfth of `client predict`."""

import atexit
import os
import sys
import threading


def leave(status: int) -> None:
    """Call the exit handlers, write what is buffered, and end this process with this exit status.

    Returns where threads are to be awaited, or output cannot be written. Then the caller is to end it by `sys.exit`.
    """
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        return
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # ValueError: the stream is closed
        return
    os._exit(status)
