"""The one exception that is meant to be read by the person at the screen."""

from __future__ import annotations

import errno


class UserError(Exception):
    """Something the user can put right.

    `message` says in one sentence what is wrong, `hint` in one what to do about it.
    The command line prints both and exits with status 2; the window shows both in its error banner.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def describe_os_error(error: OSError, doing: str) -> UserError:
    """Turn an operating system error into words; `doing` completes "Could not ..."."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"Could not {doing}: the disk is full.", "Free some space and try again; nothing that was saved before is lost.")
    if isinstance(error, PermissionError):
        return UserError(f"Could not {doing}: permission denied.", "Choose a place that you may read and write, or change its permissions.")
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return UserError(f"Could not {doing}: there is a file where a folder is needed.", "Choose another folder, or move that file away.")
    if error.errno == errno.EFBIG:
        return UserError(f"Could not {doing}: files of that size are not allowed here.", "Raise the limit on file sizes, or choose another disk.")
    reason = error.strerror or str(error)
    return UserError(f"Could not {doing}: {reason}.", "Check that the file or folder still exists and that the disk is connected.")


def as_user_error(error: BaseException) -> UserError | None:
    """What went wrong in words, if it is something that the user can put right: a disk, a permission, too little memory."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        return describe_os_error(error, "finish this")
    text = str(error).lower()
    # torch.OutOfMemoryError by its name, since this module knows no torch; its CPU allocator raises a plain RuntimeError.
    refused = isinstance(error, RuntimeError) and ("out of memory" in text or "not enough memory" in text)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or refused:
        return UserError("There is not enough memory for this.", "Choose a smaller batch, fewer or smaller pictures, or a smaller preset, or close other programs.")
    return None


class Cancelled(Exception):
    """Somebody asked for the work to end before it had a result; nothing half-made is left behind."""
