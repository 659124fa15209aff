"""The product's nouns, one to a file."""

from .activity import Activity
from .document import Document, Heading
from .draft import Draft
from .lease import Lease
from .person import Person
from .reading import Reading
from .revision import Revision
from .share import Link, Share

__all__ = [
    "Activity",
    "Document",
    "Draft",
    "Heading",
    "Lease",
    "Link",
    "Person",
    "Reading",
    "Revision",
    "Share",
]
