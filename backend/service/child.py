"""How a process that the server starts begins: its output is a pipe, its end is the server's."""

import ctypes
import os
import signal
import sys

from .pipe import PipeWriter

PR_SET_PDEATHSIG = 1


def begin_child() -> PipeWriter:
    """Become a child of the server; return the pipe to it. What is printed goes to the log."""
    writer = _take_output()
    _die_with_parent()
    # A Ctrl+C in a terminal reaches us too; what it means is the server's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return writer


def _take_output() -> PipeWriter:
    """Keep the standard output for messages; what libraries print goes where errors go."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return PipeWriter(os.fdopen(pipe, "wb"))


def _die_with_parent() -> None:
    """Have Linux end us with the server even while a kernel holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
