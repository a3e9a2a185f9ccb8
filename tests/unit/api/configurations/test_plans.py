"""What is written and what is there give the plan; what is written of what is there gives none."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekisho.api.configurations import plans
from sekisho.api.configurations.model import Change, Current, FieldChange, Plan, PlanError
from sekisho.api.configurations.schemas import Configuration
from sekisho.catalog.apis.model import Api
from sekisho.catalog.model import CredentialFacts, ModelFacts, ProviderFacts, RateFacts
from sekisho.catalog.settings import CAPABILITIES, KINDS
from sekisho.cli import documents
from sekisho.core.model.snapshot import Rate
from sekisho.identity.issuers.model import Issuer
from sekisho.identity.projects.model import Member, Project
from sekisho.kit.crypto import fingerprint
from sekisho.rest.permissions import Role

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
HELD = fingerprint("the one that is stored")

UP = ProviderFacts(
    "p1", "up", "custom", "http://127.0.0.1:1/v1", True, "ready", None, None, (CredentialFacts("c1", "", HELD, 100, "active", 1),), (), 1, 1
)
RATE = Rate(input=1500, output=25000)
LISTED = ModelFacts("up/listed", "up", "listed", CAPABILITIES, None, "listed", 1, None)
MINE = ModelFacts("up/mine", "up", "theirs", ("chat",), 8192, "added", 1, RateFacts(RATE, "user", 1))
SSO = Issuer(
    "i1",
    "sso",
    "SSO",
    "https://sso.example.com",
    "us",
    True,
    "https://gateway.example.com",
    "RS256",
    ("openid", "email"),
    "groups",
    {"staff": Role.ADMIN},
    Role.USER,
    False,
    None,
    True,
    1,
    1,
)
SHOP = Project("r1", "shop", "The shop", "", None, 1, 1, None)
HOUSE = Current(
    {"up": UP},
    {"up/listed": LISTED, "up/mine": MINE},
    {"default": replace(SHOP, id="r0", name="default", title=""), "shop": SHOP},
    {"shop": {"anna@example.com": Member("u1", "anna@example.com", "Anna", "maintainer", 1)}},
    {"sso": SSO},
    {"sso": HELD},
)


def planned(current: Current = HOUSE, *, prune: bool = False, secrets: dict[str, str] | None = None, **sections: Any) -> Plan:
    wanted = Configuration.model_validate({"version": 1, **sections})
    return plans.plan(current, wanted, {name: fingerprint(each) for name, each in (secrets or {}).items()}, prune=prune)


def refusal(**given: Any) -> PlanError:
    with pytest.raises(PlanError) as caught:
        planned(**given)
    return caught.value


NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name not in ("sandbox", "builtin"))
LINES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
MODEL_NAMES = LINES.filter(lambda name: name.isprintable() and name != "*")
PRICES = st.integers(0, 10**8)
SECONDS = st.floats(0.001, 86400)


@st.composite
def houses(draw: st.DrawFn) -> Current:
    """Anything that can be set up."""
    providers = {}
    for name in draw(st.sets(NAMES, max_size=3)):
        credential = CredentialFacts("c", "", draw(st.text("0123456789abcdef", min_size=8, max_size=8)), 100, "active", 1)
        timeouts = draw(st.none() | st.dictionaries(st.sampled_from(["connect", "first_byte", "idle", "total"]), SECONDS))
        providers[name] = replace(
            UP,
            name=name,
            kind=draw(st.sampled_from(KINDS)),
            enabled=draw(st.booleans()),
            ca_bundle=draw(st.none() | st.just(PEM)),
            timeouts=timeouts,
            credentials=(credential,) if draw(st.booleans()) else (),
        )
    models = {}
    for provider in providers:
        for name in draw(st.sets(MODEL_NAMES, max_size=3)):
            rate = draw(st.none() | st.builds(Rate, PRICES, PRICES, st.none() | PRICES, st.sampled_from(["USD", "JPY"])))
            capabilities = tuple(draw(st.permutations(CAPABILITIES)))[: draw(st.integers(1, len(CAPABILITIES)))]
            models[f"{provider}/{name}"] = ModelFacts(
                f"{provider}/{name}",
                provider,
                draw(MODEL_NAMES),
                capabilities,
                draw(st.none() | st.integers(1, 10**9)),
                draw(st.sampled_from(["listed", "added"])),
                1,
                None if rate is None else RateFacts(rate, "user", 1),
            )
    apis = {
        name: Api(
            name,
            draw(st.just("") | LINES),
            draw(st.just("") | LINES),
            draw(st.sampled_from(["sandbox/echo", "gone/m", *models])),
            draw(st.booleans()),
            draw(st.fixed_dictionaries({}, optional={"temperature": st.floats(0, 2), "stop": st.lists(LINES, min_size=1, max_size=4)})),
            1,
            1,
        )
        for name in draw(st.sets(NAMES, max_size=3))
    }
    projects, members = {}, {}
    for name in draw(st.sets(NAMES, max_size=3)) | {"default"}:
        archived = draw(st.none() | st.just(1))
        description = draw(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20))
        projects[name] = replace(SHOP, name=name, title=draw(st.just("") | LINES), description=description, archived_at=archived)
        emails = draw(st.sets(st.from_regex(r"[a-z]{1,5}@[a-z]{1,5}\.org", fullmatch=True), max_size=3))
        members[name] = {each: Member(each, each, "", draw(st.sampled_from(["maintainer", "editor", "viewer"])), 1) for each in emails}
    issuers = {
        name: replace(
            SSO,
            name=name,
            title=draw(LINES),
            has_secret=draw(st.booleans()),
            scopes=tuple(draw(st.sets(st.sampled_from(["openid", "email", "profile"])))),
            group_roles=draw(st.dictionaries(LINES, st.sampled_from([Role.ADMIN, Role.USER, Role.GUEST]), max_size=2)),
            default_role=draw(st.sampled_from([None, Role.USER, Role.GUEST])),
            link_by_email=draw(st.booleans()),
            ca_bundle=draw(st.none() | st.just(PEM)),
            enabled=draw(st.booleans()),
        )
        for name in draw(st.sets(st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True), max_size=2))
    }
    held = {name: HELD for name, each in issuers.items() if each.has_secret}
    return Current(providers, models, projects, members, issuers, held, apis)


def secrets_of(house: Current) -> int:
    return sum(1 for each in house.providers.values() if each.credentials) + sum(1 for each in house.issuers.values() if each.has_secret)


@given(houses(), st.booleans())
def test_what_was_exported_changes_nothing(house: Current, prune: bool) -> None:
    exported = plans.document(house).model_dump(mode="json", exclude_unset=True)
    read = documents.read(documents.write(exported).encode(), "export").content
    assert read == exported
    plan = plans.plan(house, Configuration.model_validate(read), {}, prune=prune)
    assert plan.changes == ()
    # Where a secret is stored, the reference leads nowhere yet; that is said, and nothing is lost.
    assert len(plan.notes) == secrets_of(house)


@given(houses())
def test_an_export_into_an_empty_house_adds_what_is_in_it(house: Current) -> None:
    exported = plans.document(house)
    references = {each.credential: "0" for each in (exported.providers or {}).values() if each.credential is not None}
    references |= {each.client_secret: "0" for each in (exported.issuers or {}).values() if each.client_secret is not None}
    assert len(references) == secrets_of(house), "each secret has a reference of its own"
    plan = plans.plan(Current(), exported, references, prune=False)
    assert {each.action for each in plan.changes} <= {"add"}
    told = [*(exported.providers or {}), *(exported.models or {}), *(exported.apis or {}), *(exported.projects or {})]
    assert sorted(each.name for each in plan.changes) == sorted([*told, *(exported.issuers or {})])
    assert {each.target for each in house.apis.values()} <= {"sandbox/echo", "gone/m", *(exported.models or {})}


def test_an_export_holds_no_secret_and_no_variable_of_ours() -> None:
    house = Current({name: replace(UP, name=name) for name in ("a-b", "a_b", "1st", "sekisho-eu", "openai")})
    exported = plans.document(house)
    assert [each.credential for each in (exported.providers or {}).values()] == [
        "env:PROVIDER_1ST_API_KEY",
        "env:A_B_API_KEY",
        "env:A_B_API_KEY_2",
        "env:OPENAI_API_KEY",
        "env:PROVIDER_SEKISHO_EU_API_KEY",
    ]
    assert HELD not in exported.model_dump_json()


def test_models_that_are_only_listed_are_the_providers_word() -> None:
    assert list(plans.document(HOUSE).models or {}) == ["up/mine"]


def test_a_field_that_is_left_out_stays_and_null_sets_it_back() -> None:
    assert planned(models={"up/mine": {}}).changes == ()
    assert planned(models={"up/mine": None}).changes == ()
    [change] = planned(models={"up/mine": {"upstream_model": None, "capabilities": None, "context_length": None}}).changes
    assert change == Change(
        "change",
        "models",
        "up/mine",
        (
            FieldChange("upstream_model", "theirs", "mine"),
            FieldChange("capabilities", ["chat"], None),
            FieldChange("context_length", 8192, None),
        ),
    )


def test_a_rate_is_told_before_and_after() -> None:
    [change] = planned(models={"up/mine": {"rate": {"input_price": 0.15, "output_price": "2.5", "cached_input_price": "0.1"}}}).changes
    [field] = change.fields
    assert field.before == {"input_price": "0.15", "output_price": "2.5", "currency": "USD"}
    assert field.after == {"input_price": "0.15", "output_price": "2.5", "cached_input_price": "0.1", "currency": "USD"}


def test_a_secret_is_compared_by_its_fingerprint() -> None:
    up = {"kind": "custom", "credential": "env:UP"}
    assert planned(providers={"up": up}, secrets={"env:UP": "the one that is stored"}).changes == ()
    [change] = planned(providers={"up": up}, secrets={"env:UP": "another"}).changes
    assert change.fields == (FieldChange("credential", HELD, fingerprint("another")),)
    unknown = planned(providers={"up": up})
    assert (unknown.changes, len(unknown.notes)) == ((), 1)
    [gone] = planned(providers={"up": {**up, "credential": None}}).changes
    assert gone.fields == (FieldChange("credential", HELD, None),)
    error = refusal(providers={"new": {"kind": "openai", "credential": "env:NEW"}})
    assert (error.path, error.code) == ("providers.new.credential", "credential_missing")


def test_nothing_is_removed_unless_it_is_said() -> None:
    assert planned(providers={}, models={}, projects={}).changes == ()
    assert planned(prune=True).changes == (), "a section that is not there is not touched"
    pruned = planned(prune=True, models={}, projects={"shop": {"members": {}}})
    # What the provider lists stays, and so does the project where keys without one go.
    assert [(each.action, each.path) for each in pruned.changes] == [("remove", "models.up/mine"), ("change", "projects.shop")]
    assert pruned.changes[1].fields == (FieldChange("members.anna@example.com", "maintainer", None),)
    whole = planned(prune=True, providers={}, models={}, projects={})
    assert [each.path for each in whole.changes] == ["providers.up", "projects.shop"], "a provider's models go with it"


def test_a_model_of_a_provider_that_goes_or_never_was_is_refused() -> None:
    assert refusal(models={"gone/x": {}}).code == "provider_not_found"
    assert refusal(prune=True, providers={}, models={"up/mine": {}}).path == "models.up/mine"
    assert planned(providers={"new": {"kind": "openai"}}, models={"new/x": {}}).changes[-1].path == "models.new/x"


def test_what_cannot_be_is_refused_with_its_path() -> None:
    assert refusal(providers={"up": {"kind": "openai"}}).path == "providers.up.kind"
    assert refusal(models={"sandbox/echo": {}}).code == "built_in"
    for name in ("noslash", "up/*", "/mine"):
        assert refusal(models={name: {}}).path == f"models.{name}"
    twice = {"members": {"Anna@example.com": "viewer", "anna@example.com": "editor"}}
    assert "twice" in str(refusal(projects={"shop": twice}))


def test_members_are_the_same_in_any_spelling() -> None:
    assert planned(projects={"shop": {"members": {"ANNA@example.com": "maintainer"}}}).changes == ()
    [change] = planned(projects={"shop": {"members": {"ANNA@example.com": "viewer", "b@example.com": "editor"}}}).changes
    assert {(each.field, each.before, each.after) for each in change.fields} == {
        ("members.anna@example.com", "maintainer", "viewer"),
        ("members.b@example.com", None, "editor"),
    }


def test_a_plans_name_tells_it_from_others() -> None:
    one, same, other = (planned(projects={"shop": {"title": title}}) for title in ("A", "A", "B"))
    assert one.name == same.name != other.name


def test_an_issuer_is_compared_field_by_field_and_keeps_its_secret() -> None:
    needed = {"title": "SSO", "issuer": "https://sso.example.com", "client_id": "us", "console_url": "https://gateway.example.com"}
    assert planned(issuers={"sso": needed}).changes == ()
    [change] = planned(issuers={"sso": {**needed, "group_roles": {"staff": "user"}, "default_role": None}}).changes
    assert change.fields == (FieldChange("group_roles", {"staff": "admin"}, {"staff": "user"}), FieldChange("default_role", "user", None))
    [change] = planned(issuers={"sso": {**needed, "client_secret": "env:S"}}, secrets={"env:S": "new"}).changes
    assert change.fields == (FieldChange("client_secret", HELD, fingerprint("new")),)
    assert refusal(issuers={"sso": {**needed, "client_secret": None}}).path == "issuers.sso.client_secret"
    assert [each.path for each in planned(issuers={}, prune=True).changes] == ["issuers.sso"]
