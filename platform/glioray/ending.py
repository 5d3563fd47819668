"""The end of a process that had Ray in it.

Threads of Ray's core outlive `ray.shutdown()` (the harvester of its metrics, gRPC's timers and pollers). While the C++
runtime takes its objects down, one of them now and then reads what is gone, and a process whose work is done and told
ends by SIGSEGV: seen once in about twenty runs of the tests, with Ray 2.60. A script takes that for a failure.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys


class Ending:
    """Ends the process with its code after all that Python itself does at an end, before the C++ runtime's turn.

    Make it before anything else registers with `atexit`, whose last handler is the first that was registered. Without
    Ray in the process it does nothing.
    """

    def __init__(self) -> None:
        self.code = 1
        """what an exception that nobody catches ends with"""
        atexit.register(self._end)

    def _end(self) -> None:
        if "ray" not in sys.modules:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(self.code)
