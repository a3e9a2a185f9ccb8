"""`export` and `apply`, over the application in this process: what they write, what they follow, and what they never show."""

import json
import stat
from pathlib import Path

import pytest

from sekisho.cli import documents
from tests.unit.cli.conftest import Type
from tests.unit.cli.simulators import Node, refusal

SECRET = "sk-planted-0123456789abcdef"
WHOLE = """\
version: 1
providers:
  cloud:
    kind: openai
    credential: env:CLOUD_SECRET
  near:
    kind: custom
    base_url: http://127.0.0.1:9/v1
    credential: file:near.secret
    ca_bundle: file:near.pem
models:
  cloud/gpt-4.1:
    rate: {input_price: 0.15, output_price: 2.5}
  near/x:
projects:
  shop: {title: "店\\u202e"}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole configuration beside the files that it names."""
    monkeypatch.setenv("CLOUD_SECRET", SECRET)
    (tmp_path / "near.secret").write_text(f"{SECRET}-near\n")
    (tmp_path / "near.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    path = tmp_path / "sekisho.yaml"
    path.write_text(WHOLE, encoding="utf-8")
    return path


def test_a_file_is_shown_applied_once_and_exported_again(type_: Type, home: Path, file: Path) -> None:
    shown = type_("apply", "-f", str(file), "--dry-run")
    assert [each["path"] for each in shown.data["changes"]] == [
        "providers.cloud",
        "providers.near",
        "models.cloud/gpt-4.1",
        "models.near/x",
        "projects.shop",
    ]
    done = type_("apply", "-f", str(file), "--yes")
    assert (done.data["applied"], done.data["plan"]) == (True, shown.data["plan"])
    again = type_("apply", "-f", str(file))
    assert (again.data["applied"], again.data["changes"], again.data["notes"]) == (False, [], [])
    exported = type_("export")
    assert exported.exit_code == 0
    assert SECRET not in shown.out + done.out + again.out + exported.out
    read = documents.read(exported.out.encode(), "export").content
    assert read["providers"]["near"]["credential"] == "env:NEAR_API_KEY"
    assert "BEGIN CERTIFICATE" in read["providers"]["near"]["ca_bundle"]
    assert read["projects"]["shop"]["title"] == "店\u202e"
    back = type_("apply", "-f", "-", "--prune", stdin=exported.out)
    assert (back.data["changes"], len(back.data["notes"])) == ([], 2)


def test_a_plan_for_people_marks_what_is_done(type_: Type, home: Path, file: Path) -> None:
    words = type_("apply", "-f", str(file), "--yes", "--format", "text")
    assert words.exit_code == 0, words
    lines = words.out.splitlines()
    assert {"+ providers.cloud", "    base_url: https://api.openai.com/v1", "+ models.near/x", "in all: 5 to add", "applied"} <= set(lines)
    assert "\u202e" not in words.out, "what a person wrote does not turn the terminal around"
    file.write_text(WHOLE.replace("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v2"), encoding="utf-8")
    changed = type_("apply", "-f", str(file), "--dry-run", "--format", "text").out.splitlines()
    assert changed == ["~ providers.near", "    base_url: http://127.0.0.1:9/v1 → http://127.0.0.1:9/v2", "in all: 1 to change"]
    file.write_text("version: 1\nproviders: {cloud: {kind: openai}}\n")
    pruned = type_("apply", "-f", str(file), "--dry-run", "--prune", "--format", "text").out.splitlines()
    assert pruned == ["- providers.near", "in all: 1 to remove"]
    file.write_text("version: 1\n")
    assert type_("apply", "-f", str(file), "--format", "text").out == "nothing to do\n"


def test_nothing_is_changed_before_somebody_says_yes(type_: Type, home: Path, file: Path) -> None:
    exit_code, code, message = type_("apply", "-f", str(file)).error
    assert (exit_code, code) == (1, "USAGE")
    assert message == "Make these 5 changes? Say so with --yes"
    assert "cloud" not in type_("export").out


def test_a_reference_that_leads_nowhere_is_told(type_: Type, home: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUD_SECRET")
    exit_code, code, message = type_("apply", "-f", str(file), "--yes").error
    assert (exit_code, code) == (1, "CREDENTIAL_MISSING")
    assert message.startswith(f"{file}, line 5: providers.cloud.credential: there is no secret at env:CLOUD_SECRET")
    monkeypatch.setenv("CLOUD_SECRET", "  \n")
    assert "is empty" in type_("apply", "-f", str(file), "--yes").error[2]


@pytest.mark.parametrize("written", [f'"{SECRET}"', f"vault:{SECRET}", "3", "'env:'", "[a]"])
def test_a_secret_that_stands_in_the_file_is_refused_and_not_repeated(type_: Type, home: Path, file: Path, written: str) -> None:
    file.write_text(WHOLE.replace("env:CLOUD_SECRET", written), encoding="utf-8")
    exit_code, code, message = type_("apply", "-f", str(file), "--yes").error
    assert (exit_code, code) == (1, "INVALID_REFERENCE")
    assert message.startswith("providers.cloud.credential: write where the secret is")
    assert SECRET not in message


def test_what_is_misspelled_is_told_with_its_line(type_: Type, home: Path, file: Path) -> None:
    file.write_text(WHOLE.replace("base_url", "base-url"), encoding="utf-8")
    exit_code, code, message = type_("apply", "-f", str(file)).error
    assert (exit_code, code) == (1, "UNKNOWN_FIELD")
    assert message == f"{file}, line 8: there is no field 'providers.near.base-url' here; did you mean 'base_url'?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no configuration"),
        ("- version: 1\n", "no configuration"),
        ("version: 1\nprune: true\n", "'prune'"),
        ("version: 1\nsecrets: {}\n", "'secrets'"),
        ("version: 1\nversion: 1\n", "line 2"),
    ],
)
def test_a_file_that_is_none_is_told_so(type_: Type, home: Path, file: Path, text: str, words: str) -> None:
    file.write_text(text)
    exit_code, code, message = type_("apply", "-f", str(file)).error
    assert (exit_code, code) == (1, "INVALID_FILE")
    assert words in message


def test_files_that_cannot_be_read_or_are_too_large_are_told(type_: Type, home: Path, file: Path) -> None:
    assert type_("apply", "-f", str(file.parent / "gone.yaml")).error[:2] == (1, "FILE_UNREADABLE")
    file.write_bytes(b"#" * (documents.MOST_BYTES + 1))
    assert type_("apply", "-f", str(file)).error[:2] == (1, "FILE_TOO_LARGE")
    file.write_text(WHOLE, encoding="utf-8")
    (file.parent / "near.secret").write_bytes(b"x" * 100_000)
    assert type_("apply", "-f", str(file)).error[:2] == (1, "FILE_TOO_LARGE")


def test_an_export_into_a_file_is_private_and_replaces_none(type_: Type, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.yaml"
    assert type_("export", "--output", str(path)).data == {"path": str(path)}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert documents.read(path.read_bytes(), "out").content["version"] == 1
    assert type_("export", "--output", str(path)).error[:2] == (1, "FILE_EXISTS")


def test_keys_are_told_in_comments_only(type_: Type, home: Path) -> None:
    made = type_("api-keys", "create", "--label", "one: two", "--rpm", "5")
    told = type_("export", "--keys").out
    assert f"#   {made.data['id']}  label: one: two, project: default, rpm: 5\n" in told
    assert made.data["plain_key"] not in told
    assert documents.read(told.encode(), "x").content == documents.read(type_("export").out.encode(), "x").content


def test_the_schema_needs_no_server_and_knows_the_fields(type_: Type, home: Path) -> None:
    schema = json.loads(type_("export", "--schema").out)
    assert {"version", "providers", "models", "apis", "projects", "issuers"} == set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert {"kind", "base_url", "credential"} <= set(schema["$defs"]["ProviderDeclared"]["properties"])
    assert not home.exists()
    assert type_("export", "--schema", "--keys").error[:2] == (1, "USAGE")


def test_a_configuration_that_changed_in_between_is_told(type_: Type, node: Node, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("version: 1\nprojects: {shop: {}}\n")
    change = {"action": "add", "path": "projects.shop", "fields": []}
    node.scripted["POST", "/api/configuration/plan"] = (200, {"plan": "p1", "changes": [change], "notes": []})
    node.scripted["POST", "/api/configuration/apply"] = refusal(409, "plan_changed", "look at the new plan")
    assert type_("apply", "-f", str(path), "--yes").error == (1, "PLAN_CHANGED", "look at the new plan")
