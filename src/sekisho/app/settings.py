"""Settings: `sekisho.toml` in the home, overridden by `SEKISHO_<SECTION>__<NAME>`, overridden by flags.

Each section is a struct of the module that uses it. Every value is decoded on its own, so that a bad one can be told by the place
where a person wrote it; an unknown name is refused with a suggestion, because a setting that is silently ignored is a hole.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_origin

import msgspec

from sekisho.app import homes
from sekisho.audit.settings import Audit
from sekisho.certs.settings import FILES, LOCAL_HTTP, Certs, is_name
from sekisho.dataplane.settings import Bounds, Trust
from sekisho.dataplane.settings import Journal as WorkerJournal
from sekisho.engines.settings import Engines
from sekisho.identity.sessions.settings import People
from sekisho.kit import net
from sekisho.telemetry.logs import LEVELS, Logs
from sekisho.telemetry.tallies import Metrics

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
"""0 lets the system choose a free one."""

DEFAULT: Final = "default"
FILE: Final = "sekisho.toml"


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where clients call."""

    host: str = "127.0.0.1"
    port: Port = 4000
    https_port: Port | None = None
    """Where clients call by TLS, if it is on; None: `port` + 1, or 4443 when that is the console's. The same as `port`: both on one."""


class Console(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where people look: the management API and the console."""

    host: str = "127.0.0.1"
    port: Port = 4001
    insecure: bool = False
    """Whether plain HTTP may leave this host. Passwords and sessions would cross the network for all to read."""
    hosts: tuple[str, ...] = ()
    """Names under which people reach the console in plain HTTP besides `localhost` and addresses: behind a proxy, say, or by a name of
    this host. Another name is refused, because a stranger's name can be made to point here."""


class Workers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The processes of the data plane."""

    count: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    """One is enough for tens of thousands of requests per second; more only where more cores are free."""


class Journal(WorkerJournal, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both ends of the journal: how workers write it (the fields inherited), and how the node keeps it safe."""

    segment_bytes: Annotated[int, msgspec.Meta(ge=1024 * 1024, le=1024 * 1024 * 1024)] = 64 * 1024 * 1024
    on_full: Literal["refuse", "drop"] = "refuse"
    sync: Literal["interval", "never"] = "interval"
    """When the node forces the journals to disk. `interval` loses at most `sync_interval_ms` to a power cut; `never` leaves it to the
    system (about 30 s). A process killed at any instant loses nothing in either."""
    sync_interval_ms: Annotated[int, msgspec.Meta(ge=10, le=60_000)] = 100
    """Milliseconds between two syncs of a journal that grew."""


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the truth is."""

    url: str | None = None
    """`sqlite:///<path>` or `postgresql://<user>:<password>@<host>:<port>/<database>`; None means `sekisho.db` in the home. Also
    `SEKISHO_DATABASE_URL`."""
    readers: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    """Connections that read; beside them one writes and, on PostgreSQL, one listens. Bounds what a node takes of the server's
    `max_connections`."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that can be set."""

    gateway: Gateway = Gateway()
    console: Console = Console()
    workers: Workers = Workers()
    bounds: Bounds = Bounds()
    trust: Trust = Trust()
    journal: Journal = Journal()
    database: Database = Database()
    engines: Engines = Engines()
    people: People = People()
    tls: Certs = Certs()
    audit: Audit = Audit()
    logs: Logs = Logs()
    metrics: Metrics = Metrics()


SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_TYPES: Final[dict[str, Any]] = {
    f"{section}.{field.name}": field.type for section, struct in SECTIONS.items() for field in msgspec.structs.fields(struct)
}
FLAGS: Final = {
    "gateway.host": "--host",
    "gateway.port": "--port",
    "gateway.https_port": "--https-port",
    "console.host": "--console-host",
    "console.port": "--console-port",
    "console.insecure": "--insecure",
    "workers.count": "--workers",
    "tls.mode": "--tls",
    "tls.certificate": "--tls-certificate",
    "tls.key": "--tls-key",
}
"""Settings that have a flag of `serve`."""

_PREFIX: Final = "SEKISHO_"
_ALIASES: Final = {"SEKISHO_DATABASE_URL": "database.url"}
_OTHER_VARIABLES: Final = ("SEKISHO_HOME", "SEKISHO_SECRET_KEY", "SEKISHO_API_KEY", "SEKISHO_HOT_PATH")
"""Not settings: the home, its key ring, the key that `sekisho chat` calls with, and whether workers run compiled (`app.compiled`)."""
_NOT_OURS: Final = re.compile(r"SEKISHO_(TEST|BENCH)_\w+|SEKISHO_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_\w+)?)")
"""Variables of tests and benches, and those that Kubernetes sets in every container beside a service named `sekisho`."""


_URL_PASSWORD: Final = re.compile(r"^([a-z]+://[^/?#:]*:).*(@[^@]*)$", re.DOTALL)
"""Up to the last @: a password that was not escaped may hold any character."""
_QUERY_PASSWORD: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.IGNORECASE)


class SettingsError(Exception):
    """A setting is unknown or bad; the text is one line that says where it stands and what to write."""


class Loaded(msgspec.Struct, frozen=True):
    """The settings in force, whence each came, and the home they belong to."""

    home: homes.Home
    settings: Settings
    origins: dict[str, str]
    """Dotted name → where the value was written; names that are missing have their default."""
    secret_key: str | None = None
    """Text of `SEKISHO_SECRET_KEY`."""

    def __repr__(self) -> str:
        return f"Loaded(home={self.home!r})"

    def effective(self) -> list[dict[str, object]]:
        """Every setting: its dotted name, its value as plain JSON (a password in it hidden), and its source."""
        return [
            {"name": name, "value": shown(name, value), "source": self.origins.get(name, DEFAULT)}
            for name, value in _flatten(self.settings)
        ]

    def values(self) -> dict[str, object]:
        """Dotted name → value as plain JSON, a password in it hidden."""
        return {name: shown(name, value) for name, value in _flatten(self.settings)}

    @property
    def database_url(self) -> str:
        return self.settings.database.url or f"sqlite:///{self.home.database}"

    @property
    def database_kind(self) -> str:
        """sqlite or postgresql."""
        return "sqlite" if self.database_url.startswith("sqlite:") else "postgresql"


def find_home(flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> homes.Home:
    """The home that flags, `SEKISHO_HOME` or the platform name; reads no file."""
    environ = os.environ if environ is None else environ
    named = (flags or {}).get("home") or environ.get("SEKISHO_HOME")
    return homes.Home(Path(named) if named else homes.default_path(environ))


def load(flags: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Read all places and join them; raises SettingsError."""
    environ = os.environ if environ is None else environ
    flags = flags or {}
    home = find_home(flags, environ)
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for name, value, origin in (*_of_file(home.config), *_of_environment(environ), *_of_flags(flags)):
        values[name] = value
        origins[name] = origin
    return Loaded(home=home, settings=_assemble(values, origins), origins=origins, secret_key=environ.get("SEKISHO_SECRET_KEY") or None)


def check_toml(text: str, where: str = FILE) -> None:
    """Decode the text of a settings file as strictly as a start does; raises SettingsError that names `where`."""
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for name, value, origin in _of_toml(text, where):
        values[name], origins[name] = value, origin
    _assemble(values, origins)


def shown(name: str, value: object) -> object:
    """A value as people may see it: a URL without its password."""
    if name != "database.url" or not isinstance(value, str):
        return value
    return _QUERY_PASSWORD.sub(r"\1***", _URL_PASSWORD.sub(r"\1***\2", value))


def names() -> tuple[str, ...]:
    """The dotted names of all settings."""
    return tuple(_TYPES)


def suggestion(name: str, known: tuple[str, ...] | list[str]) -> str:
    """A question that offers the nearest known name; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def nearest(name: str) -> str:
    """The same for the dotted name of a setting. Within a section only what follows the dot tells names apart."""
    section, _, member = name.partition(".")
    if section not in SECTIONS:
        return suggestion(name, names())
    near = difflib.get_close_matches(member, SECTIONS[section].__struct_fields__, n=1, cutoff=0.6)
    return f"; did you mean {section}.{near[0]}?" if near else ""


def _nearest_variable(variable: str, known: Mapping[str, str]) -> str:
    """The same for a variable: what all of them begin with tells nothing, nor does the section where it is right."""
    rest = variable.removeprefix(_PREFIX)
    for section, struct in SECTIONS.items():
        if rest.startswith(start := f"{section.upper()}_"):
            member = rest.removeprefix(start).removeprefix("_").lower()
            near = difflib.get_close_matches(member, struct.__struct_fields__, n=1, cutoff=0.6)
            return f"; did you mean {variable_of(f'{section}.{near[0]}')}?" if near else ""
    near = difflib.get_close_matches(rest, [each.removeprefix(_PREFIX) for each in (*known, *_OTHER_VARIABLES)], n=1, cutoff=0.6)
    return f"; did you mean {_PREFIX}{near[0]}?" if near else ""


def _of_file(path: Path) -> Iterator[tuple[str, object, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error})") from error
    yield from _of_toml(text, str(path))


def _of_toml(text: str, where: str) -> Iterator[tuple[str, object, str]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where}: this is not TOML: {error}") from error
    for section, members in document.items():
        if section not in SECTIONS:
            raise SettingsError(f"{where}: there is no section [{section}]{suggestion(section, list(SECTIONS))}")
        if not isinstance(members, dict):
            raise SettingsError(f"{where}: {section} is a section; write [{section}] above its settings")
        for name, value in members.items():
            dotted = f"{section}.{name}"
            if dotted not in _TYPES:
                raise SettingsError(f"{where}: there is no setting {dotted}{nearest(dotted)}")
            yield dotted, _decode(dotted, value, where=f"{where}: {dotted}", strict=True), FILE


def _of_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    known = {variable_of(name): name for name in _TYPES} | _ALIASES
    for variable, text in sorted(environ.items()):
        if not variable.startswith(_PREFIX) or variable in _OTHER_VARIABLES or _NOT_OURS.fullmatch(variable):
            continue
        if variable not in known:
            raise SettingsError(f"environment: there is no setting {variable}{_nearest_variable(variable, known)}")
        name = known[variable]
        yield name, _decode(name, _parsed(name, text, variable), where=variable, strict=False), variable


def _of_flags(flags: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    for name, text in flags.items():
        if name == "home":
            continue
        if name not in _TYPES:
            raise SettingsError(f"there is no setting {name}{nearest(name)}")
        flag = FLAGS.get(name, name)
        yield name, _decode(name, _parsed(name, text, flag), where=flag, strict=False), flag


def variable_of(name: str) -> str:
    """The environment variable of a dotted name."""
    return _PREFIX + name.replace(".", "__").upper()


def _parsed(name: str, text: str, where: str) -> object:
    """What a text in the environment stands for: lists are written with commas, tables as `a=b` with commas; the rest is itself."""
    shape = get_origin(_TYPES[name])
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if shape is tuple:
        return parts
    if shape is dict:
        if not all("=" in part for part in parts):
            raise SettingsError(f"{where}: write name=value, with commas between several")
        return {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in parts)}
    return text


def _decode(name: str, value: object, *, where: str, strict: bool) -> object:
    try:
        decoded = msgspec.convert(value, _TYPES[name], strict=strict)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {_in_words(str(error), _TYPES[name])}; this is {_cut(value)}") from error
    if fault := _fault(name, decoded):
        raise SettingsError(f"{where}: {fault}; this is {_cut(shown(name, value))}")
    return decoded


def _in_words(reason: str, expected: Any) -> str:
    if get_origin(expected) is Literal:
        return f"write one of {', '.join(expected.__args__)}"
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "array": "a list", "object": "a table"}
    reason = re.sub(r"`([^`]+)`", lambda match: " or ".join(words.get(part.strip(), part.strip()) for part in match[1].split("|")), reason)
    return reason.replace("Expected", "expected").replace(" - at ", ", at ")


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fault(name: str, value: object) -> str | None:
    """What the type alone cannot say."""
    if name.startswith("bounds.") and isinstance(value, int | float) and not 0 < value < 2**63:
        return "expected a number above 0"
    if name == "trust.proxies" and isinstance(value, tuple):
        return next((f"{each!r} is no network; write one such as 10.0.0.0/8" for each in value if not _is_network(each)), None)
    if name == "logs.level" or (name == "logs.loggers" and isinstance(value, dict)):
        return _level_fault(value)
    if name.endswith(".host") and not value:
        return "expected an address, such as 127.0.0.1, or 0.0.0.0 for all"
    if name in ("tls.certificate", "tls.key") and isinstance(value, str) and not value.startswith("/"):
        return "expected the absolute path of a PEM file"
    if name == "tls.names" and isinstance(value, tuple):
        return next((f"{each!r} is neither a host name nor an address" for each in value if not is_name(each)), None)
    if name == "database.url" and isinstance(value, str) and not value.startswith(("sqlite:///", "postgresql://", "postgres://")):
        return "expected sqlite:///<path of a file> or postgresql://<user>@<host>/<database>"
    return None


def _level_fault(value: object) -> str | None:
    words = value.values() if isinstance(value, dict) else (value,)
    return None if all(word in LEVELS for word in words) else f"write one of {', '.join(LEVELS)}"


def _is_network(text: str) -> bool:
    try:
        return bool(net.AddressSet((text,)))
    except ValueError:
        return False


def _assemble(values: Mapping[str, object], origins: Mapping[str, str]) -> Settings:
    """Build the whole from decoded values; raises SettingsError where they do not go together."""
    sections: dict[str, Any] = {section: struct(**_members(section, values)) for section, struct in SECTIONS.items()}
    settings = Settings(**sections)
    _check_together(settings, origins)
    return settings


def _check_together(settings: Settings, origins: Mapping[str, str]) -> None:
    gateway, console = settings.gateway, settings.console
    if gateway.port == console.port != 0 and gateway.host == console.host:
        raise SettingsError(
            f"gateway.port and console.port are both {gateway.port}; give one of them another with --port or --console-port"
        )
    local = console.host == "localhost" or net.is_loopback(console.host)
    if not local and settings.tls.mode == LOCAL_HTTP and not console.insecure and not settings.trust.proxies:
        where = origins.get("console.host", DEFAULT)
        raise SettingsError(
            f"{where}: console.host {console.host} would send passwords over the network in plain HTTP; "
            "turn TLS on with --tls, name the TLS proxy in front in trust.proxies, or accept it with --insecure"
        )
    _check_tls(settings, origins)


def _check_tls(settings: Settings, origins: Mapping[str, str]) -> None:
    tls, gateway, console = settings.tls, settings.gateway, settings.console
    for name in ("certificate", "key"):
        given = getattr(tls, name) is not None
        if given and tls.mode != FILES:
            where = origins.get(f"tls.{name}", DEFAULT)
            raise SettingsError(f"{where}: tls.{name} is used with tls.mode {FILES} only, and the mode is {tls.mode}; set --tls {FILES}")
        if not given and tls.mode == FILES:
            raise SettingsError(
                f"{origins.get('tls.mode', DEFAULT)}: tls.mode {FILES} needs tls.certificate and tls.key; tls.{name} is missing"
            )
    if gateway.https_port is not None and gateway.https_port == console.port != 0 and gateway.host == console.host:
        raise SettingsError(
            f"gateway.https_port and console.port are both {console.port}; give one of them another with --https-port or --console-port"
        )


def _members(section: str, values: Mapping[str, object]) -> dict[str, object]:
    start = f"{section}."
    return {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}


def _flatten(settings: Settings) -> Iterator[tuple[str, object]]:
    for section in SECTIONS:
        for name, value in msgspec.to_builtins(getattr(settings, section)).items():
            yield f"{section}.{name}", value
