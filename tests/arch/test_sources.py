"""What the other tools do not see in the sources: each file opens with its law, and time and tasks are asked of `kit` alone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
TREES: Final = ("src", "tests", "bench")

BANNED: Final = {
    "asyncio.create_task": "kit.tasks",
    "asyncio.ensure_future": "kit.tasks",
    "time.time": "kit.clock",
    "time.time_ns": "kit.clock",
    "datetime.datetime.now": "kit.clock",
    "datetime.datetime.utcnow": "kit.clock",
    "datetime.datetime.today": "kit.clock",
    "datetime.date.today": "kit.clock",
}
"""Names that only `kit` may use, and what to use instead."""


def sources(*trees: str) -> Iterator[Path]:
    for tree in trees:
        yield from sorted(path for path in (ROOT / tree).rglob("*.py") if path.stat().st_size)


def uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of each banned use, under whatever name it was imported."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, *rest = ast.unparse(node).split(".")
            full = ".".join([names.get(head, ""), *rest])
            if full in BANNED:
                yield node.lineno, full


@pytest.mark.parametrize("tree", TREES)
def test_each_file_opens_with_its_law(tree: str) -> None:
    silent = [str(path.relative_to(ROOT)) for path in sources(tree) if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_time_and_tasks_are_asked_of_kit() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}; use {BANNED[name]}"
        for path in sources("src")
        if not path.is_relative_to(ROOT / "src" / "sekisho" / "kit")
        for line, name in uses(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import asyncio\nasyncio.create_task(f())", "asyncio.create_task"),
        ("import asyncio as aio\naio.ensure_future(f())", "asyncio.ensure_future"),
        ("from time import time as now\nnow()", "time.time"),
        ("import time\nclock = time.time_ns", "time.time_ns"),
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
        ("import datetime\ndatetime.datetime.utcnow()", "datetime.datetime.utcnow"),
    ],
)
def test_a_banned_name_is_seen_in_each_disguise(code: str, name: str) -> None:
    assert [found for _, found in uses(ast.parse(code))] == [name]


def test_what_is_not_banned_is_not_seen() -> None:
    assert list(uses(ast.parse("import time\nfrom sekisho.kit import clock\ntime.monotonic()\nclock.SystemClock().now()"))) == []


TEXTS: Final = ("*.py", "*.md", "*.toml", "*.txt", "*.sh", "*.lua", "*.conf", "*.cfg", "*.yml", "*.yaml", "*.json", "Makefile", "run")
FOREIGN: Final = re.compile(r"py[p]i\.org|python[h]osted|registry\.[n]pm|(?<![\w.])/(?:root|work)/")
"""Hosts of package indexes, and places on the machine of whoever wrote the line. (The brackets keep this line from being one.)"""


def foreign(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if FOREIGN.search(line)]


def test_no_file_tells_where_it_was_written() -> None:
    roots = [ROOT / name for name in ("src", "tests", "bench", "docs", "deploy", "requirements", ".ci")]
    paths = [path for pattern in TEXTS for root in roots for path in root.rglob(pattern)]
    paths += [path for pattern in TEXTS for path in ROOT.glob(pattern)]
    assert len(paths) > 100
    assert [f"{path.relative_to(ROOT)}: {line}" for path in paths for line in foreign(path.read_text())] == []


def test_a_telling_line_is_seen() -> None:
    index, place = "see https://{}.org/simple".format("pypi"), "cd /{}/x".format("root")
    assert foreign(f"fine\n{place}\n{index}\n<home>/journal/\n") == [place, index]


def sleeps(tree: ast.AST) -> Iterator[int]:
    """Lines that wait by the real clock, but for those in a `while`, which has a condition. (Those of asyncio may be on a virtual one.)"""
    polling = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.While) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" and id(node) not in polling:
            yield node.lineno


def test_no_test_sleeps_to_wait() -> None:
    """A wait needs a condition. Helpers (files under other names) may play a slow peer."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources("tests")
        if path.name.startswith("test_")
        for line in sleeps(ast.parse(path.read_text()))
    ]
    assert found == []


def test_a_sleep_is_seen() -> None:
    assert list(sleeps(ast.parse("import time\ntime.sleep(1)\nwhile not ready():\n    time.sleep(0.01)\ntime.sleep(x)"))) == [2, 5]
