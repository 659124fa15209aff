"""What is shipped: the locked packages, and the vendored files with their licences."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
RUNTIME = ROOT / "requirements.lock"
EVERYTHING = ROOT / "requirements-dev.lock"

#: "name==version ; marker \", as the lock begins each package.
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)

#: Licences, read by hand, of packages whose metadata do not name theirs by an SPDX
#: expression, or which only other systems or versions of Python install.
READ_BY_HAND = {
    "asgiref": "BSD-3-Clause",
    "async-timeout": "Apache-2.0",
    "automat": "MIT",
    "channels": "BSD-3-Clause",
    "channels-redis": "BSD-3-Clause",
    "colorama": "BSD-3-Clause",
    "constantly": "MIT",
    "daphne": "BSD-3-Clause",
    "django-csp": "BSD-3-Clause",
    "django-environ": "MIT",
    "hyperlink": "MIT",
    "incremental": "MIT",
    "markdown-it-py": "MIT",
    "mdurl": "MIT",
    "nh3": "MIT",
    "pyopenssl": "Apache-2.0",
    "sqlparse": "BSD-3-Clause",
    "tqdm": "MPL-2.0 AND MIT",
    "tzdata": "Apache-2.0",
    "u-msgpack-python": "MIT",
}


class UnknownLicence(Exception):
    """A package does not say under which licence it comes; somebody has to look."""


@dataclass(frozen=True)
class Package:
    """One locked package; ``only`` is the marker of where it is installed, or ""."""

    name: str
    version: str
    only: str = ""


@dataclass(frozen=True)
class Vendored:
    """Somebody else's files below ``static``, with their licence beside them."""

    name: str
    version: str
    licence: str
    #: Where it comes from.
    url: str
    #: Its files and its licence's text, relative to ``static``.
    files: tuple[str, ...]
    text: str


VENDORED = (
    Vendored(
        "htmx.org",
        "4.0.1",
        "0BSD",
        "https://htmx.org/",
        ("vendor/htmx-4.0.1.min.js", "vendor/hx-ws-4.0.1.min.js"),
        "vendor/htmx-4.0.1.LICENSE.txt",
    ),
    Vendored(
        "@github/markdown-toolbar-element",
        "2.2.3",
        "MIT",
        "https://github.com/github/markdown-toolbar-element",
        ("vendor/markdown-toolbar-element-2.2.3.js",),
        "vendor/markdown-toolbar-element-2.2.3.LICENSE.txt",
    ),
    Vendored(
        "Inter",
        "",
        "OFL-1.1",
        "https://github.com/rsms/inter",
        ("fonts/inter.woff2", "fonts/inter-ext.woff2"),
        "fonts/inter.LICENSE.txt",
    ),
    Vendored(
        "Newsreader",
        "",
        "OFL-1.1",
        "https://github.com/productiontype/Newsreader",
        ("fonts/newsreader.woff2", "fonts/newsreader-ext.woff2", "fonts/newsreader-italic.woff2"),
        "fonts/newsreader.LICENSE.txt",
    ),
    Vendored(
        "Lucide",
        "",
        "ISC",
        "https://lucide.dev/",
        ("icons/sprite.svg",),
        "icons/sprite.LICENSE.txt",
    ),
)


def packages(lock: Path = RUNTIME) -> list[Package]:
    """The packages of a lock, in its order."""
    return [
        Package(name, version, only) for name, version, only in _PINNED.findall(lock.read_text())
    ]


def licence_of(name: str) -> str:
    """A package's licence as an SPDX expression.

    Raises:
        UnknownLicence: neither its metadata nor :data:`READ_BY_HAND` has one.
    """
    if name in READ_BY_HAND:
        return READ_BY_HAND[name]
    if said := said_licence(name):
        return said
    raise UnknownLicence(f"{name} names no licence: look for it, and add it to READ_BY_HAND.")


def said_licence(name: str) -> str:
    """The SPDX expression in the metadata of an installed package, or ""."""
    try:
        return str(metadata(name).json.get("license_expression") or "")
    except PackageNotFoundError:
        return ""


def digests(vendored: Vendored) -> Iterator[tuple[str, str]]:
    """The files of something vendored, with their SHA-256 in hexadecimal."""
    for name in vendored.files:
        yield name, hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
