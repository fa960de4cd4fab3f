"""What worker processes do in tests: the setup says how they start, and each job what happens on it."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable

from earmark.workers.worker import Work


def factory(setup: bytes, tell: Callable[[bytes], None]) -> Work:
    """Start as the first word of the setup says; the rest of it is filling."""
    match setup.split(b" ")[0]:
        case b"fails":
            raise ValueError("no such model")
        case b"sleeps":
            time.sleep(600)
        case b"crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
    sys.stdout.write("what other libraries print is in nobody's way\n")

    def work(job: bytes) -> bytes:
        word, _, rest = job.partition(b" ")
        match word:
            case b"echo":
                tell(b"half of it")
                return rest
            case b"sleep":
                time.sleep(float(rest))
            case b"hold":  # the lock of the interpreter, as a decoder may
                ctypes.PyDLL(None).usleep(int(float(rest) * 1e6))
            case b"signal":
                os.kill(os.getpid(), int(rest))
            case b"exit":
                sys.exit(int(rest))
            case b"raise":
                raise RuntimeError(rest.decode())
            case b"write":
                os.write(1, b"to stdout, past Python")
            case b"large":
                return bytes(int(rest))
        return b"done"

    return work
