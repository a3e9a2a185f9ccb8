"""`/api/configuration`: parse, authorise, call, render."""

from typing import Annotated

from sekisho.api.configurations import schemas
from sekisho.api.configurations.service import Configurations
from sekisho.rest.routing import ReadSystem, WriteSystem, guarded_router, provided
from sekisho.storage.session import Sessions

router = guarded_router("configuration")

Everything = Annotated[Configurations, provided(Configurations)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.get("/api/configuration", response_model_exclude_unset=True)
async def show_configuration(caller: ReadSystem, configurations: Everything, sessions: Transactions) -> schemas.Configuration:
    """Everything that is set up, but for secrets: of those it names a reference to fill."""
    async with sessions.read() as session:
        return await configurations.document(session, caller)


@router.post("/api/configuration/plan")
async def plan_configuration(
    caller: WriteSystem, body: schemas.PlanConfiguration, configurations: Everything, sessions: Transactions
) -> schemas.Planned:
    """What applying the document would do; refused where that would be refused. Nothing is changed."""
    return schemas.Planned.of(await configurations.plan(sessions, caller, body))


@router.post("/api/configuration/apply")
async def apply_configuration(
    caller: WriteSystem, body: schemas.ApplyConfiguration, configurations: Everything, sessions: Transactions
) -> schemas.Applied:
    """Bring what is set up to what is written, in one transaction: all of it, or nothing."""
    done = await configurations.apply(sessions, caller, body, body.plan)
    return schemas.applied(done.value, done.revision, done.warnings)
