"""`/api/invitations` and reset links: parse, authorise, call, render. An invitation is accepted by `POST /api/auth/register`."""

from typing import Annotated

from fastapi import Response

from sekisho.identity.links import schemas
from sekisho.identity.links.service import Asked, LinkService
from sekisho.identity.people.passwords import Passwords, require_good
from sekisho.rest import paging, repeats
from sekisho.rest.permissions import Role
from sekisho.rest.routing import Public, ReadUsers, WriteUsers, guarded_router, provided
from sekisho.storage.session import Session, Sessions

router = guarded_router("people")

Links = Annotated[LinkService, provided(LinkService)]
Hashes = Annotated[Passwords, provided(Passwords)]
Repeats = Annotated[repeats.Repeats, provided(repeats.Repeats)]
Transactions = Annotated[Sessions, provided(Sessions)]


@router.post("/api/invitations", status_code=201, response_model=schemas.InvitationCreated)
async def create_invitation(
    caller: WriteUsers, body: schemas.CreateInvitation, links: Links, sessions: Transactions, remembered: Repeats, repeat: repeats.Repeated
) -> Response:
    """Invite somebody. The link is in this answer and nowhere else; send it to them."""
    asked = Asked(body.email, Role(body.role), body.project, body.project_role, body.expires_in_s)

    async def make(session: Session) -> tuple[str, schemas.InvitationCreated]:
        invitation, link = await links.invite(session, caller, asked)
        return f"the invitation {invitation.id}", schemas.InvitationCreated.issued(invitation, link)

    done = await sessions.transact(
        lambda session: remembered.once(session, repeat, lambda: make(session), repeats.SECRETS_REMEMBERED), by=caller
    )
    return repeats.created(done.value)


@router.get("/api/invitations")
async def list_invitations(
    _: ReadUsers, links: Links, sessions: Transactions, limit: paging.Limit = paging.USUAL, cursor: paging.Cursor = None
) -> schemas.InvitationPage:
    """Everybody who was invited, newest first."""
    after = None if cursor is None else paging.decode(cursor, (int, str))
    async with sessions.read() as session:
        found = await links.invitations(session, limit + 1, None if after is None else (int(after[0]), str(after[1])))
    shown = found[:limit]
    following = paging.encode(shown[-1].created_at, shown[-1].id) if len(found) > limit else None
    return schemas.InvitationPage(invitations=[schemas.InvitationTold.of(each) for each in shown], next_cursor=following)


@router.delete("/api/invitations/{invitation_id}")
async def withdraw_invitation(caller: WriteUsers, invitation_id: str, links: Links, sessions: Transactions) -> schemas.InvitationTold:
    """End an invitation that was not accepted; its link opens nothing any more."""

    done = await sessions.transact(lambda session: links.withdraw(session, caller, invitation_id), by=caller)
    return schemas.InvitationTold.of(done.value)


@router.post("/api/invitations/open")
async def open_invitation(_: Public, body: schemas.OpenLink, links: Links, sessions: Transactions) -> schemas.InvitationOpened:
    """What an invitation is for, for who holds it; it is not used by this."""
    async with sessions.read() as session:
        found = await links.invitation(session, body.token)
    return schemas.InvitationOpened(email=found.email, role=found.role, project=found.project, expires_at=found.expires_at)


@router.post("/api/users/{user_id}/reset-link", status_code=201)
async def create_reset_link(
    caller: WriteUsers, user_id: str, links: Links, sessions: Transactions, body: schemas.CreateReset | None = None
) -> schemas.ResetCreated:
    """A link by which somebody sets a new password, once; it is in this answer and nowhere else."""
    seconds = (body or schemas.CreateReset()).expires_in_s
    done = await sessions.transact(lambda session: links.issue_reset(session, caller, user_id, seconds), by=caller)
    return schemas.ResetCreated(path=done.value.path.reveal(), expires_at=done.value.expires_at)


@router.post("/api/auth/reset")
async def use_reset_link(caller: Public, body: schemas.UseReset, links: Links, hashes: Hashes, sessions: Transactions) -> schemas.ResetDone:
    """Set the password that a reset link allows. All sessions of the person end; log in with the new one."""
    async with sessions.read() as session:
        # Before the costly part: a stranger's guess costs one look-up.
        _, user = await links.reset_of(session, body.token)
    require_good(body.password, user.email, user.name)
    hashed = await hashes.hash(body.password)
    await sessions.transact(lambda session: links.reset(session, body.token, hashed), by=caller)
    return schemas.ResetDone(email=user.email)
