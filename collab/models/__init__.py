"""The product's nouns, one to a file."""

from .activity import Activity
from .document import Document, Heading
from .draft import Draft
from .invitation import Invitation
from .lease import Lease
from .person import Person
from .reading import Reading
from .revision import Revision
from .security_event import SecurityEvent
from .share import Link, Share
from .sign_in import SignIn

__all__ = [
    "Activity",
    "Document",
    "Draft",
    "Heading",
    "Invitation",
    "Lease",
    "Link",
    "Person",
    "Reading",
    "Revision",
    "SecurityEvent",
    "Share",
    "SignIn",
]
