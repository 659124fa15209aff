"""Backups: everything the workspace holds, in one file, while the server runs.

``archive`` knows the file: members, manifest, checksums. ``database`` chooses between
``sqlite`` and ``postgres``, which take a database as it is at one moment and put it
back as a whole. ``making`` and ``restoring`` put these together.
"""

from .errors import BackupError
from .making import make
from .restoring import restore, verify

__all__ = ["BackupError", "make", "restore", "verify"]
