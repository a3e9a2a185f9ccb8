"""Puts together what lets people in: the same for the running product, for a command and for tests."""

from sekisho.api.services import People
from sekisho.app.settings import Settings
from sekisho.egress.client import Egress
from sekisho.identity.departures.service import DepartureService
from sekisho.identity.factors.service import FactorService
from sekisho.identity.issuers.service import IssuerService
from sekisho.identity.links.service import LinkService
from sekisho.identity.logins.service import LoginService
from sekisho.identity.people.passwords import Passwords
from sekisho.identity.people.service import UserService
from sekisho.identity.projects.service import ProjectService
from sekisho.identity.sessions.identification import Identification
from sekisho.identity.sessions.passes import Passes
from sekisho.identity.sessions.service import SessionService
from sekisho.identity.tokens.service import TokenService
from sekisho.kit.clock import Clock
from sekisho.kit.crypto import KeyRing
from sekisho.rest.origins import Addressing
from sekisho.storage.database import Database
from sekisho.storage.session import Sessions


def put_together(
    clock: Clock,
    ring: KeyRing,
    database: Database,
    transactions: Sessions,
    settings: Settings,
) -> People:
    """Everything."""
    console, people = settings.console, settings.people
    names = (*console.hosts, console.host, *settings.tls.names)
    addressing = Addressing(frozenset(name.lower() for name in names), console.insecure)
    sessions = SessionService(clock, Passes(ring), database, people)
    users = UserService(clock, sessions)
    passwords = Passwords()
    projects = ProjectService(clock, sessions)
    tokens = TokenService(clock, database, sessions)
    factors = FactorService(clock, ring)
    links = LinkService(clock, users, projects)
    logins = LoginService(clock, transactions, users, sessions, passwords, people, factors, links)
    return People(
        users=users,
        sessions=sessions,
        passwords=passwords,
        logins=logins,
        addressing=addressing,
        identification=Identification(transactions, sessions, addressing, projects, tokens),
        projects=projects,
        tokens=tokens,
        factors=factors,
        links=links,
        issuers=IssuerService(clock, ring, Egress(), transactions, users, logins),
        departures=DepartureService(transactions, users, sessions),
    )
