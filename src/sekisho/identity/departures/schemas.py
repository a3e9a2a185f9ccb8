"""The bodies of exports and erasures."""

from pydantic import Field

from sekisho.identity.people.schemas import PlainPassword
from sekisho.rest.schemas import Asked, Told


class EraseMe(Asked):
    current_password: PlainPassword | None = Field(default=None, description="Needed by whoever has one.")


class Erased(Told):
    id: str
    pseudonym: str = Field(description="What the audit calls this person from now on.")
