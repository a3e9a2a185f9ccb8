"""A route that demands nothing does not come into being."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from sekisho.rest.permissions import RIGHTS, Caller, Permission, Requires, Role
from sekisho.rest.routing import OpenRouteError, Public, ReadKeys, WriteKeys, guarded_router, permission_of


async def open_to_all() -> None:
    """Forgot to say who may."""


async def guarded_twice(_: ReadKeys, __: WriteKeys) -> None:
    """Says two things."""


async def guarded(_: ReadKeys) -> None:
    """Says one."""


async def guarded_within(_: Annotated[None, Depends(guarded)]) -> None:
    """Says it through a dependency."""


async def public(_: Public) -> None:
    """Is open on purpose."""


@pytest.mark.parametrize("function", [open_to_all, guarded_twice])
def test_none_and_two_permissions_are_refused(function: object) -> None:
    with pytest.raises(OpenRouteError, match=r"GET.*/x declares [02] permissions"):
        guarded_router("t").get("/x")(function)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("function", "permission"), [(guarded, Permission.KEYS_READ), (guarded_within, Permission.KEYS_READ), (public, Permission.PUBLIC)]
)
def test_the_permission_is_read_from_the_signature(function: object, permission: Permission) -> None:
    router = guarded_router("t")
    router.get("/x")(function)  # type: ignore[type-var]
    assert permission_of(router.routes[0]).permission is permission  # type: ignore[arg-type]


def test_a_plain_router_does_not_guard() -> None:
    router = APIRouter()
    router.get("/x")(open_to_all)
    with pytest.raises(OpenRouteError):
        permission_of(router.routes[0])  # type: ignore[arg-type]


def test_the_policy_is_everything_for_the_owner_and_the_public_for_a_stranger() -> None:
    assert RIGHTS[Role.OWNER] == set(Permission)
    assert RIGHTS[Role.ANONYMOUS] == {Permission.PUBLIC}
    assert set(RIGHTS) == set(Role)


def test_a_caller_is_a_value() -> None:
    assert Caller(Role.OWNER) == Caller(Role.OWNER)
    assert Requires(Permission.PUBLIC).permission is Permission.PUBLIC
