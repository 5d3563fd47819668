"""Failures of the machine that reading a file meets, told from damage of the file.

A disk that does not answer or too many open files say nothing of a scan: such a scan must not be left out as if it
were damaged. The error goes on as it is, and the next run can go on.
"""

from __future__ import annotations

import errno

OF_THE_MACHINE = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ETIMEDOUT}
)


def raise_if_of_machine(error: BaseException) -> None:
    """Raises an OSError again that is no fault of the file; damage that a reader found has no such number."""
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        raise error


def raise_always(error: OSError) -> None:
    """For `os.walk`, which otherwise passes over a folder that cannot be listed."""
    raise error
