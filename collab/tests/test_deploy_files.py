"""What ``deploy/`` names exists: commands, options, paths and variables. (That it serves
people, ``e2e/test_deploy.py`` tests.)"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import URLPattern, get_resolver
from gunicorn.config import Config

ROOT = Path(settings.BASE_DIR)
DEPLOY = ROOT / "deploy"
SERVICES, TIMERS = sorted(DEPLOY.glob("*.service")), sorted(DEPLOY.glob("*.timer"))
#: Where the units expect the program, and its Python.
HOME, BIN = "/srv/collab", "/srv/collab/.venv/bin"
#: Of the system: who else may be called.
SYSTEM = {"/usr/bin/find", "/usr/bin/curl", "/bin/kill"}
#: Read by Python or the C library, not by the settings.
NOT_OURS = {"PYTHONUNBUFFERED"}


class Unit(RawConfigParser):
    """A unit of systemd: a key may come several times."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",))
        self.optionxform = str  # type: ignore[assignment,method-assign]
        self.lines = path.read_text().splitlines()
        self.read_string(path.read_text())

    def all(self, key: str) -> list[str]:
        """Every value of the keys that match."""
        found = (re.fullmatch(rf"{key}=(.*)", line) for line in self.lines)
        return [match[1] for match in found if match]


def known_variables() -> set[str]:
    """What the settings read from the environment."""
    text = (ROOT / "project" / "settings.py").read_text()
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text))


def check_command(words: list[str]) -> None:
    """Whether ``manage.py`` or gunicorn takes these words."""
    program, *rest = words
    if program.endswith("python") and rest[0] == "manage.py":
        command = load_command_class(get_commands()[rest[1]], rest[1])
        command.create_parser("manage.py", rest[1]).parse_args(rest[2:])
    elif program.endswith("gunicorn"):
        options = Config().parser().parse_args(rest)
        assert options.args == ["project.wsgi"]
    else:
        assert program in SYSTEM, program


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_unit_calls_what_there_is(path: Path) -> None:
    """Commands with their options, below the paths that it names itself."""
    unit = Unit(path)
    assert unit["Service"]["WorkingDirectory"] == HOME
    commands = [shlex.split(line) for line in unit.all(r"Exec\w+")]
    assert commands
    for words in commands:
        assert words[0] in SYSTEM or Path(words[0]).parent == Path(BIN)
        check_command(words)
    for line in unit.all("Environment"):
        assert line.split("=")[0] in known_variables()
    # Where it writes, systemd makes a folder, or lets it write.
    assert unit["Service"]["StateDirectory"] == "collab"
    assert unit["Service"]["Environment"] == "DATA_DIR=/var/lib/collab"
    for words in commands:
        written = {word for word in words[1:] if word.startswith("/var/")}
        assert written <= set(unit["Service"].get("ReadWritePaths", "").split())


@pytest.mark.parametrize("path", TIMERS, ids=lambda path: path.name)
def test_a_timer_has_its_service(path: Path) -> None:
    assert path.with_suffix(".service") in SERVICES
    assert Unit(path)["Install"]["WantedBy"] == "timers.target"


def upstreams(name: str) -> dict[str, str]:
    """The upstreams of a file for nginx, by name."""
    text = (DEPLOY / name).read_text()
    return dict(re.findall(r"^upstream (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))


def servers(upstream: str) -> set[str]:
    """The addresses of an upstream."""
    return set(re.findall(r"^    server (\S+)", upstream, re.MULTILINE))


def command_of(unit: str) -> str:
    """What a unit starts."""
    (command,) = Unit(DEPLOY / f"{unit}.service").all("ExecStart")
    return command


def test_nginx_asks_where_the_units_listen() -> None:
    """And sets each header that the settings trust behind a proxy."""
    found = upstreams("upstreams.conf")
    (of_web,) = re.findall(r"--bind (\S+)", command_of("collab-web"))
    assert servers(found["collab_web"]) == {of_web}
    (of_live,) = re.findall(r"--unix-socket (\S+)", command_of("collab-live@"))
    names = {of_live.replace("%i", str(number)) for number in (1, 2)}
    assert servers(found["collab_live"]) == {f"unix:{name}" for name in names}
    nginx = (DEPLOY / "nginx.conf").read_text()
    for header in ("X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID"):
        assert f"proxy_set_header {header} $" in nginx


def test_nginx_logs_no_address_that_opens_something() -> None:
    """Of every URL with a secret in it, a new one included, only what kind it is."""
    nginx = (DEPLOY / "nginx.conf").read_text()
    ((pattern, instead),) = re.findall(r"^    ~(\S+) (\S+);$", nginx, re.MULTILINE)
    (form,) = re.findall(r"log_format collab ('[^;]*');", nginx)
    assert not {"$request ", "$request_uri", "$uri", "$http_referer"} & set(
        re.findall(r"\$\w+ ?", form)
    )
    secret = [url for url in (str(one.pattern) for one in own_patterns()) if "token>" in url]
    assert len(secret) >= 4
    for url in secret:
        logged = re.match(pattern, f"/{url}")
        assert logged, url
        assert "token" not in logged.expand(instead.replace("$1", r"\1"))


def own_patterns() -> list[URLPattern]:
    """Every URL of the workspace."""
    return [one for one in get_resolver("collab.urls").url_patterns if isinstance(one, URLPattern)]


def test_the_processes_for_sockets_share_their_folder() -> None:
    """It is made for them, is the one that is named, and stays when one of them stops.
    The unit has started when the process answers on its socket."""
    unit = Unit(DEPLOY / "collab-live@.service")
    folder = f"/run/{unit['Service']['RuntimeDirectory']}"
    assert unit["Service"]["RuntimeDirectoryPreserve"] == "yes"
    for command in (*unit.all("ExecStart"), *unit.all("ExecStartPost")):
        assert f"--unix-socket {folder}/%i.sock" in command


def test_only_one_unit_prepares() -> None:
    """Several processes that migrate at once would be in each other's way."""
    migrating = [path.stem for path in SERVICES if "manage.py migrate" in path.read_text()]
    assert migrating == ["collab-prepare"]
    for name in ("collab-live@", "collab-web"):
        unit = Unit(DEPLOY / f"{name}.service")
        assert "collab-prepare.service" in unit["Unit"]["After"]
        assert "collab-prepare.service" in unit["Unit"]["Wants"]


@pytest.mark.parametrize("name", ["upstreams.conf", "upstreams-compose.conf"])
def test_every_upstream_that_nginx_asks_is_there(name: str) -> None:
    """Wherever it runs, it sends who comes to whom has the fewest connections."""
    nginx = (DEPLOY / "nginx.conf").read_text()
    found = upstreams(name)
    assert set(re.findall(r"proxy_pass http://(\w+)", nginx)) == set(found)
    assert all("least_conn;" in upstream for upstream in found.values())


def test_the_example_of_the_environment_names_variables_that_exist() -> None:
    lines = (DEPLOY / "collab.env.example").read_text().splitlines()
    named = {line.split("=")[0] for line in lines if line and not line.startswith("#")}
    assert {"SECRET_KEY", "ORIGINS"} < named
    assert named <= known_variables() | {"DATABASE_URL"}


def instructions(name: str) -> Iterator[str]:
    """The arguments of an instruction of the Dockerfile."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    yield from re.findall(rf"^{name} (.*)$", text, re.MULTILINE)


def test_the_image_has_what_it_runs() -> None:
    """All packages of the program and its files, and a command that exists."""
    copied = {word for line in instructions("COPY") for word in line.split()[:-1]}
    for name in copied:
        assert (ROOT / name).exists(), name
    assert {"manage.py", "project", "collab", "templates", "static", "requirements.lock"} == copied
    (command,) = instructions("CMD")
    check_command(yaml.safe_load(command))
    (environment,) = instructions("ENV")
    assert {pair.split("=")[0] for pair in environment.split()} - NOT_OURS <= known_variables()


@pytest.fixture
def composed() -> dict[str, Any]:
    """The composition."""
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def commands(service: dict[str, Any]) -> Iterator[list[str]]:
    """What a service runs, one after the other."""
    words = shlex.split(service["command"])
    if words[:2] == ["sh", "-c"]:
        for step in words[2].split("&&"):
            yield shlex.split(step.strip().removeprefix("exec "))
    else:
        yield words


def test_the_composition_runs_what_there_is(composed: dict[str, Any]) -> None:
    """Commands, variables, volumes and services that are named elsewhere in it."""
    (kept,) = instructions("VOLUME")
    for name in ("prepare", "web", "live"):
        collab = composed["services"][name]
        assert (DEPLOY / collab["build"]["context"] / collab["build"]["dockerfile"]).exists()
        for words in commands(collab):
            check_command(words)
        assert set(collab["environment"]) <= known_variables() | {"DATABASE_URL"}
        assert collab["volumes"] == [f"data:{kept}"]
    for service in composed["services"].values():
        assert set(service.get("depends_on", ())) < set(composed["services"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in composed["volumes"] or (DEPLOY / source).is_file()


def test_the_composition_has_many_for_the_sockets_behind_one_nginx(
    composed: dict[str, Any],
) -> None:
    """Their number is a variable, so none of them has a port of the host; nginx has it,
    and asks them by name where they listen."""
    services = composed["services"]
    assert services["live"]["deploy"]["replicas"] == "${LIVE:-2}"
    assert [name for name in services if "ports" in services[name]] == ["nginx"]
    found = upstreams("upstreams-compose.conf")
    (of_web,) = re.findall(r"--bind 0\.0\.0\.0:(\d+)", services["web"]["command"])
    (of_live,) = re.findall(r"--port (\d+)", services["live"]["command"])
    assert servers(found["collab_web"]) == {f"web:{of_web}"}
    assert servers(found["collab_live"]) == {f"live:{of_live}"}


def test_whoever_is_waited_for_says_that_it_is_ready(composed: dict[str, Any]) -> None:
    """By a check, or by its end."""
    services = composed["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            ends = wanted["condition"] == "service_completed_successfully"
            assert ends or "healthcheck" in services[name]
    assert {name for name in services if "healthcheck" not in services[name]} == {"prepare"}


def test_the_guides_name_services_of_the_composition(composed: dict[str, Any]) -> None:
    """In each command that they give for containers."""
    guides = "".join(path.read_text() for path in (ROOT / "collab" / "guides").glob("*.md"))
    called = re.findall(r"docker compose -f \S+ (?:exec(?: -T)?|cp) (\w+)", guides)
    for services in re.findall(r"docker compose -f \S+ (?:stop|start) ([\w ]+)", guides):
        called += services.split()
    assert len(called) > 4
    assert set(called) <= set(composed["services"])
