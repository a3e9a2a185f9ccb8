"""The bodies of `/api/apis`."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from sekisho.catalog.apis.model import Api, Draft, Published, ordered
from sekisho.rest.schemas import SHORT, SHORT_WORDS, Asked, OneLine, Time, Told, Written, spelled

Name = Annotated[str, Field(pattern=SHORT), spelled(SHORT, SHORT_WORDS)]
Title = Annotated[str, Field(max_length=100), OneLine]
Description = Annotated[str, Field(max_length=2000)]
Target = Annotated[str, Field(min_length=3, max_length=400), OneLine]
Switch = Annotated[bool, Field(strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Penalty = Annotated[float, Field(ge=-2, le=2, strict=True)]
Tokens = Annotated[int, Field(ge=1, le=10_000_000, strict=True)]
End = Annotated[str, Field(min_length=1, max_length=500, strict=True)]
Default = int | float | str | list[str]


class DefaultsAsked(Asked):
    """What is sent along where a caller's body says nothing of it; what is left out, or null, is not."""

    temperature: Annotated[float, Field(ge=0, le=2, strict=True)] | None = None
    top_p: Share | None = None
    max_tokens: Tokens | None = Field(default=None, description="A body that has max_completion_tokens has it as well.")
    max_completion_tokens: Tokens | None = Field(default=None, description="The newer name of the same bound; give one of both.")
    stop: End | Annotated[list[End], Field(min_length=1, max_length=4)] | None = None
    seed: Annotated[int, Field(ge=-(2**53), le=2**53, strict=True)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    system_prompt: Annotated[str, Field(min_length=1, max_length=20_000)] | None = Field(
        default=None, description="Goes before the messages of a chat in which neither `system` nor `developer` speaks."
    )

    @model_validator(mode="after")
    def _require_one_bound(self) -> "DefaultsAsked":
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("max_tokens and max_completion_tokens are two names of one bound; give one of them")
        return self

    def given(self) -> dict[str, Any]:
        """Those that are set."""
        return ordered(self.model_dump())


class CreateApi(Asked):
    name: Name = Field(description="As clients name it in `model`; it never changes, and is no model's name.")
    target: Target = Field(description="The model that serves it, as provider/model.")
    title: Title = ""
    description: Description = ""
    enabled: Switch = True
    defaults: DefaultsAsked = DefaultsAsked()

    def draft(self) -> Draft:
        return Draft(self.name, self.target, self.title, self.description, self.enabled, self.defaults.given())


class ChangeApi(Asked):
    """What is given is changed."""

    target: Target | None = None
    title: Title | None = None
    description: Description | None = None
    enabled: Switch | None = None
    defaults: DefaultsAsked | None = Field(default=None, description="Replaces all of them.")

    @field_validator("target", "title", "description", "enabled", "defaults")
    @classmethod
    def refuse_null(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("null is no value here; leave the field out to keep what is there")
        return value

    def changes(self) -> dict[str, Any]:
        """The fields that were given."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return given | ({"defaults": self.defaults.given()} if self.defaults is not None else {})


class ApiTold(Told):
    name: str
    title: str
    description: str
    target: str
    enabled: bool
    defaults: dict[str, Default] = Field(description="Those that are set, by name.")
    state: str = Field(description="ready, disabled, or broken: it is on, and its model cannot be called.")
    reason: str | None = Field(description="Why its model cannot be called.")
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, published: Published) -> "ApiTold":
        return cls(**facts(published))


class ApiWritten(ApiTold, Written):
    pass


class ApiRemoved(Written):
    name: str
    deleted: bool


class ApiPage(Told):
    apis: list[ApiTold]
    next_cursor: str | None


def facts(published: Published) -> dict[str, Any]:
    """The fields of `ApiTold`."""
    return {**vars(published.api), "defaults": dict(published.api.defaults), "state": published.state, "reason": published.reason}


def written(published: Published, revision: int, warnings: tuple[str, ...]) -> ApiWritten:
    return ApiWritten(**facts(published), revision=revision, warnings=list(warnings))


def removed(api: Api, revision: int, warnings: tuple[str, ...]) -> ApiRemoved:
    return ApiRemoved(name=api.name, deleted=True, revision=revision, warnings=list(warnings))
