"""The document of `/api/configuration`: what is set up, without a secret in it. A person may write it, too, so it helps with its fields.

A field that is left out stays as it is; null sets it back to what a new thing has. What is not named at all is not touched.
"""

import difflib
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from sekisho.api.configurations.model import Plan
from sekisho.catalog import schemas as catalog
from sekisho.catalog.apis import schemas as published
from sekisho.catalog.settings import CAPABILITIES
from sekisho.identity.issuers import schemas as houses
from sekisho.identity.projects import schemas as workspaces
from sekisho.rest.permissions import ProjectRole
from sekisho.rest.schemas import Asked, OneLine, Told, Written, joined

SCHEMES: Final = ("env:", "file:")
"""How a reference to a secret begins."""

MOST: Final = 10_000
"""Entries of one kind; the bound on bodies is met earlier."""


class Declared(Asked):
    """A part of the document: it says which field was probably meant."""

    @model_validator(mode="before")
    @classmethod
    def _suggest(cls, value: Any) -> Any:
        if value is None:
            return {}
        for name in value if isinstance(value, dict) else ():
            if name not in cls.model_fields:
                near = difflib.get_close_matches(str(name), cls.model_fields, n=1, cutoff=0.6)
                reason = PydanticCustomError("extra_forbidden", "there is no such field", {"near": near[0] if near else None})
                raise ValidationError.from_exception_data(cls.__name__, [InitErrorDetails(type=reason, loc=(str(name),), input=None)])
        return value


def _reference(value: object) -> object:
    # The message must not repeat what may be a secret.
    if not isinstance(value, str) or not any(value.startswith(each) and len(value) > len(each) for each in SCHEMES):
        raise ValueError("write where the secret is, env:NAME or file:PATH; the secret itself does not belong into a configuration")
    return value


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("null is no value here; leave the field out to keep what is there")
    return value


Reference = Annotated[str, BeforeValidator(_reference), Field(max_length=1000, pattern=r"^(env|file):."), OneLine]
Switch = Annotated[bool, Field(strict=True)]
Given: Final = BeforeValidator(_given)


def _each_known(value: list[str]) -> list[str]:
    for each in value:
        if each not in CAPABILITIES:
            raise ValueError(f"{each!r} is no capability; there are {joined(CAPABILITIES)}")
    return value


class TimeoutsDeclared(Declared, catalog.TimeoutsAsked):
    """Seconds; all of them together replace what is there."""


class ProviderDeclared(Declared):
    kind: catalog.Kind
    base_url: Annotated[catalog.Url | None, Given] = Field(default=None, description="Ends before /chat/completions.")
    enabled: Annotated[Switch | None, Given] = None
    credential: Reference | None = Field(default=None, description="Where its secret is: env:NAME or file:PATH. Null: it needs none.")
    ca_bundle: catalog.PemBundle | None = Field(default=None, description="PEM text, or file:PATH in a file that `sekisho apply` reads.")
    timeouts: TimeoutsDeclared | None = None

    def seconds(self) -> dict[str, float] | None:
        """The timeouts that are written, by name."""
        return None if self.timeouts is None else self.timeouts.given() or None


class RateDeclared(Declared, catalog.SetRate):
    """Prices per million tokens. A rate can be replaced and not taken away: calls were recorded with it."""


class ModelDeclared(Declared):
    upstream_model: catalog.ModelName | None = Field(
        default=None, description="What the provider calls it; null: the name behind provider/."
    )
    capabilities: Annotated[list[str], Field(min_length=1, max_length=len(CAPABILITIES)), AfterValidator(_each_known)] | None = Field(
        default=None, description="Null: whatever the provider's dialect has."
    )
    context_length: Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)] | None = None
    rate: Annotated[RateDeclared | None, Given] = None


class DefaultsDeclared(Declared, published.DefaultsAsked):
    """All of them together replace what is there."""


class ApiDeclared(Declared):
    target: published.Target = Field(description="The model that serves it, as provider/model.")
    title: Annotated[published.Title | None, Given] = None
    description: Annotated[published.Description | None, Given] = None
    enabled: Annotated[Switch | None, Given] = None
    defaults: DefaultsDeclared | None = Field(default=None, description="Null: none.")

    def given(self) -> dict[str, Any]:
        """What is written, as the routes of APIs take it."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return given | ({"defaults": {} if self.defaults is None else self.defaults.given()} if "defaults" in given else {})


class ProjectDeclared(Declared):
    title: Annotated[workspaces.Title | None, Given] = None
    description: Annotated[workspaces.Description | None, Given] = None
    archived: Annotated[Switch | None, Given] = None
    members: Annotated[dict[Annotated[str, Field(min_length=3, max_length=254), OneLine], ProjectRole] | None, Given] = Field(
        default=None, description="E-mail address → role; of people who have an account here."
    )


class IssuerDeclared(Declared):
    """A house whose word lets people in. It is not asked whether it is there."""

    title: houses.Title
    issuer: houses.Url
    client_id: houses.Short
    client_secret: Reference | None = Field(default=None, description="Where it is: env:NAME or file:PATH. Null: a public client.")
    console_url: houses.Url
    algorithm: Annotated[houses.Algorithm | None, Given] = None
    scopes: Annotated[houses.Scopes | None, Given] = None
    groups_claim: Annotated[houses.Short | None, Given] = None
    group_roles: Annotated[houses.Groups | None, Given] = None
    default_role: houses.DefaultRole | None = Field(default=None, description="Of who is in none of the groups; null lets them not in.")
    link_by_email: Annotated[Switch | None, Given] = None
    ca_bundle: catalog.PemBundle | None = None
    enabled: Annotated[Switch | None, Given] = None

    def given(self) -> dict[str, Any]:
        """What is written, as the routes of issuers take it, but for the secret."""
        return self.model_dump(include=self.model_fields_set - {"client_secret"})


class Configuration(Declared):
    """Everything that is set up, as far as it is no secret."""

    version: Literal[1] = Field(description="Of this form.")
    providers: Annotated[dict[catalog.Name, ProviderDeclared], Field(max_length=MOST)] | None = None
    models: Annotated[dict[catalog.ModelId, ModelDeclared], Field(max_length=MOST)] | None = Field(
        default=None, description="By canonical id; those that a provider lists and that have no rate need not stand here."
    )
    apis: Annotated[dict[published.Name, ApiDeclared], Field(max_length=MOST)] | None = Field(
        default=None, description="By the name that clients call."
    )
    projects: Annotated[dict[workspaces.Name, ProjectDeclared], Field(max_length=MOST)] | None = None
    issuers: Annotated[dict[houses.Name, IssuerDeclared], Field(max_length=MOST)] | None = None


class PlanConfiguration(Configuration):
    """The document, and what goes with it on its way."""

    secrets: dict[Annotated[str, Field(max_length=1000)], catalog.Credential] = Field(
        default={}, description="Reference → secret. Of one that is not here, the secret that is stored stays."
    )
    prune: Switch = Field(default=False, description="Also remove what the sections that are given do not name.")


class ApplyConfiguration(PlanConfiguration):
    plan: str | None = Field(default=None, max_length=100, description="The `plan` that was looked at; another one is refused with 409.")


class FieldTold(Told):
    field: str
    before: Any
    after: Any


class ChangeTold(Told):
    action: str = Field(description="add, change or remove.")
    path: str = Field(description="Where in the document, such as providers.openai.")
    fields: list[FieldTold] = Field(description="Of a secret, its fingerprint.")


class Planned(Told):
    plan: str = Field(description="Names these changes; give it to apply.")
    changes: list[ChangeTold]
    notes: list[str] = Field(description="What stays as it is though the document may mean otherwise.")

    @classmethod
    def of(cls, plan: Plan) -> "Planned":
        return cls(**_told(plan))


class Applied(Planned, Written):
    pass


def applied(plan: Plan, revision: int, warnings: tuple[str, ...]) -> Applied:
    return Applied(**_told(plan), revision=revision, warnings=list(warnings))


def _told(plan: Plan) -> dict[str, Any]:
    changes = [
        ChangeTold(action=each.action, path=each.path, fields=[FieldTold(**vars(field)) for field in each.fields]) for each in plan.changes
    ]
    return {"plan": plan.name, "changes": changes, "notes": list(plan.notes)}
