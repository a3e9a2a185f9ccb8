"""What has to be done so that what is set up becomes what is written. Pure: the same two give the same plan.

What is not written is left alone, a field as well as a whole thing; with `prune`, a thing that a section does not name is removed, but for
what its provider lists. What is a part of the program never counts.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sekisho.api.configurations.model import (
    ADD,
    APIS,
    CHANGE,
    ISSUERS,
    MODELS,
    PROJECTS,
    PROVIDERS,
    REMOVE,
    Change,
    Current,
    FieldChange,
    Plan,
    PlanError,
)
from sekisho.api.configurations.schemas import (
    ApiDeclared,
    Configuration,
    IssuerDeclared,
    ModelDeclared,
    ProjectDeclared,
    ProviderDeclared,
    RateDeclared,
)
from sekisho.catalog.apis.model import Api
from sekisho.catalog.builtins import RESERVED
from sekisho.catalog.model import ModelFacts, ProviderFacts
from sekisho.catalog.service import ADDED
from sekisho.catalog.settings import CAPABILITIES
from sekisho.core.model.ids import DEFAULT_PROJECT
from sekisho.core.model.snapshot import Rate
from sekisho.identity.issuers.model import Issuer, shown
from sekisho.identity.issuers.schemas import CreateIssuer
from sekisho.identity.people.model import folded
from sekisho.identity.projects.model import Member, Project
from sekisho.kit.crypto import digest_of
from sekisho.kit.money import format_price_per_million
from sekisho.rest.permissions import ProjectRole

MEMBER: Final = "members."
"""Begins the name of a field that is one member's role."""


def plan(current: Current, wanted: Configuration, fingerprints: Mapping[str, str], *, prune: bool) -> Plan:
    """Compare; `fingerprints` are those of the secrets behind references, as far as they are known. Raises PlanError."""
    notes: list[str] = []
    providers = [
        _provider(name, current.providers.get(name), each, fingerprints, notes) for name, each in sorted((wanted.providers or {}).items())
    ]
    pruned = _unnamed(current.providers, wanted.providers, prune, lambda each: True)
    there = (current.providers.keys() - set(pruned)) | (wanted.providers or {}).keys()
    models = [_model(name, current.models.get(name), each, there) for name, each in sorted((wanted.models or {}).items())]
    alone = {name: each for name, each in current.models.items() if each.provider in there}
    gone = _unnamed(alone, wanted.models, prune, lambda name: current.models[name].origin == ADDED)
    published = [_api(name, current.apis.get(name), each) for name, each in sorted((wanted.apis or {}).items())]
    withdrawn = _unnamed(current.apis, wanted.apis, prune, lambda each: True)
    projects = [
        _project(name, current.projects.get(name), current.members.get(name, {}), each, prune)
        for name, each in sorted((wanted.projects or {}).items())
    ]
    ended = _unnamed(current.projects, wanted.projects, prune, lambda name: name != DEFAULT_PROJECT)
    issuers = [
        _issuer(name, current.issuers.get(name), current.client_secrets.get(name), each, fingerprints, notes)
        for name, each in sorted((wanted.issuers or {}).items())
    ]
    closed = _unnamed(current.issuers, wanted.issuers, prune, lambda each: True)
    changes = [
        *(Change(REMOVE, MODELS, name) for name in gone),
        *(Change(REMOVE, PROVIDERS, name) for name in pruned),
        *providers,
        *models,
        *(Change(REMOVE, APIS, name) for name in withdrawn),
        *published,
        *projects,
        *(Change(REMOVE, PROJECTS, name) for name in ended),
        *issuers,
        *(Change(REMOVE, ISSUERS, name) for name in closed),
    ]
    return Plan(tuple(each for each in changes if each is not None), tuple(notes))


def _unnamed(there: Mapping[str, object], named: Mapping[str, object] | None, prune: bool, removable: Callable[[str], bool]) -> list[str]:
    """What a section does not name and has to go."""
    return [] if named is None or not prune else sorted(name for name in there if name not in named and removable(name))


def _change(kind: str, name: str, new: bool, fields: Iterable[FieldChange]) -> Change | None:
    differing = tuple(each for each in fields if each.before != each.after)
    if new:
        return Change(ADD, kind, name, differing)
    return Change(CHANGE, kind, name, differing) if differing else None


def _provider(
    name: str, was: ProviderFacts | None, wanted: ProviderDeclared, fingerprints: Mapping[str, str], notes: list[str]
) -> Change | None:
    path = f"{PROVIDERS}.{name}"
    if was is not None and was.kind != wanted.kind:
        raise PlanError(
            f"{path}.kind",
            f"it is {was.kind}, and a provider's kind never changes; remove the provider first, or give this one another name",
        )
    given = wanted.model_fields_set
    fields = [FieldChange("kind", None if was is None else was.kind, wanted.kind)]
    if "base_url" in given or was is None:
        fields.append(FieldChange("base_url", None if was is None else was.base_url, wanted.base_url))
    if "enabled" in given or was is None:
        fields.append(FieldChange("enabled", None if was is None else was.enabled, wanted.enabled is not False))
    if "credential" in given:
        held = [] if was is None else [each.fingerprint for each in was.credentials]
        fields += _secret(path, "credential", ", ".join(held) or None, wanted.credential, fingerprints, notes)
    if "ca_bundle" in given:
        fields.append(FieldChange("ca_bundle", _bundle(None if was is None else was.ca_bundle), _bundle(wanted.ca_bundle)))
    if "timeouts" in given:
        fields.append(FieldChange("timeouts", None if was is None else was.timeouts or None, wanted.seconds()))
    return _change(PROVIDERS, name, was is None, fields)


def _secret(
    path: str, field: str, held: str | None, reference: str | None, fingerprints: Mapping[str, str], notes: list[str]
) -> list[FieldChange]:
    """What becomes of a secret, of which the fingerprint of the one that is stored is `held`. Raises PlanError."""
    if reference is None:
        return [FieldChange(field, held, None)]
    if reference in fingerprints:
        return [FieldChange(field, held, fingerprints[reference])]
    if held is None:
        raise PlanError(
            f"{path}.{field}", f"there is no secret at {reference}, and none is stored; set it, or write null", "credential_missing"
        )
    notes.append(f"{path}.{field}: there is no secret at {reference}; the one that is stored stays")
    return []


def _bundle(text: str | None) -> str | None:
    """A bundle of certificates as a plan tells of it."""
    digest = digest_of(text)
    return None if digest is None else digest[: len("sha256:") + 16]


def _model(name: str, was: ModelFacts | None, wanted: ModelDeclared, providers: Iterable[str]) -> Change | None:
    path = f"{MODELS}.{name}"
    provider, _, bare = name.partition("/")
    if provider in RESERVED:
        raise PlanError(path, f"{provider!r} is a part of the program, and so are its models; leave it out", "built_in")
    if not provider or not bare or bare == "*":
        raise PlanError(path, "this is not a model's id; write provider/model")
    if provider not in providers:
        raise PlanError(path, f"there is no provider {provider!r}; write it under providers, or check its spelling", "provider_not_found")
    given = wanted.model_fields_set
    fields = []
    if "upstream_model" in given or was is None:
        fields.append(FieldChange("upstream_model", None if was is None else was.upstream_model, wanted.upstream_model or bare))
    if "capabilities" in given:
        fields.append(
            FieldChange("capabilities", _capabilities(None if was is None else was.capabilities), _capabilities(wanted.capabilities))
        )
    if "context_length" in given:
        fields.append(FieldChange("context_length", None if was is None else was.context_length, wanted.context_length))
    if wanted.rate is not None:
        before = None if was is None or was.rate is None else rate_of(was.rate.rate)
        fields.append(FieldChange("rate", before, rate_of(wanted.rate.rate())))
    return _change(MODELS, name, was is None, fields)


def _api(name: str, was: Api | None, wanted: ApiDeclared) -> Change | None:
    given = wanted.given()
    fields = [FieldChange("target", None if was is None else was.target, wanted.target)]
    usual: Mapping[str, Any] = {"title": "", "description": "", "enabled": True, "defaults": {}}
    for field, value in usual.items():
        before = value if was is None else getattr(was, field)
        if field in given:
            fields.append(FieldChange(field, dict(before) if field == "defaults" else before, given[field]))
    return _change(APIS, name, was is None, fields)


def _capabilities(given: Iterable[str] | None) -> list[str] | None:
    """In one order; None where nothing is left out."""
    kept = [each for each in CAPABILITIES if given is None or each in set(given)]
    return None if len(kept) == len(CAPABILITIES) else kept


def rate_of(rate: Rate) -> dict[str, str]:
    """A rate as the document writes it, per million tokens."""
    told = {"input_price": format_price_per_million(rate.input), "output_price": format_price_per_million(rate.output)}
    if rate.cached is not None:
        told["cached_input_price"] = format_price_per_million(rate.cached)
    return {**told, "currency": rate.currency}


def _project(name: str, was: Project | None, members: Mapping[str, Member], wanted: ProjectDeclared, prune: bool) -> Change | None:
    fields = []
    if wanted.title is not None or was is None:
        fields.append(FieldChange("title", None if was is None else was.shown, wanted.title or name))
    if wanted.description is not None:
        fields.append(FieldChange("description", "" if was is None else was.description, wanted.description))
    if wanted.archived is not None:
        fields.append(FieldChange("archived", was is not None and was.archived_at is not None, wanted.archived))
    if wanted.members is not None:
        roles: dict[str, str] = {}
        for email, role in sorted(wanted.members.items()):
            if folded(email) in roles:
                raise PlanError(f"{PROJECTS}.{name}.members.{email}", "this person stands here twice; write the address once")
            roles[folded(email)] = role.value
        fields += [FieldChange(MEMBER + email, members[email].role if email in members else None, role) for email, role in roles.items()]
        if prune:
            fields += [FieldChange(MEMBER + email, each.role, None) for email, each in sorted(members.items()) if email not in roles]
    return _change(PROJECTS, name, was is None, fields)


def _issuer(
    name: str, was: Issuer | None, held: str | None, wanted: IssuerDeclared, fingerprints: Mapping[str, str], notes: list[str]
) -> Change | None:
    path = f"{ISSUERS}.{name}"
    after = (
        wanted.given()
        if was is not None
        else CreateIssuer(name=name, **wanted.given()).model_dump(exclude={"name", "probe", "client_secret"})
    )
    before = {} if was is None else shown(was)
    fields = [
        FieldChange(each, _bundle(before.get(each)), _bundle(value)) if each == "ca_bundle" else FieldChange(each, before.get(each), value)
        for each, value in after.items()
    ]
    if "client_secret" in wanted.model_fields_set:
        if wanted.client_secret is None and held is not None:
            raise PlanError(f"{path}.client_secret", "a stored secret is replaced and not taken away; remove the issuer first")
        fields += _secret(path, "client_secret", held, wanted.client_secret, fingerprints, notes)
    return _change(ISSUERS, name, was is None, fields)


# What is set up, as a document


def document(current: Current) -> Configuration:
    """Everything, with a reference to fill where a secret is stored.

    Of the models those that a provider lists anyway are left out, but for those that an API needs.
    """
    targets = {each.target for each in current.apis.values()}
    names = iter(_references((name for name, each in sorted(current.providers.items()) if each.credentials), "API_KEY"))
    providers = {
        name: ProviderDeclared.model_validate(
            {
                "kind": each.kind,
                "base_url": each.base_url,
                "enabled": each.enabled,
                "credential": next(names) if each.credentials else None,
                "ca_bundle": each.ca_bundle,
                "timeouts": each.timeouts or None,
            }
        )
        for name, each in sorted(current.providers.items())
    }
    models = {
        name: ModelDeclared(
            upstream_model=each.upstream_model,
            capabilities=_capabilities(each.capabilities),
            context_length=each.context_length,
            **({} if each.rate is None else {"rate": RateDeclared(**_prices(each.rate.rate))}),
        )
        for name, each in sorted(current.models.items())
        if each.origin == ADDED or each.rate is not None or name in targets
    }
    projects = {
        name: ProjectDeclared(
            title=each.shown,
            description=each.description,
            archived=each.archived_at is not None,
            members={member.email: ProjectRole(member.role) for member in current.members.get(name, {}).values()},
        )
        for name, each in sorted(current.projects.items())
    }
    secrets = iter(_references((name for name, each in sorted(current.issuers.items()) if each.has_secret), "CLIENT_SECRET"))
    issuers = {
        name: IssuerDeclared.model_validate({**shown(each), **({"client_secret": next(secrets)} if each.has_secret else {})})
        for name, each in sorted(current.issuers.items())
    }
    published = {
        name: ApiDeclared.model_validate(
            {
                "target": each.target,
                "title": each.title,
                "description": each.description,
                "enabled": each.enabled,
                "defaults": dict(each.defaults),
            }
        )
        for name, each in sorted(current.apis.items())
    }
    return Configuration(version=1, providers=providers, models=models, apis=published, projects=projects, issuers=issuers)


def _prices(rate: Rate) -> dict[str, Any]:
    return dict(rate_of(rate))


def _references(names: Iterable[str], what: str) -> list[str]:
    """A variable for each secret, such as env:OPENAI_API_KEY; none that is taken for one of our settings."""
    taken: list[str] = []
    for name in names:
        word = name.upper().replace("-", "_")
        word = f"PROVIDER_{word}" if word[0].isdigit() or word.startswith("SEKISHO") else word
        reference, number = f"env:{word}_{what}", 2
        while reference in taken:
            reference, number = f"env:{word}_{what}_{number}", number + 1
        taken.append(reference)
    return taken
