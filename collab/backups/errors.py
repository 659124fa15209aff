"""Refusals."""


class BackupError(Exception):
    """A backup or a restore could not be done; ``str()`` says why, and what to do.
    Nothing was changed, unless it says so."""


class BadArchive(BackupError):
    """The file is no backup, or is damaged."""
