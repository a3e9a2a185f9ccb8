"""The routes that belong to no slice: health, status, settings, maintenance."""

from typing import Annotated, Any

from fastapi import Request

from sekisho.api import schemas
from sekisho.api.maintenance import Maintenance
from sekisho.api.orders import order
from sekisho.api.services import Services
from sekisho.core.model.errors import Kind, Refusal
from sekisho.rest import paging
from sekisho.rest.errors import ApiError, invalid
from sekisho.rest.permissions import Caller
from sekisho.rest.routing import Public, ReadSystem, WriteSystem, guarded_router, provided
from sekisho.storage.errors import StorageError

router = guarded_router("system")

All = Annotated[Services, provided(Services)]
Caretaker = Annotated[Maintenance, provided(Maintenance)]


@router.get("/health")
async def health(_: Public) -> schemas.Health:
    """Whether the node answers; nothing is touched for it."""
    return schemas.Health(status="ok")


@router.get("/api/openapi.json", include_in_schema=False)
async def openapi(_: Public, request: Request) -> dict[str, Any]:
    """What this API offers; it holds no secret."""
    document: dict[str, Any] = request.app.openapi()
    return document


@router.get("/api/status")
async def status(_: ReadSystem, services: All) -> dict[str, Any]:
    """Processes, ports, revision, journal, engines, and what is wrong with the database, if anything is; answers without it, too."""
    told = await services.system.status()
    try:
        async with services.sessions.read() as session:
            return {**told, "revision": await session.revision()}
    except StorageError as error:
        return {**told, "outage": told.get("outage") or {"reason": str(error), "since": None, "sealed_copy": None}}


@router.get("/api/settings")
async def settings(_: ReadSystem, services: All) -> schemas.SettingsTold:
    """Every setting in force, and where it comes from."""
    return schemas.SettingsTold(settings=[schemas.SettingTold.model_validate(each) for each in services.system.settings()])


@router.post("/api/system/reload", status_code=202)
async def reload(caller: WriteSystem, services: All) -> schemas.Accepted:
    """Read the settings again. Bad ones are refused, and everything goes on as it was."""
    await order(services.sessions, caller, "system.reload", "system", "settings", urgent=True)
    if (reason := await services.system.reload()) is not None:
        await order(services.sessions, caller, "system.reload_refused", "system", "settings", {"reason": reason}, urgent=True)
        raise invalid(reason, None, "invalid_settings")
    return schemas.Accepted(accepted=True)


@router.post("/api/system/stop", status_code=202)
async def stop(caller: WriteSystem, services: All) -> schemas.Accepted:
    """End the product once what runs is finished."""
    await order(services.sessions, caller, "system.stop", "system", "product", urgent=True)
    await services.system.stop()
    return schemas.Accepted(accepted=True)


@router.get("/api/proxy")
async def proxy(_: ReadSystem, services: All) -> schemas.ProxyTold:
    """What listens, and how it is served."""
    return schemas.ProxyTold.model_validate(await services.system.proxy())


@router.post("/api/proxy/listeners", status_code=201)
async def start_listener(caller: WriteSystem, services: All, body: schemas.StartListener) -> schemas.ListenerChanged:
    """Take calls on one more port, on every worker, until it is stopped or the product is."""
    name = body.name or f"port-{body.port}"
    await order(services.sessions, caller, "listener.open", "listener", name, {"host": body.host, "port": body.port, "mode": body.mode})
    outcome = await services.system.open_listener(name, body.host, body.port, body.mode)
    return await _changed(outcome, services, caller, "listener.open_refused", name)


@router.delete("/api/proxy/listeners/{name}")
async def stop_listener(caller: WriteSystem, services: All, name: str) -> schemas.ListenerChanged:
    """Free the port of a listener that was started here. Calls that came through it finish within the drain time."""
    await order(services.sessions, caller, "listener.close", "listener", name)
    return await _changed(await services.system.close_listener(name), services, caller, "listener.close_refused", name)


async def _changed(
    outcome: dict[str, object] | Refusal, services: Services, caller: Caller, refused: str, name: str
) -> schemas.ListenerChanged:
    if isinstance(outcome, Refusal):
        await order(services.sessions, caller, refused, "listener", name, {"code": outcome.code})
        raise ApiError(outcome)
    return schemas.ListenerChanged.model_validate(outcome)


@router.post("/api/proxy/reload", status_code=202)
async def reload_proxy(caller: WriteSystem, services: All) -> schemas.Accepted:
    """Show the certificate that lies on disk now. A bad one is refused, and the one in force goes on; open connections do, too."""
    await order(services.sessions, caller, "proxy.reload", "system", "certificates", urgent=True)
    if (reason := await services.system.reload_certificates()) is not None:
        await order(services.sessions, caller, "proxy.reload_refused", "system", "certificates", {"reason": reason}, urgent=True)
        raise invalid(reason, None, "invalid_certificate")
    return schemas.Accepted(accepted=True)


@router.post("/api/backups", status_code=201)
async def create_backup(
    caller: WriteSystem, services: All, caretaker: Caretaker, body: schemas.CreateBackup | None = None
) -> schemas.BackupTold:
    """Write a sealed backup while everything goes on."""
    path = None if body is None else body.path
    if path is not None and caller.user_id is not None:
        # Who comes over the network does not choose where on the host a file appears, nor learns which ones are there.
        message = "only on the host itself is a place chosen: `sekisho backup create --path`; leave path out, and it goes into the home"
        raise ApiError(Refusal(403, Kind.PERMISSION, "local_only", message, "path"))
    target = caretaker.target(path)
    await order(services.sessions, caller, "backup.create", "backup", str(target), urgent=True)
    return schemas.BackupTold.of(await caretaker.back_up(target))


@router.get("/api/backups")
async def list_backups(_: ReadSystem, caretaker: Caretaker, limit: paging.Limit = paging.USUAL) -> schemas.BackupList:
    """The backups in the home, newest first."""
    found = await caretaker.list_backups()
    return schemas.BackupList(backups=[schemas.BackupTold.of(each) for each in found[:limit]])


@router.get("/api/backups/progress")
async def backup_progress(_: ReadSystem, caretaker: Caretaker) -> schemas.BackupProgress:
    """How far the backup is that is being made."""
    done, total = caretaker.progress or (None, None)
    return schemas.BackupProgress(rows=done, of=total)


@router.get("/api/check")
async def check(_: ReadSystem, services: All) -> schemas.ChecksTold:
    """Whether the database, the journals and the backups are what they should be; reads all of them."""
    told = await services.system.status()
    return schemas.ChecksTold.of(await services.maintenance.check(float(str(told.get("journal_lag_s") or 0.0))))


@router.get("/api/doctor")
async def doctor(_: ReadSystem, services: All) -> schemas.FindingsTold:
    """What somebody should look at."""
    try:
        async with services.sessions.read() as session:
            unbounded = await services.keys.unbounded(session)
            providers = await services.catalog.providers(session, paging.MOST, "")
            fault = await services.audit.glance(session)
    except StorageError as error:
        return schemas.FindingsTold.of(await services.maintenance.examine([], [], str(error)))
    return schemas.FindingsTold.of(await services.maintenance.examine(unbounded, providers, fault=fault))
