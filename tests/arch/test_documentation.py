"""What the documentation promises is what the code has: settings, records, versions, links, and two languages that say the same."""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

import sekisho
from sekisho.app import settings
from sekisho.core.model import records
from sekisho.dataplane.upstream import errors

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


CODE_AT: Final = {"Refusal": 2, "_bad": 1, "invalid": 2, "overloaded": 1, "Fault": 0, "_give_up": 0, "_queue_refusal": 0}
"""Where each maker of refusals and faults takes the code."""


def refusal_codes() -> set[str]:
    """Every code that core and dataplane give, as far as it is written down: in a call, as a default, or in the table of faults."""
    found: set[str] = set(errors._STATUS)
    for path in [*(ROOT / "src/sekisho/core").rglob("*.py"), *(ROOT / "src/sekisho/dataplane").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            places: list[ast.expr] = []
            if isinstance(node, ast.Call) and (at := CODE_AT.get(ast.unparse(node.func).rpartition(".")[2])) is not None:
                places = [*node.args[at : at + 1], *(each.value for each in node.keywords if each.arg == "code")]
            elif isinstance(node, ast.FunctionDef) and node.name in CODE_AT:
                named = dict(zip(reversed(node.args.args), reversed(node.args.defaults), strict=False))
                places = [default for name, default in named.items() if name.arg == "code"]
            constants = [each for place in places for each in ast.walk(place) if isinstance(each, ast.Constant)]
            # A comparison inside a conditional expression holds other words; codes have an underscore or stand alone.
            found.update(
                each.value
                for each in constants
                if isinstance(each.value, str) and re.fullmatch(r"[a-z]+(_[a-z]+)+|starting|draining|overloaded", each.value)
            )
    return found


def test_every_code_of_a_refusal_is_told() -> None:
    told = set(re.findall(r"^\| `([a-z_]+)` \|", page("reference/errors.md"), re.MULTILINE))
    codes = refusal_codes()
    assert {"invalid_api_key", "rate_limit_exceeded", "upstream_cut", "bad_request", "model_not_found", "starting"} <= codes
    assert sorted(codes - told) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# There\n\n## Two words\n")
    (tmp_path / "here.md").write_text("[a](there.md#two-words) [b](gone.md) [c](there.md#gone) [d](#gone)\n")
    assert broken_links(tmp_path / "here.md") == ["gone.md", "there.md#gone", "#gone"]


def test_both_readmes_say_the_same() -> None:
    """Headings, code, links and rows of tables are counted and compared; the words are a translator's."""
    english, japanese = ((ROOT / name).read_text() for name in ("README.md", "README.ja.md"))

    def shape(text: str) -> dict[str, Any]:
        code = re.findall(r"```.*?```", text, flags=re.DOTALL)
        return {
            "headings": [line.split()[0] for line in text.splitlines() if re.match(r"#+ ", line)],
            "code": [re.sub(r" *#.*", "", each) for each in code],
            "links": sorted(set(re.findall(r"\]\(([^)]+)\)", text)) - {"README.md", "README.ja.md"}),
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
