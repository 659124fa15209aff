"""The supply chain: what is installed is what was locked, under known licences."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.conf import settings

from deploy.supply import audit, licences, made_of, sbom

ROOT = Path(settings.BASE_DIR)
LOCKS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}


def asked_for(name: str) -> dict[str, str]:
    """The pins of a requirements file, by normalised name."""
    pins = re.findall(
        r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.]+)", (ROOT / name).read_text(), re.MULTILINE
    )
    return {re.sub(r"[-_.]+", "-", pin).lower(): version for pin, version in pins}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_all_that_is_asked_for(name: str) -> None:
    """In just that version; a requirement that was changed needs ``make lock``."""
    locked = {(p.name, p.version) for p in made_of.packages(ROOT / LOCKS[name])}
    assert len(asked_for(name)) > 15
    assert set(asked_for(name).items()) <= locked


@pytest.mark.parametrize("name", LOCKS.values())
def test_everything_locked_has_hashes(name: str) -> None:
    """No line of a lock names a package without saying which bytes it may be."""
    lines = (ROOT / name).read_text().splitlines()
    named = [number for number, line in enumerate(lines) if re.match(r"[A-Za-z]", line)]
    assert len(named) == len(made_of.packages(ROOT / name))
    for number in named:
        assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", lines[number + 1])


def test_tests_run_what_is_shipped() -> None:
    """Both locks name the same versions of what Collab runs on."""
    shipped, tested = (
        {(package.name, package.version) for package in made_of.packages(lock)}
        for lock in (made_of.RUNTIME, made_of.EVERYTHING)
    )
    assert shipped <= tested


@pytest.mark.parametrize("name", ["Makefile", "deploy/Dockerfile"])
def test_only_locks_are_installed(name: str) -> None:
    """Wherever pip installs something, it compares hashes."""
    text = (ROOT / name).read_text()
    installs = [line for line in text.splitlines() if re.search(r"\bpip install\b", line)]
    assert installs
    assert all("--require-hashes" in line for line in installs)
    for installed in re.findall(r"-r (requirements\S+)", text):
        assert installed in LOCKS.values()


def test_the_table_of_licences_is_current() -> None:
    """``make licences`` would write the same."""
    assert licences.TABLE.read_text() == licences.table()


def test_licences_are_read_by_hand_only_where_they_must_be() -> None:
    """Each such package is locked, and names no licence of its own."""
    locked = {package.name for package in made_of.packages()}
    assert set(made_of.READ_BY_HAND) <= locked
    assert {name for name in made_of.READ_BY_HAND if made_of.said_licence(name)} == set()


def test_a_package_without_a_licence_is_not_passed_over() -> None:
    """Somebody has to look."""
    with pytest.raises(made_of.UnknownLicence, match="no-such-package"):
        made_of.licence_of("no-such-package")


def test_vendored_files_are_all_declared_with_their_licence() -> None:
    """Whatever lies there is ours or named, and has its licence's text beside it."""
    declared = {name for v in made_of.VENDORED for name in (*v.files, v.text)}
    found = {
        str(path.relative_to(made_of.STATIC))
        for folder in ("vendor", "fonts", "icons")
        for path in (made_of.STATIC / folder).iterdir()
    }
    assert found - {"icons/favicon.svg"} == declared
    first_words = {"0BSD": "Zero-Clause BSD", "MIT": "Permission is", "ISC": "ISC License"}
    for vendored in made_of.VENDORED:
        text = (made_of.STATIC / vendored.text).read_text()
        assert first_words.get(vendored.licence, "SIL Open Font License, Version 1.1") in text
        assert vendored.version in vendored.text


def test_the_bill_names_all_that_is_shipped(tmp_path: Path) -> None:
    """Valid CycloneDX (the maker checks it), every package with licence and hashes,
    and every vendored file."""
    count = sbom.write(tmp_path / "sbom.json")
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert len(bill["components"]) == count
    packages = {
        (component["name"], component["version"]): component
        for component in bill["components"]
        if component.get("purl", "").startswith("pkg:pypi/")
    }
    assert set(packages) == {(p.name, p.version) for p in made_of.packages()}
    for component in packages.values():
        assert component["licenses"][0]["expression"]
        assert component["externalReferences"][0]["hashes"]
    files = {f["name"] for c in bill["components"] for f in c.get("components", ())}
    assert files == {name for v in made_of.VENDORED for name in v.files}
    refs = {component["bom-ref"] for component in bill["components"]}
    assert set(bill["dependencies"][0]["dependsOn"]) == refs


def test_a_bill_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema is really asked."""
    monkeypatch.setattr(sbom, "licence_of", lambda name: 7)
    with pytest.raises(sbom.BadBill):
        sbom.bill()


def test_without_a_network_an_audit_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip-audit itself, behind a proxy that is not there."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"tqdm==4.0.0 \\\n    --hash=sha256:{'0' * 64}\n")
    found = audit.audit(lock)
    assert found.audited == []
    assert found.trouble
    assert found.sentences()[0].startswith("NOT AUDITED")
    assert found.exit_code == 2


def test_what_was_not_audited_is_never_called_clean() -> None:
    """pip-audit ends well when its database knows none of the packages."""
    skipped = {"name": "tqdm", "skip_reason": "not found"}
    clean = {"name": "django", "version": "5.2", "vulns": []}
    bad = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-1"}, {"id": "CVE-2"}]}

    def findings(*answers: object) -> audit.Findings:
        return audit.read(json.dumps({"dependencies": answers}), "")

    def sentences(*answers: object) -> list[str]:
        return findings(*answers).sentences()

    codes = [
        findings(*answers).exit_code
        for answers in ((clean,), (clean, bad), (bad, skipped), (clean, skipped), (skipped,), ())
    ]
    assert codes == [0, 1, 1, 2, 2, 2]
    assert sentences(skipped) == [
        "NOT AUDITED: the vulnerability database knows none of the packages."
    ]
    assert sentences(clean, skipped) == [
        "1 packages audited, 0 vulnerable.",
        "NOT AUDITED, because unknown there: tqdm",
    ]
    assert sentences(clean, bad) == [
        "2 packages audited, 1 vulnerable.",
        "pillow 1.0: CVE-1, CVE-2",
    ]
    assert audit.read("", "x\nno route to host\n").sentences() == [
        "NOT AUDITED: no vulnerability database could be asked.",
        "no route to host",
    ]
