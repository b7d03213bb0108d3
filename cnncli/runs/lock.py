"""Whether a process works in a run, found out without keeping others from working there."""

import os
import sys
from pathlib import Path

LOCK = ".lock"


def is_locked(run: Path) -> bool:
    """Whether a process holds the lock of the run in this folder."""
    if sys.platform == "win32":
        return _taken(run / LOCK)
    import fcntl

    try:
        descriptor = os.open(run / LOCK, os.O_RDONLY)
    except OSError:  # no lock was ever taken here, or it is not for us to see
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: those who only look do not see each other
    except OSError as error:
        return isinstance(error, BlockingIOError)  # a file system without locks has none taken
    finally:
        os.close(descriptor)
    return False


def _taken(path: Path) -> bool:
    from filelock import FileLock, Timeout

    if not path.is_file():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
