"""What a configuration is compared with, and what comes of the comparison."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sekisho.catalog.apis.model import Api
from sekisho.catalog.model import ModelFacts, ProviderFacts
from sekisho.identity.issuers.model import Issuer
from sekisho.identity.projects.model import Member, Project

ADD: Final = "add"
CHANGE: Final = "change"
REMOVE: Final = "remove"

PROVIDERS: Final = "providers"
MODELS: Final = "models"
APIS: Final = "apis"
PROJECTS: Final = "projects"
ISSUERS: Final = "issuers"


@dataclass(frozen=True)
class Current:
    """What is set up, but for what is a part of the program."""

    providers: Mapping[str, ProviderFacts] = field(default_factory=dict)
    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    projects: Mapping[str, Project] = field(default_factory=dict)
    members: Mapping[str, Mapping[str, Member]] = field(default_factory=dict)
    """By name of the project and folded e-mail address."""
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    client_secrets: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints by name of the issuer."""
    apis: Mapping[str, Api] = field(default_factory=dict)


@dataclass(frozen=True)
class FieldChange:
    """One field; None where there is no value. Of a secret it tells the fingerprint."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """What is to be done with one thing."""

    action: str
    """add, change or remove."""
    kind: str
    """The section of the document."""
    name: str
    fields: tuple[FieldChange, ...] = ()

    @property
    def path(self) -> str:
        """Where it stands in the document."""
        return f"{self.kind}.{self.name}"

    @property
    def changed(self) -> frozenset[str]:
        """The names of its fields."""
        return frozenset(each.field for each in self.fields)


@dataclass(frozen=True)
class Plan:
    """All that is to be done, in the order in which it is."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Tells it from every other plan."""
        told = [(each.action, each.path, [(one.field, one.before, one.after) for one in each.fields]) for each in self.changes]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


class PlanError(Exception):
    """The document asks for what cannot be; `path` is where."""

    def __init__(self, path: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.code = code
