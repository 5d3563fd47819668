"""The end of a process that had Ray in it.

Threads of Ray's core outlive `ray.shutdown()` (the harvester of its metrics, gRPC's timers and pollers), and the C++
runtime takes Ray's objects down in an order that reads what is gone: a core dump of Ray 2.60 shows the destructor of
`CoreWorkerProcessImpl` publishing to a scheduler that was freed. So now and then, once in about twenty runs of the
tests, a process whose work is done and told ends by SIGSEGV. A script takes that for a failure.
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
