"""Loaded by every Python process of a chaos run: a clock that jumps, and a storage that fails while a file is there."""

import builtins
import errno
import io
import os
import random
import time

if "CHAOS_CLOCK_SEED" in os.environ:
    _chance = random.Random(f"{os.environ['CHAOS_CLOCK_SEED']} {os.getpid()}")
    _time, _offset = time.time, [0.0]

    def _jumping() -> float:
        if _chance.random() < 0.1:
            _offset[0] = _chance.choice((-86_400.0, -3_600.0, 3_600.0, 1e9))
        return _time() + _offset[0]

    time.time = _jumping

if "CHAOS_STORAGE" in os.environ:
    _folder, _flag = os.environ["CHAOS_STORAGE"].split(os.pathsep)
    _open, _stat = io.open, os.stat

    def _refuse(path: object) -> None:
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(_folder) and os.access(_flag, os.F_OK):
            raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))

    def _failing_open(file, *arguments, **options):
        _refuse(file)
        return _open(file, *arguments, **options)

    def _failing_stat(path, **options):
        _refuse(path)
        return _stat(path, **options)

    io.open = builtins.open = _failing_open
    os.stat = _failing_stat
