"""The one exception that is meant to be read by the person at the screen."""

from __future__ import annotations

import errno

from ddpm_studio.language import later, tr


class UserError(Exception):
    """Something the user can put right.

    `message` says in one sentence what is wrong, `hint` in one what to do about it.
    The command line prints both and exits with status 2; the window shows both in its error banner.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DamagedFile(UserError):
    """A file that is not what was once written: cut off, altered, or something else altogether."""


class DiskTrouble(UserError):
    """A disk that does not take or give anything now; when that has been put right, the same would go well."""


class DiskFull(DiskTrouble):
    """There is no room for what was to be written."""


class DataChanged(UserError):
    """A run cannot go on unasked: its pictures are no longer the same."""


class RunBusy(UserError):
    """Another process trains the run."""


_MAY_PASS = {
    errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENODEV, errno.ENXIO, errno.ETIMEDOUT, errno.EBUSY,
    *(getattr(errno, name) for name in ("ESTALE", "EHOSTDOWN", "EHOSTUNREACH", "ENOTCONN", "ENOMEDIUM") if hasattr(errno, name)),
}  # fmt: skip
"""What a disk says that was unplugged, is read-only for now, or lies on the other side of a network."""


SAID_BY_SYSTEMS = (
    later("No such file or directory"), later("Input/output error"), later("Read-only file system"), later("Connection timed out"), later("Device or resource busy"),
    later("Is a directory"), later("File name too long"), later("Too many open files"), later("No such device"), later("Stale file handle"), later("Invalid argument"),
)  # fmt: skip
"""What an operating system says most often; the rest stays in its own words."""


def describe_os_error(error: OSError, doing: str) -> UserError:
    """Turn an operating system error into words; `doing` completes "Could not ..."."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(tr("Could not {doing}: the disk is full.", doing=doing), tr("Free some space and try again; nothing that was saved before is lost."))
    if error.errno == errno.EFBIG:
        return UserError(tr("Could not {doing}: files of that size are not allowed here.", doing=doing), tr("Raise the limit on file sizes, or choose another disk."))
    kind = DiskTrouble if error.errno in _MAY_PASS else UserError
    if isinstance(error, PermissionError):
        return kind(tr("Could not {doing}: permission denied.", doing=doing), tr("Choose a place that you may read and write, or change its permissions."))
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return kind(tr("Could not {doing}: there is a file where a folder is needed.", doing=doing), tr("Choose another folder, or move that file away."))
    if error.errno == errno.EROFS:
        return kind(tr("Could not {doing}: nothing can be written on that disk.", doing=doing), tr("It is there to be read only: choose another folder."))
    if error.errno == errno.ENAMETOOLONG:
        return kind(tr("Could not {doing}: the name is too long.", doing=doing), tr("Choose a shorter one."))
    reason = tr(error.strerror) if error.strerror else str(error)
    return kind(tr("Could not {doing}: {reason}.", doing=doing, reason=reason), tr("Check that the file or folder still exists and that the disk is connected."))


def as_user_error(error: BaseException) -> UserError | None:
    """What went wrong in words, if it is something that the user can put right: a disk, a permission, too little memory."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError):
        return describe_os_error(error, tr("finish this"))
    if is_out_of_memory(error):
        return UserError(tr("There is not enough memory for this."), tr("Choose a smaller batch, fewer or smaller pictures, or a smaller preset, or close other programs."))
    if is_device_lost(error):
        return UserError(tr("The graphics card has stopped answering."), tr("Start DDPM Studio again; if it happens again, update the driver, or compute on the processor."))
    return None


def is_out_of_memory(error: BaseException) -> bool:
    # torch.OutOfMemoryError by its name, since this module knows no torch; its CPU allocator raises a plain RuntimeError,
    # and oneDNN beneath it says no more than that something could not be made.
    text = str(error).lower()
    signs = ("out of memory", "not enough memory", "can't allocate memory", "could not create a primitive", "could not create a memory")
    refused = isinstance(error, RuntimeError) and any(sign in text for sign in signs)
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or refused


_NOT_LOST = ("no kernel image", "not compiled", "invalid device ordinal", "insufficient driver", "captur")


def is_device_lost(error: BaseException) -> bool:
    """Whether a GPU no longer answers, as when it was reset, or unplugged; nothing on it can be read any more."""
    text = str(error).lower()
    if not isinstance(error, RuntimeError) or is_out_of_memory(error) or any(words in text for words in _NOT_LOST):
        return False
    # torch.AcceleratorError by its name, since this module knows no torch.
    lost = ("cuda error", "cuda driver error", "cudnn error: cudnn_status_execution_failed", "cudnn error: cudnn_status_internal_error", "mps backend")
    return type(error).__name__ == "AcceleratorError" or text.startswith(lost)


class Cancelled(Exception):
    """Somebody asked for the work to end before it had a result; nothing half-made is left behind."""
