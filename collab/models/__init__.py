"""The product's nouns, one to a file."""

from .activity import Activity
from .document import Document, Heading
from .draft import Draft
from .lease import Lease
from .person import Person
from .reading import Reading
from .revision import Revision

__all__ = ["Activity", "Document", "Draft", "Heading", "Lease", "Person", "Reading", "Revision"]
