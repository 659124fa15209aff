"""The house: who may import whom, and what templates may contain."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab import timings

COLLAB = Path(__file__).resolve().parents[1]
ROOT = COLLAB.parent

#: Each module may import from floors below its own (and its own package).
FLOORS = [
    ["collab.live", "collab.turns"],
    [
        "collab.timings",
        "collab.subjects",
        "collab.errors",
        "collab.formats",
        "collab.aligning",
        "collab.elsewhere",
    ],
    ["collab.text", "collab.packing", "collab.merging", "collab.differences", "collab.limits"],
    ["collab.models"],
    [
        "collab.permissions",
        "collab.queries",
        "collab.covers",
        "collab.personal",
    ],
    ["collab.operations"],
    [
        "collab.backups",
        "collab.exporting",
        "collab.forms",
        "collab.listeners",
        "collab.regions",
        "collab.templatetags",
    ],
    ["collab.middleware", "collab.views", "collab.admin", "collab.administration"],
    ["collab.urls", "collab.apps"],
    ["project"],
    ["collab.management"],
]
FLOOR_OF = {module: number for number, floor in enumerate(FLOORS) for module in floor}

#: Within the engine, from the ground up.
ENGINE = [
    ["conf", "signals", "parts", "metrics", "seals", "deflate"],
    ["db", "regions", "models", "bus", "rates", "prepared"],
    ["topics"],
    ["sessions", "presence", "checks", "transport", "fragments"],
    ["pages", "rendering"],
    ["watches"],
    ["outbox"],
    ["hub"],
    ["process"],
    ["consumer"],
    ["routing", "templatetags"],
    ["apps", "testing"],
]
ENGINE_FLOOR_OF = {f"collab.live.{m}": n for n, floor in enumerate(ENGINE) for m in floor}

#: The only functions that may import, and why is said there.
MAY_IMPORT_INSIDE = {"ready", "handle", "choose"}


def sources() -> Iterator[Path]:
    for folder in (COLLAB, ROOT / "project"):
        for path in folder.rglob("*.py"):
            if not {"tests", "migrations"} & set(path.parts) and path.name != "conftest.py":
                yield path


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, as an absolute name."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, node.module] if node.module else base)
            yield from (f"{name}.{alias.name}" for alias in node.names)


def longest_prefix(module: str, floors: dict[str, int]) -> str | None:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if (name := ".".join(parts[:length])) in floors:
            return name
    return None


@pytest.mark.parametrize("path", list(sources()), ids=module_of)
def test_a_module_imports_only_from_floors_below(path: Path) -> None:
    """Dependencies run one way."""
    for floors in (FLOOR_OF, ENGINE_FLOOR_OF):
        own = longest_prefix(module_of(path), floors)
        if own is None:
            continue
        for name in imports_of(path):
            other = longest_prefix(name, floors)
            if other is not None and other != own:
                assert floors[other] < floors[own], f"{module_of(path)} imports {name}"


def test_every_module_of_the_engine_has_a_floor() -> None:
    """Without one it could import whatever it likes."""
    engine = {module_of(path) for path in sources() if "live" in path.parts}
    without = {name for name in engine if longest_prefix(name, ENGINE_FLOOR_OF) is None}
    assert without == {"collab.live"}


@pytest.mark.parametrize("path", list(sources()), ids=module_of)
def test_imports_stand_at_the_top(path: Path) -> None:
    """No imports inside functions, but where Django or Twisted force them."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            if function.name in MAY_IMPORT_INSIDE:
                continue
            for node in ast.walk(function):
                assert not isinstance(node, ast.Import | ast.ImportFrom), function.name


def test_the_engine_knows_nothing_of_documents() -> None:
    """Not by import, and not by name."""
    for path in (COLLAB / "live").rglob("*.py"):
        if "tests" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        assert not {"Document", "Person", "Activity"} & names, path


def test_only_operations_publish() -> None:
    """``changed`` is called by operations (and by the engine for its own topics)."""
    for path in sources():
        module = module_of(path)
        if module.startswith(("collab.live", "collab.operations")):
            continue
        assert "collab.live.topics.changed" not in set(imports_of(path)), module


def test_every_module_has_a_floor() -> None:
    """A new module is put into the house on purpose."""
    homeless = {
        module_of(path)
        for path in sources()
        if module_of(path).startswith("collab.") and not longest_prefix(module_of(path), FLOOR_OF)
    }
    assert homeless == set()


TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\bsrc=)",
    "an inline style": r"<style|\sstyle=",
    "an inline handler": r"\son[a-z]+=",
    "hx-on": r"hx-on",
    "a js: value": r"[\"'](?:js|javascript):",
    "an event filter": r"hx-trigger=\"[^\"]*\[",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(ROOT / "templates")))
def test_templates_contain_nothing_the_policy_forbids(path: Path) -> None:
    """The Content-Security-Policy allows neither inline code nor eval."""
    text = path.read_text()
    for what, pattern in FORBIDDEN.items():
        if path.name == "standalone.html" and what == "an inline style":
            continue  # no page of the site: a file that needs no other
        assert not re.search(pattern, text), f"{what} in {path.name}"


def test_the_promised_times_stand_in_one_place() -> None:
    """Styles cannot ask for them, so theirs are compared; triggers are rendered."""
    styles = (ROOT / "static/css/components.css").read_text()
    for animation, seconds in {
        r"countdown (\S+)s": timings.ANSWER_SECONDS,
        r"toast-out \S+ (\S+)s": timings.TOAST_SECONDS,
        r"connection-lost \S+ (\S+)s": timings.BANNER_SECONDS,
    }.items():
        assert [float(found) for found in re.findall(f"animation: {animation}", styles)] == [
            seconds
        ]
    for path in (ROOT / "templates").rglob("*.html"):
        if path.name != "header.html":  # the search; nobody is promised how soon it begins
            assert not re.search(r"(?:delay|throttle):\d", path.read_text()), path.name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "templates/partials").glob("*.html")), ids=lambda p: p.name
)
def test_partials_are_viewer_neutral(path: Path) -> None:
    """What is rendered once for many knows no request, no user and no token."""
    tags = " ".join(re.findall(r"{%.*?%}|{{.*?}}", path.read_text()))
    for word in ("request", "user", "csrf_token", "perms", "messages"):
        assert not re.search(rf"(?<![\w.]){word}\b(?!name)", tags), word


def test_custom_javascript_is_small_and_builds_no_markup() -> None:
    """Not 120 lines of code; markup comes from templates."""
    scripts = list((ROOT / "static/js").glob("*.js"))
    text = "\n".join(path.read_text() for path in scripts)
    lines = [line.strip() for line in text.splitlines()]
    assert len([line for line in lines if line and not line.startswith("//")]) < 120
    for maker in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "createElement",
        "DOMParser",
        "eval(",
    ):
        assert maker not in text, maker


def test_vendored_files_keep_their_licence() -> None:
    """Beside each vendored script stands its licence, and its name has a version."""
    for script in (ROOT / "static/vendor").glob("*.js"):
        assert re.search(r"-\d+\.\d+\.\d+", script.name), script.name
    names = " ".join(p.name for p in (ROOT / "static/vendor").glob("*.LICENSE.txt"))
    assert "htmx-4.0.1" in names
    assert "markdown-toolbar-element-2.2.3" in names


def test_the_table_of_threats_names_tests_that_exist() -> None:
    """Each defence has one, by file and name."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs" / "security.md").read_text())
    assert len(named) > 20
    for file, test in named:
        assert re.search(rf"def {test}\(", (ROOT / file).read_text()), f"{file}::{test}"
