"""The routes that belong to no slice: health, status, settings, maintenance."""

from typing import Annotated, Any

from fastapi import Request

from sekisho.api import schemas
from sekisho.api.maintenance import Maintenance
from sekisho.api.services import Services
from sekisho.rest import paging
from sekisho.rest.errors import invalid
from sekisho.rest.routing import Public, ReadSystem, WriteSystem, guarded_router, provided

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
    """Processes, ports, revision, journal and engines."""
    async with services.sessions.read() as session:
        revision = await session.revision()
    return {**await services.system.status(), "revision": revision}


@router.get("/api/settings")
async def settings(_: ReadSystem, services: All) -> schemas.SettingsTold:
    """Every setting in force, and where it comes from."""
    return schemas.SettingsTold(settings=[schemas.SettingTold.model_validate(each) for each in services.system.settings()])


@router.post("/api/system/reload", status_code=202)
async def reload(_: WriteSystem, services: All) -> schemas.Accepted:
    """Read the settings again. Bad ones are refused, and everything goes on as it was."""
    if (reason := await services.system.reload()) is not None:
        raise invalid(reason, None, "invalid_settings")
    return schemas.Accepted(accepted=True)


@router.post("/api/system/stop", status_code=202)
async def stop(_: WriteSystem, services: All) -> schemas.Accepted:
    """End the product once what runs is finished."""
    await services.system.stop()
    return schemas.Accepted(accepted=True)


@router.post("/api/backups", status_code=201)
async def create_backup(_: WriteSystem, caretaker: Caretaker, body: schemas.CreateBackup | None = None) -> schemas.BackupTold:
    """Write a sealed backup while everything goes on."""
    return schemas.BackupTold.of(await caretaker.back_up(None if body is None else body.path))


@router.get("/api/backups")
async def list_backups(_: ReadSystem, caretaker: Caretaker, limit: paging.Limit = paging.USUAL) -> schemas.BackupList:
    """The backups in the home, newest first."""
    found = await caretaker.list_backups()
    return schemas.BackupList(backups=[schemas.BackupTold.of(each) for each in found[:limit]])


@router.get("/api/check")
async def check(_: ReadSystem, caretaker: Caretaker) -> schemas.ChecksTold:
    """Whether the database is what it should be; reads all of it."""
    return schemas.ChecksTold.of(await caretaker.check())


@router.get("/api/doctor")
async def doctor(_: ReadSystem, services: All) -> schemas.FindingsTold:
    """What somebody should look at."""
    async with services.sessions.read() as session:
        unbounded = await services.keys.unbounded(session)
        providers = await services.catalog.providers(session, paging.MOST, "")
    return schemas.FindingsTold.of(await services.maintenance.examine(unbounded, providers))
