"""The session engine (``SESSION_ENGINE``): see :mod:`collab.models.sign_in`."""

from .models.sign_in import SessionStore

__all__ = ["SessionStore"]
