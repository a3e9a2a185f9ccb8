"""The bodies of the routes that belong to no slice."""

from typing import Annotated

from pydantic import Field

from sekisho.api.maintenance import Finding
from sekisho.rest.schemas import Asked, OneLine, Time, Told
from sekisho.storage.backups import Contents
from sekisho.storage.checks import Check


class ErrorFacts(Told):
    type: str
    code: str = Field(description="A stable word for programs.")
    message: str = Field(description="For a person: which field, and what to do.")
    param: str | None
    request_id: str


class ErrorTold(Told):
    """The one error body."""

    error: ErrorFacts


class Health(Told):
    status: str


class Accepted(Told):
    accepted: bool


class SettingTold(Told):
    name: str
    value: object
    source: str = Field(description="`default`, `sekisho.toml`, the variable's name or the flag's name.")


class SettingsTold(Told):
    settings: list[SettingTold]


class ListenerTold(Told):
    name: str
    door: str = Field(description="`gateway` or `console`: what lies behind.")
    scheme: str = Field(description="`http`, `https`, or `redirect`: HTTP in clear that is sent to HTTPS.")
    host: str
    port: int
    extra: bool = Field(default=False, description="Whether it was started while the product runs, and can be stopped.")


class ListenerChanged(ListenerTold):
    warnings: list[str] = Field(default_factory=list, description="Workers that have not taken it over yet, by sentence.")


class StartListener(Asked):
    port: int = Field(ge=1, le=65535)
    host: Annotated[str, Field(min_length=1, max_length=255), OneLine] = "127.0.0.1"
    name: Annotated[str, Field(min_length=1, max_length=40), OneLine] | None = Field(default=None, description="Otherwise `port-<port>`.")
    mode: Annotated[str, Field(max_length=40), OneLine] | None = Field(
        default=None, description="Refused unless it is the `tls.mode` in force; for those who want to be sure."
    )


class ProxyTold(Told):
    mode: str = Field(description="`tls.mode` in force.")
    certificate: str | None = Field(description="Path of the chain that is shown; null without TLS.")
    root: str | None = Field(description="Path of the root that clients have to trust, where Sekisho made it.")
    listeners: list[ListenerTold]


class CreateBackup(Asked):
    path: Annotated[str, Field(min_length=1, max_length=4000), OneLine] | None = Field(
        default=None, description="An absolute path of a new file or of a directory; the home's own place otherwise."
    )


class BackupTold(Told):
    path: str
    bytes: int
    calls: int
    keys: int
    created_at: Time

    @classmethod
    def of(cls, contents: Contents) -> "BackupTold":
        return cls(**vars(contents) | {"path": str(contents.path)})


class BackupList(Told):
    backups: list[BackupTold]
    next_cursor: str | None = None


class BackupProgress(Told):
    rows: int | None = Field(description="Rows that are in it so far; null where no backup is being made.")
    of: int | None = Field(description="Rows that it will have.")


class CheckTold(Told):
    name: str
    ok: bool
    detail: str


class ChecksTold(Told):
    ok: bool
    checks: list[CheckTold]

    @classmethod
    def of(cls, found: list[Check]) -> "ChecksTold":
        return cls(ok=all(each.ok for each in found), checks=[CheckTold(**vars(each)) for each in found])


class FindingTold(Told):
    level: str = Field(description="error, warning or hint.")
    name: str
    message: str
    remedy: str


class FindingsTold(Told):
    ok: bool = Field(description="Whether there is no error; warnings and hints leave it true.")
    findings: list[FindingTold]

    @classmethod
    def of(cls, found: list[Finding]) -> "FindingsTold":
        return cls(ok=all(each.level != "error" for each in found), findings=[FindingTold(**vars(each)) for each in found])
