# SPDX-License-Identifier: GPL-2.0
"""Files that commands write for the user."""

import contextlib
import os

from .command import Problem


@contextlib.contextmanager
def whole_file(path, mode, **how):
    """Context: the file @path (str), open for writing as open() does: as `>` in a shell, but whole or not at all.

    @mode: str, @how: as open() has them.  Raises a Problem if it can't be written.
    """
    path = os.path.abspath(os.path.expanduser(path))
    # What is no file, such as /dev/stdout, can't be replaced by one; a link stays one.
    plain = not path.startswith(("/dev/", "/proc/")) and (os.path.isfile(path) or not os.path.exists(path))
    path = os.path.realpath(path) if plain else path
    part = f"{path}.{os.getpid()}.part" if plain else path
    try:
        with open(part, mode, **how) as file:
            yield file
        if part != path:
            os.replace(part, path)
    except OSError as error:
        raise Problem("file", path, error.strerror or str(error)) from None
    finally:
        if part != path:
            with contextlib.suppress(OSError):
                os.unlink(part)
