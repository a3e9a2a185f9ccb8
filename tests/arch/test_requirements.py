"""The lock is the supply chain: exact versions, hashes on each, no word of where a package was fetched, and no known-bad version."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
LOCKS: Final = ("base", "build", "dev")

FLOORS: Final = {
    "starlette": "1.0.1",
    "python-multipart": "0.0.27",
    "h11": "0.16",
    "aiohttp": "3.13.4",
    "pyjwt": "2.13",
    "authlib": "1.6.4",
    "uvicorn": "0.11.7",
    "fastapi": "0.109.1",
    "certifi": "2023.7.22",
}
"""The oldest versions without a known hole that concerns us. Raised by hand when an advisory says so."""

BANNED: Final = frozenset({"litellm", "python-multipart", "authlib", "hypercorn"})
"""Not to be locked at all: each has failed where we would have leaned on it."""

ENTRY: Final = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})*)", re.MULTILINE)


def read(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text()


def locked(text: str) -> dict[str, tuple[Version, int]]:
    """Version and number of hashes of each package in a lock."""
    return {canonicalize_name(name): (Version(version), hashes.count("--hash")) for name, version, hashes in ENTRY.findall(text)}


def strangers(text: str) -> list[str]:
    """Lines of a lock that are neither a pinned package with its hashes nor a comment."""
    return [line for line in ENTRY.sub("", text).splitlines() if line.strip() and not line.lstrip().startswith("#")]


def traces(text: str) -> list[str]:
    """Lines that tell where a package came from or on which machine the lock was made."""
    return [line for line in text.splitlines() if re.search(r"://|@ |--(?!hash=)[a-z]|\bfile:/|/(?:home|root|Users|tmp|opt|work)\b", line)]


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(each) for each in [*project["dependencies"], *project["optional-dependencies"]["llama"]]]


@pytest.mark.parametrize("lock", LOCKS)
def test_each_package_is_pinned_with_hashes(lock: str) -> None:
    packages = locked(read(lock))
    assert packages
    assert [name for name, (_, hashes) in packages.items() if not hashes] == []
    assert strangers(read(lock)) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_tells_no_address_and_no_path(lock: str) -> None:
    assert traces(read(lock)) == []


@pytest.mark.parametrize(
    ("line", "finder"),
    [
        ("--index-url https://packages.example/simple", traces),
        ("--find-links /opt/somewhere", traces),
        ("thing @ file:///home/someone/thing", traces),
        ("    # via -r /tmp/x/dev.in", traces),
        ("thing>=1.0", strangers),
        ("thing", strangers),
    ],
)
def test_the_finders_see_what_they_look_for(line: str, finder: object) -> None:
    assert callable(finder)
    assert finder(read("build") + line + "\n") == [line]


def test_locks_agree_where_they_overlap() -> None:
    seen: dict[str, Version] = {}
    for lock in LOCKS:
        for name, (version, _) in locked(read(lock)).items():
            assert seen.setdefault(name, version) == version, f"{name} is locked twice, at {seen[name]} and {version}"


def test_what_the_project_asks_for_is_locked_in_a_version_that_it_accepts() -> None:
    packages = locked(read("base"))
    for requirement in declared():
        version, _ = packages[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} against {version}"


USED_SINCE: Final = {"typer": "0.29"}
"""What the sources use of a dependency is there from this version on (typer.TyperException)."""


def test_no_version_is_accepted_that_lacks_what_the_sources_use() -> None:
    asked = {requirement.name: requirement.specifier for requirement in declared()}
    for name, since in USED_SINCE.items():
        assert Version(since) in asked[name]
        assert not any(asked[name].contains(older) for older in ("0.0.1", f"0.{Version(since).minor - 1}.99")), f"{name}{asked[name]}"


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_locked_is_below_its_floor(lock: str) -> None:
    packages = locked(read(lock))
    assert [
        f"{name} {packages[name][0]} < {floor}" for name, floor in FLOORS.items() if name in packages and packages[name][0] < Version(floor)
    ] == []
    assert BANNED & packages.keys() == set()


def test_the_floors_are_put_to_use() -> None:
    assert {"starlette", "h11", "uvicorn", "fastapi", "certifi"} <= locked(read("base")).keys()


def test_each_runtime_dependency_is_justified() -> None:
    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
    assert [requirement.name for requirement in declared() if f"**{requirement.name}**" not in page] == []
