"""The end of a command's process, without Python's taking it apart, a twelfth of the time of `client predict`."""

import atexit
import os
import sys
import threading


def leave(status: int) -> None:
    """End this process with this exit status, once all is done that is to be done at its end.

    Returns where that is more than can be seen to here, for the caller to end it by `sys.exit`: threads that are to be
    awaited, or output that cannot be written.
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
