"""Writes down what is set up, and brings it to what is written: in one transaction, all of it or nothing.

A plan is the same work, undone before it is committed: what would be refused when it is applied is refused when it is planned.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import msgspec

from sekisho.api.configurations import plans
from sekisho.api.configurations.model import ADD, APIS, ISSUERS, MODELS, PROJECTS, PROVIDERS, REMOVE, Change, Current, Plan, PlanError
from sekisho.api.configurations.schemas import (
    ApiDeclared,
    Configuration,
    IssuerDeclared,
    ModelDeclared,
    PlanConfiguration,
    ProjectDeclared,
    ProviderDeclared,
)
from sekisho.catalog.apis.model import Api, Draft
from sekisho.catalog.apis.service import ApiService
from sekisho.catalog.builtins import RESERVED
from sekisho.catalog.declarations.service import Declaration, Declarations
from sekisho.catalog.model import ModelFacts, ProviderFacts
from sekisho.catalog.service import CatalogService, Changes
from sekisho.catalog.settings import CAPABILITIES
from sekisho.identity.issuers import schemas as houses
from sekisho.identity.issuers.service import IssuerService
from sekisho.identity.people.model import folded
from sekisho.identity.projects.model import Member, Project
from sekisho.identity.projects.service import ProjectService
from sekisho.kit.crypto import Secret, fingerprint
from sekisho.rest.errors import ApiError, conflict, invalid
from sekisho.rest.paging import MOST
from sekisho.rest.permissions import Caller, Permission, ProjectRole, require
from sekisho.storage.session import Committed, Session, Sessions

FIELDS: Final = {"credential": "api_key"}
"""Fields of the document that the catalog knows by another name."""


class RehearsedError(Exception):
    """Ends a transaction that was only tried out; carries the plan."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("nothing is committed")
        self.plan = plan


class Configurations:
    """What can be done with everything at once."""

    def __init__(
        self, catalog: CatalogService, declarations: Declarations, apis: ApiService, projects: ProjectService, issuers: IssuerService
    ) -> None:
        self._catalog = catalog
        self._apis = apis
        self._declarations = declarations
        self._projects = projects
        self._issuers = issuers

    async def document(self, session: Session, caller: Caller) -> Configuration:
        """Everything that is set up, without secrets; raises ApiError."""
        for permission in (Permission.CATALOG_READ, Permission.PROJECTS_READ, Permission.SETTINGS_READ):
            require(caller, permission)
        return plans.document(await self._current(session, caller))

    async def plan(self, sessions: Sessions, caller: Caller, wanted: PlanConfiguration) -> Plan:
        """What applying would do; raises ApiError where it would be refused."""

        async def rehearse(session: Session) -> None:
            raise RehearsedError(await self._apply(session, caller, wanted, None))

        try:
            await sessions.transact(rehearse, by=caller)
        except RehearsedError as done:
            return done.plan
        raise AssertionError("a rehearsal commits nothing")

    async def apply(self, sessions: Sessions, caller: Caller, wanted: PlanConfiguration, expected: str | None) -> Committed[Plan]:
        """Do it, if it is what was `expected` (the name of a plan); raises ApiError, and then nothing was changed."""
        return await sessions.transact(lambda session: self._apply(session, caller, wanted, expected), by=caller)

    async def _apply(self, session: Session, caller: Caller, wanted: PlanConfiguration, expected: str | None) -> Plan:
        # A token that may look after the installation may not, by this detour, do what it was not given.
        if wanted.providers is not None or wanted.models is not None or wanted.apis is not None:
            require(caller, Permission.CATALOG_WRITE)
        if wanted.projects is not None:
            require(caller, Permission.PROJECTS_WRITE)
        if wanted.issuers is not None:
            require(caller, Permission.SETTINGS_WRITE)
        secrets = {reference: Secret(each.get_secret_value()) for reference, each in wanted.secrets.items()}
        wanted = self._spelled(wanted)
        try:
            current = await self._current(session, caller)
            plan = plans.plan(
                current,
                wanted,
                {reference: fingerprint(each.reveal()) for reference, each in secrets.items()},
                prune=wanted.prune,
            )
        except PlanError as error:
            raise invalid(str(error), error.path, error.code) from None
        if expected is not None and plan.name != expected:
            raise conflict("the configuration was changed since the plan was made; look at the new plan", "plan", "plan_changed")
        await self._carry_out(session, caller, current, plan, wanted, secrets)
        return plan

    def _spelled(self, wanted: PlanConfiguration) -> PlanConfiguration:
        """The same with addresses in their one spelling, those that kinds have by themselves included."""
        spelled = {}
        for name, each in (wanted.providers or {}).items():
            with _placed(f"{PROVIDERS}.{name}"):
                draft = self._catalog.draft(name, each.kind, each.base_url or ("http://localhost" if each.kind == "custom" else None))
            spelled[name] = each
            if "base_url" in each.model_fields_set or each.kind != "custom":
                values = {**{field: getattr(each, field) for field in each.model_fields_set}, "base_url": draft.base_url}
                given = each.model_fields_set
                spelled[name] = ProviderDeclared.model_construct(_fields_set=set(given), **values)
        return wanted if wanted.providers is None else wanted.model_copy(update={"providers": spelled})

    async def _current(self, session: Session, caller: Caller) -> Current:
        providers: dict[str, ProviderFacts] = {}
        after = ""
        while found := await self._catalog.providers(session, MOST, after):
            providers |= {each.name: each for each in found if each.name not in RESERVED}
            after = found[-1].name
        models: dict[str, ModelFacts] = {}
        after = ""
        while listed := await self._catalog.models(session, MOST, after, None):
            models |= {each.id: each for each in listed if each.provider not in RESERVED}
            after = listed[-1].id
        projects: dict[str, Project] = {}
        after = ""
        while page := await self._projects.page(session, caller, MOST, after):
            projects |= {each.name: each for each in page}
            after = page[-1].name
        members = {name: await self._members(session, caller, name) for name in projects}
        issuers = {each.name: each for each in await self._issuers.everything(session)}
        held = {name: await self._issuers.secret_fingerprint(session, each) for name, each in issuers.items() if each.has_secret}
        apis: dict[str, Api] = {}
        after = ""
        while published := await self._apis.page(session, MOST, after):
            apis |= {each.api.name: each.api for each in published}
            after = published[-1].api.name
        return Current(providers, models, projects, members, issuers, held, apis)

    async def _members(self, session: Session, caller: Caller, project: str) -> dict[str, Member]:
        found: dict[str, Member] = {}
        after = ""
        while page := await self._projects.members(session, caller, project, MOST, after):
            found |= {each.email: each for each in page}
            after = page[-1].email
        return found

    # Carrying out

    async def _carry_out(
        self,
        session: Session,
        caller: Caller,
        current: Current,
        plan: Plan,
        wanted: PlanConfiguration,
        secrets: Mapping[str, Secret],
    ) -> None:
        declared: dict[str, list[Declaration]] = {}
        for change in plan.changes:
            if change.kind == MODELS and change.action != REMOVE:
                provider, _, name = change.name.partition("/")
                assert wanted.models is not None
                known = current.models.get(change.name)
                declared.setdefault(provider, []).append(_declaration(name, wanted.models[change.name], known))
        for change in plan.changes:
            with _placed(change.path):
                if change.kind == PROVIDERS:
                    await self._do_provider(session, change, (wanted.providers or {}).get(change.name), secrets)
                elif change.kind == APIS:
                    await self._do_api(session, change, (wanted.apis or {}).get(change.name))
                elif change.kind == PROJECTS:
                    await self._do_project(session, caller, change, (wanted.projects or {}).get(change.name))
                elif change.kind == ISSUERS:
                    await self._do_issuer(session, change, (wanted.issuers or {}).get(change.name), secrets)
                elif change.action == REMOVE:
                    await self._catalog.remove_model(session, change.name)
                else:
                    # All models of a provider at once, when the first one is met: the provider is there by then.
                    provider = change.name.partition("/")[0]
                    if provider in declared:
                        await self._declarations.put(session, provider, declared.pop(provider))

    async def _do_provider(self, session: Session, change: Change, wanted: ProviderDeclared | None, secrets: Mapping[str, Secret]) -> None:
        if wanted is None:
            await self._catalog.remove_provider(session, change.name)
            return
        secret = None if wanted.credential is None else secrets.get(wanted.credential)
        changes = Changes(
            given=frozenset(FIELDS.get(each, each) for each in change.changed - {"kind"}),
            base_url=wanted.base_url or "",
            api_key=secret,
            enabled=wanted.enabled is not False,
            ca_bundle=wanted.ca_bundle,
            timeouts=wanted.seconds(),
        )
        if change.action == ADD:
            draft = self._catalog.draft(
                change.name, wanted.kind, wanted.base_url, api_key=secret, ca_bundle=wanted.ca_bundle, timeouts=wanted.seconds()
            )
            await self._catalog.add_provider(session, draft, None)
            if changes.enabled:
                return
            changes = replace(changes, given=frozenset({"enabled"}))
        await self._catalog.change_provider(session, change.name, changes)

    async def _do_api(self, session: Session, change: Change, wanted: ApiDeclared | None) -> None:
        if wanted is None:
            await self._apis.remove(session, change.name)
        elif change.action == ADD:
            await self._apis.create(session, Draft(change.name, **wanted.given()))
        else:
            given = wanted.given()
            await self._apis.change(session, change.name, {name: given[name] for name in change.changed})

    async def _do_issuer(self, session: Session, change: Change, wanted: IssuerDeclared | None, secrets: Mapping[str, Secret]) -> None:
        if wanted is None:
            await self._issuers.remove(session, change.name)
            return
        secret = None if wanted.client_secret is None else secrets.get(wanted.client_secret)
        if change.action == ADD:
            draft, _ = houses.draft(houses.CreateIssuer(name=change.name, **wanted.given()))
            await self._issuers.create(session, draft, secret)
            return
        given = {name: value for name, value in wanted.given().items() if name in change.changed}
        fields, _ = houses.changes(houses.ChangeIssuer(**given))
        await self._issuers.change(session, change.name, fields, secret if "client_secret" in change.changed else None)

    async def _do_project(self, session: Session, caller: Caller, change: Change, wanted: ProjectDeclared | None) -> None:
        name = change.name
        if wanted is None:
            await self._projects.delete(session, caller, name)
            return
        if change.action == ADD:
            await self._projects.create(session, caller, name=name, title=wanted.title or name, description=wanted.description or "")
        project = await self._projects.find(session, caller, name)
        after = {
            "title": project.shown if wanted.title is None else wanted.title,
            "description": project.description if wanted.description is None else wanted.description,
        }
        was_archived = project.archived_at is not None
        archived = was_archived if wanted.archived is None else wanted.archived
        # Members come to a project outside the archive: before it is put there, or after it was taken out.
        if not change.changed.isdisjoint({"title", "description", "archived"}):
            await self._projects.change(session, caller, name, archived=was_archived and archived, **after)
        await self._do_members(session, caller, change, wanted)
        if archived and not was_archived:
            await self._projects.change(session, caller, name, archived=True, **after)

    async def _do_members(self, session: Session, caller: Caller, change: Change, wanted: ProjectDeclared) -> None:
        if wanted.members is None:
            return
        there = await self._members(session, caller, change.name)
        roles = {each.field.removeprefix(plans.MEMBER): each.after for each in change.fields if each.field.startswith(plans.MEMBER)}
        if change.action == ADD:
            # Whoever makes a project becomes a member of it; here the document says who is.
            written = {folded(email) for email in wanted.members}
            roles |= {email: None for email in there if email not in written}
        for email, role in roles.items():
            member = there.get(email)
            with _placed(f"members.{email}"):
                if member is None and role is not None:
                    await self._projects.add_member(session, caller, change.name, email, ProjectRole(role))
                elif member is not None and role is None:
                    await self._projects.remove_member(session, caller, change.name, member.user_id)
                elif member is not None and member.role != role:
                    await self._projects.change_member(session, caller, change.name, member.user_id, ProjectRole(role))


def _declaration(name: str, wanted: ModelDeclared, known: ModelFacts | None) -> Declaration:
    """A model as it is to be: what is written, else what is there."""
    given = wanted.model_fields_set
    if known is None:
        return Declaration(
            name,
            wanted.upstream_model or name,
            tuple(wanted.capabilities or CAPABILITIES),
            wanted.context_length,
            None if wanted.rate is None else wanted.rate.rate(),
        )
    return Declaration(
        name,
        (wanted.upstream_model or name) if "upstream_model" in given else known.upstream_model,
        tuple(wanted.capabilities or CAPABILITIES) if "capabilities" in given else known.capabilities,
        wanted.context_length if "context_length" in given else known.context_length,
        None if wanted.rate is None else wanted.rate.rate(),
    )


@contextmanager
def _placed(path: str) -> Iterator[None]:
    """Let a refusal say where in the document its reason stands."""
    try:
        yield
    except ApiError as error:
        refusal = error.refusal
        param = path if refusal.param is None or refusal.param == "name" else f"{path}.{refusal.param}"
        raise ApiError(msgspec.structs.replace(refusal, message=f"{path}: {refusal.message}", param=param)) from None
