"""How a tool is measured: loaded once, in a process of its own, it is given files one after the other.

Only the standard library: it is imported in environments of their own.
"""

import os
import sys
import time
from collections.abc import Callable

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")


def one_thread() -> None:
    """Keep numerical libraries that are loaded from here on to one thread."""
    for name in THREADS:
        os.environ[name] = "1"


def serve(tag: Callable[[str], object], files: list[str]) -> None:
    """Tag the files and leave; or, without any, those whose paths come in, with the seconds of each as the answer."""
    for file in files:
        tag(file)
    if files:
        return
    # What the tool prints is none of the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        tag(line.rstrip("\n"))
        print(time.perf_counter() - started, file=answers, flush=True)
