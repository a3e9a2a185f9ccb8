"""What the documentation promises is what the code has: settings, records, versions, links, and two languages that say the same."""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from fastapi.routing import APIRoute

import sekisho
from sekisho.api.app import ROUTERS
from sekisho.app import settings
from sekisho.core.dialects import registry
from sekisho.core.model import errors, records

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
KINDS: Final = ("tutorial", "howto", "reference", "explanation", "decisions")


def page(name: str) -> str:
    return (DOCS / name).read_text()


def told_settings(text: str) -> dict[str, Any]:
    """Names and defaults in the tables of the page of settings."""
    return {
        name: None if default == "none" else json.loads(default.strip("`"))
        for name, default in re.findall(r"^\| `([a-z]+\.[a-z_]+)` \| (`[^`]*`|none) \| \S", text, re.MULTILINE)
    }


def real_settings() -> dict[str, Any]:
    defaults = msgspec.to_builtins(settings.Settings())
    return {name: defaults[name.partition(".")[0]][name.partition(".")[2]] for name in settings.names()}


def slug(heading: str) -> str:
    """The anchor that a heading gets where the pages are shown."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(line.lstrip("#")) for line in path.read_text().splitlines() if line.startswith("#")}


def broken_links(path: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file) if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    return broken


def test_every_setting_is_told_with_its_default() -> None:
    assert told_settings(page("reference/settings.md")) == json.loads(json.dumps(real_settings()))


def test_every_flag_of_serve_that_sets_something_is_told() -> None:
    text = page("reference/settings.md")
    assert [flag for flag in settings.FLAGS.values() if f"`{flag}`" not in text] == []


@pytest.mark.parametrize("record", [records.CallBegan, records.CallEnded, records.Refused, records.Rolled, records.Closed])
def test_every_field_of_a_record_is_told(record: type[msgspec.Struct]) -> None:
    text = page("reference/records.md")
    section = re.search(rf"^#+ `{record.__name__}`.*?(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"there is no section `{record.__name__}`"
    assert [field for field in record.__struct_fields__ if f"| `{field}` |" not in section[0]] == []


def test_every_stage_is_told_in_order() -> None:
    _, _, table = page("reference/records.md").partition("| stage |")
    told = re.findall(r"^\| `(\w+)_us` \|", table, re.MULTILINE)
    assert tuple(told) == records.STAGES


PLANES: Final = {
    "dataplane": {"Refusal": 2, "_bad": 1, "invalid": 2, "overloaded": 1, "Fault": 0, "_give_up": 0, "_queue_refusal": 0},
    "management": {"Refusal": 2, "invalid": 2, "conflict": 2, "not_found": 0},
}
"""Where each maker of refusals and faults takes the code; `not_found` takes the noun."""
PACKAGES: Final = {"dataplane": ("core", "dataplane"), "management": ("rest", "api", "identity", "catalog", "usage", "audit")}


def codes_of(plane: str) -> set[str]:
    """Every code that a plane gives, as far as it is written down: in a call, as a default, or in the table of faults."""
    makers = PLANES[plane]
    found: set[str] = set(errors._STATUS) if plane == "dataplane" else set()
    for path in [path for package in PACKAGES[plane] for path in (ROOT / "src" / "sekisho" / package).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            places: list[ast.expr] = []
            suffix = ""
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).rpartition(".")[2]) in makers:
                places = [*node.args[makers[name] : makers[name] + 1], *(each.value for each in node.keywords if each.arg == "code")]
                suffix = "_not_found" if name == "not_found" else ""
            elif isinstance(node, ast.FunctionDef) and node.name in makers:
                named = dict(zip(reversed(node.args.args), reversed(node.args.defaults), strict=False))
                places = [default for name, default in named.items() if name.arg == "code"]
            words = [each.value for place in places for each in ast.walk(place) if isinstance(each, ast.Constant)]
            # A condition between two codes holds words as well, but none with an underscore.
            found |= {f"{word}{suffix}" for word in words if isinstance(word, str) and (suffix or len(places) == 1 or "_" in word)}
    return {
        code for code in found if re.fullmatch(r"[a-z][a-z_]+", code) and code not in ("requests", "tokens", "concurrency", "head", "body")
    }


@pytest.mark.parametrize(
    ("plane", "some"),
    [
        ("dataplane", {"invalid_api_key", "rate_limit_exceeded", "upstream_cut", "bad_request", "model_not_found", "starting"}),
        ("management", {"unknown_field", "key_not_found", "name_taken", "database_unavailable"}),
    ],
)
def test_every_code_of_an_error_is_told(plane: str, some: set[str]) -> None:
    # The worker answers on the console's port too, so that its codes may stand in both parts.
    text = page("reference/errors.md")
    rows = re.findall(r"^\| (`[^|]*`) \|", text if plane == "dataplane" else text.partition("## The management API")[2], re.MULTILINE)
    codes = codes_of(plane)
    assert some <= codes
    assert sorted(codes - {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}) == []


def test_every_route_of_the_management_api_is_told_and_no_other() -> None:
    told = {
        (method, re.sub(r"\{\w+(:path)?\}", "{}", route))
        for method, route in re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE) (/[^`]*)` \|", page("reference/management-api.md"), re.MULTILINE)
    }
    real = {
        (method, re.sub(r"\{\w+(:path)?\}", "{}", route.path))
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert told == real


def test_every_route_of_the_gateway_is_told() -> None:
    text = page("reference/http.md")
    assert [
        path
        for path in registry.ROUTES
        if not path.startswith(("/models", "/chat", "/completions", "/embeddings")) and f"| `{path}` |" not in text
    ] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# There\n\n## Two words\n")
    (tmp_path / "here.md").write_text("[a](there.md#two-words) [b](gone.md) [c](there.md#gone) [d](#gone)\n")
    assert broken_links(tmp_path / "here.md") == ["gone.md", "there.md#gone", "#gone"]


def test_both_readmes_say_the_same() -> None:
    """Headings, code, links and rows of tables are counted and compared; the words, pages and pictures are a translator's."""
    english, japanese = ((ROOT / name).read_text() for name in ("README.md", "README.ja.md"))

    def links(text: str) -> list[str]:
        return [each.replace("-en.webp", ".webp") for each in re.findall(r"\]\(([^)]+)\)", text)]

    def shape(text: str) -> dict[str, Any]:
        code = re.findall(r"```.*?```", text, flags=re.DOTALL)
        return {
            "headings": [line.split()[0] for line in text.splitlines() if re.match(r"#+ ", line)],
            "code": [re.sub(r" *#.*", "", each) for each in code],
            "links": sorted({re.sub(r"\.ja(\.md)$|-ja(\.webp)$", r"\1\2", each) for each in links(text)} - {"README.md"}),
            "rows": [line.count("|") for line in text.splitlines() if line.startswith("|")],
            "figures": re.findall(r"\d[\d.,]*", re.sub(r"```.*?```|\(.*?\)", "", text, flags=re.DOTALL)),
        }

    assert shape(english) == shape(japanese)


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == sekisho.__version__
    assert re.search(rf"^## \[({re.escape(sekisho.__version__)}|Unreleased)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    names = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert [name for name in names if f"({name})" not in page("decisions/README.md")] == []


def test_every_page_has_a_kind_and_a_title() -> None:
    assert sorted(path.name for path in DOCS.iterdir()) == sorted(KINDS)
    assert [str(path) for path in PAGES if not path.read_text().startswith("# ")] == []


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION" in text
    assert "END OF TERMS AND CONDITIONS" in text
