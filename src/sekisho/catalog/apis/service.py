"""Publishes APIs, changes and withdraws them.

An API keeps its name for good: clients are written against it, and keys are scoped to it. Its model may go; then it is told as broken,
and stays, for the model may come back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sekisho.catalog import builtins
from sekisho.catalog.apis import repository
from sekisho.catalog.apis.model import BROKEN, DISABLED, READY, Api, Draft, Published, ordered, told_api
from sekisho.core.model.snapshot import Model
from sekisho.kit.clock import Clock
from sekisho.rest.errors import conflict, invalid, not_found
from sekisho.rest.versions import require_current
from sekisho.storage.session import Session

MOST: Final = 10_000
"""APIs of one installation: all of them are in every worker's memory."""


class ApiService:
    """What can be done with published APIs."""

    def __init__(self, clock: Clock, builtin_models: builtins.BuiltinModels) -> None:
        self._clock = clock
        self._builtin_models = builtin_models

    async def create(self, session: Session, draft: Draft) -> Published:
        """Publish a model under a name; raises ApiError 409 where the name is taken, 422 where there is no such model."""
        await self._require_free(session, draft.name)
        await self._require_target(session, draft.target)
        if await repository.count(session.connection) >= MOST:
            raise conflict(f"there are {MOST} APIs, the most there may be; delete one first", None, "too_many_apis")
        now = self._clock.now()
        values = vars(draft) | {"defaults": ordered(draft.defaults)}
        made = Api(**values, created_at=now, updated_at=now)
        await session.change_catalog()
        await repository.add(session.connection, made)
        session.record("api.created", "api", made.name, after=told_api(made))
        return (await self._published(session, [made]))[0]

    async def find(self, session: Session, name: str) -> Published:
        """One API; raises ApiError 404."""
        return (await self._published(session, [await self._find(session, name)]))[0]

    async def page(self, session: Session, limit: int, after: str) -> list[Published]:
        """By name, beginning behind one."""
        return await self._published(session, await repository.page(session.connection, limit, after))

    async def change(self, session: Session, name: str, changes: Mapping[str, Any], version: str | None = None) -> Published:
        """Change what is given of `title, description, target, enabled, defaults`; `version` is the If-Match of the request.

        Raises ApiError. A target that has gone may stay, and none may be set that is not there.
        """
        api = await self._find(session, name)
        require_current(version, api.updated_at, "API")
        if changes.get("target", api.target) != api.target:
            await self._require_target(session, changes["target"])
        values = dict(changes)
        if "defaults" in values:
            values["defaults"] = ordered(values["defaults"])
        # A version is never given twice, not even where the clock was set back.
        changed = replace(api, **values, updated_at=max(self._clock.now(), api.updated_at + 1))
        await session.change_catalog()
        await repository.change(session.connection, name, **values, updated_at=changed.updated_at)
        session.record("api.changed", "api", name, before=told_api(api), after=told_api(changed))
        return (await self._published(session, [changed]))[0]

    async def remove(self, session: Session, name: str) -> Api:
        """Withdraw an API; what was called stays recorded, and keys that are scoped to it keep the name."""
        api = await self._find(session, name)
        await session.change_catalog()
        await repository.remove(session.connection, name)
        session.record("api.removed", "api", name, before=told_api(api))
        return api

    async def _find(self, session: Session, name: str) -> Api:
        found = await repository.find(session.connection, name)
        if found is None:
            raise not_found("api", name)
        return found

    async def _require_free(self, session: Session, name: str) -> None:
        if await repository.find(session.connection, name) is not None:
            raise conflict(f"there is an API {name!r} already; change it, or take another name", "name", "name_taken")
        served = any(model.upstream_model == name for model in self._code_models())
        if served or await repository.names_a_model(session.connection, name):
            raise conflict(f"{name!r} is the name of a model, which it would hide; take another one", "name", "name_taken")

    async def _require_target(self, session: Session, target: str) -> None:
        if (await self._reasons(session, [target])).get(target) is not None:
            raise invalid(
                f"there is no model {target!r} that can be called; write provider/model as `sekisho models list` has it",
                "target",
                "target_not_found",
            )

    async def _published(self, session: Session, found: Sequence[Api]) -> list[Published]:
        reasons = await self._reasons(session, [api.target for api in found])
        return [_state(api, reasons.get(api.target)) for api in found]

    async def _reasons(self, session: Session, targets: Sequence[str]) -> dict[str, str]:
        """Why models cannot be called, of those that cannot."""
        there = {model.id for model in self._code_models()}
        asked = sorted(set(targets) - there)
        known = await repository.providers_on(session.connection, asked) if asked else {}
        reasons = {}
        for target in asked:
            if target not in known:
                reasons[target] = f"the model {target} is not there any more; choose another one"
            elif not known[target]:
                reasons[target] = f"the provider {target.partition('/')[0]} is switched off; switch it on, or choose another model"
        return reasons

    def _code_models(self) -> list[Model]:
        return [*builtins.sandbox_models(), *self._builtin_models()]


def _state(api: Api, reason: str | None) -> Published:
    if not api.enabled:
        return Published(api, DISABLED, reason)
    return Published(api, READY) if reason is None else Published(api, BROKEN, reason)
