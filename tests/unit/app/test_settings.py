"""Where settings come from, which wins, and what a person reads who made a mistake."""

from pathlib import Path

import pytest

from sekisho.app import compiled, homes, settings
from sekisho.cli.invocations import API_KEY_VARIABLE

HOME = {"SEKISHO_HOME": "/nowhere/at/all"}


def load(tmp_path: Path, toml: str = "", environ: dict[str, str] | None = None, flags: dict[str, str] | None = None) -> settings.Loaded:
    (tmp_path / "sekisho.toml").write_text(toml)
    return settings.load(flags, {"SEKISHO_HOME": str(tmp_path), **(environ or {})})


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    toml = "[gateway]\nport = 5001\n[console]\nport = 5002\n[workers]\ncount = 3\n"
    environ = {"SEKISHO_CONSOLE__PORT": "5012", "SEKISHO_WORKERS__COUNT": "4"}
    loaded = load(tmp_path, toml, environ, {"workers.count": "5"})
    found = loaded.settings
    assert (found.gateway.host, found.gateway.port, found.console.port, found.workers.count) == ("127.0.0.1", 5001, 5012, 5)
    origins = {each["name"]: each["source"] for each in loaded.effective()}
    assert origins["gateway.host"] == "default"
    assert origins["gateway.port"] == "sekisho.toml"
    assert origins["console.port"] == "SEKISHO_CONSOLE__PORT"
    assert origins["workers.count"] == "--workers"


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("SEKISHO_CONSOLE__INSECURE", "true", "console.insecure", True),
        ("SEKISHO_BOUNDS__DRAIN_S", "2.5", "bounds.drain_s", 2.5),
        ("SEKISHO_TRUST__PROXIES", "10.0.0.0/8, ::1/128", "trust.proxies", ["10.0.0.0/8", "::1/128"]),
        ("SEKISHO_LOGS__LOGGERS", "sekisho.bridge=debug,uvicorn=info", "logs.loggers", {"sekisho.bridge": "debug", "uvicorn": "info"}),
        ("SEKISHO_JOURNAL__ON_FULL", "drop", "journal.on_full", "drop"),
        ("SEKISHO_DATABASE_URL", "sqlite:////tmp/x.db", "database.url", "sqlite:////tmp/x.db"),
        ("SEKISHO_DATABASE__URL", "sqlite:////tmp/x.db", "database.url", "sqlite:////tmp/x.db"),
    ],
)
def test_what_a_text_in_the_environment_stands_for(variable: str, text: str, name: str, value: object) -> None:
    loaded = settings.load({}, {**HOME, variable: text})
    shown = loaded.values()[name]
    assert (list(shown) if isinstance(shown, tuple) else shown) == value
    assert loaded.origins == {name: variable}


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[gatway]\nport = 1\n", "there is no section [gatway]; did you mean gateway?"),
        ("[gateway]\nprot = 1\n", "there is no setting gateway.prot; did you mean gateway.port?"),
        ("[gateway]\nxyzzy = 1\n", "there is no setting gateway.xyzzy\n"),
        ("[workers]\nnumber = 1\n", "there is no setting workers.number\n"),
        ("[gateway]\nport = '4000'\n", "gateway.port: expected a whole number, got a text; this is '4000'"),
        ("[gateway]\nport = true\n", "gateway.port: expected a whole number, got true or false; this is True"),
        ("[gateway]\nport = 65536\n", "gateway.port: expected a whole number <= 65535; this is 65536"),
        ("[gateway]\nhost = ''\n", "gateway.host: expected an address"),
        ("[workers]\ncount = 0\n", "workers.count: expected a whole number >= 1; this is 0"),
        ("[bounds]\ndrain_s = -1\n", "bounds.drain_s: expected a number above 0; this is -1"),
        ("[bounds]\ndrain_s = nan\n", "bounds.drain_s: expected a number above 0; this is nan"),
        ("[bounds]\nheader_bytes = 0\n", "bounds.header_bytes: expected a number above 0; this is 0"),
        ("[journal]\non_full = 'shrug'\n", "journal.on_full: write one of refuse, drop; this is 'shrug'"),
        ("[journal]\nsync = 'always'\n", "journal.sync: write one of interval, never; this is 'always'"),
        ("[trust]\nproxies = ['10.0.0.0/99']\n", "trust.proxies: '10.0.0.0/99' is no network"),
        ("[trust]\nproxies = '10.0.0.0/8'\n", "trust.proxies: expected a list, got a text"),
        ("[logs]\nlevel = 'loud'\n", "logs.level: write one of debug, info, warning, error, off; this is 'loud'"),
        ("[logs]\nloggers = { a = 'loud' }\n", "logs.loggers: write one of debug"),
        ("[database]\nurl = 'mysql://x'\n", "database.url: expected sqlite:///<path of a file>"),
        ("gateway = 1\n", "gateway is a section; write [gateway] above its settings"),
        ("[gateway\n", "this is not TOML: "),
        ("[console]\nhost = '0.0.0.0'\n", "sekisho.toml: console.host 0.0.0.0 would send passwords over the network in plain HTTP"),
        ("[gateway]\nport = 4001\n", "gateway.port and console.port are both 4001"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, toml: str, said: str) -> None:
    with pytest.raises(settings.SettingsError) as refused:
        load(tmp_path, toml)
    # A line break at the end stands for the end of the line: nothing is suggested.
    assert said in str(refused.value) + "\n"
    assert "\n" not in str(refused.value)
    if "both 4001" not in said and not said.startswith("sekisho.toml"):
        assert str(refused.value).startswith(f"{tmp_path}/sekisho.toml: ")
    with pytest.raises(settings.SettingsError):
        settings.check_toml(toml)


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("SEKISHO_GATEWAY_PORT", "1", "environment: there is no setting SEKISHO_GATEWAY_PORT; did you mean SEKISHO_GATEWAY__PORT?"),
        ("SEKISHO_SECRETKEY", "x", "environment: there is no setting SEKISHO_SECRETKEY; did you mean SEKISHO_SECRET_KEY?"),
        ("SEKISHO_BOUNDS__DRIAN_S", "1", "environment: there is no setting SEKISHO_BOUNDS__DRIAN_S; did you mean SEKISHO_BOUNDS__DRAIN_S?"),
        ("SEKISHO_GATEWAY__XYZZY", "1", "environment: there is no setting SEKISHO_GATEWAY__XYZZY\n"),
        ("SEKISHO_XYZZY", "1", "environment: there is no setting SEKISHO_XYZZY\n"),
        ("SEKISHO_GATEWAY__PORT", "many", "SEKISHO_GATEWAY__PORT: expected a whole number, got a text; this is 'many'"),
        ("SEKISHO_LOGS__LOGGERS", "debug", "SEKISHO_LOGS__LOGGERS: write name=value"),
    ],
)
def test_a_bad_variable_is_one_clear_line(variable: str, text: str, said: str) -> None:
    with pytest.raises(settings.SettingsError) as refused:
        settings.load({}, {**HOME, variable: text})
    assert f"{refused.value}\n".startswith(said)


def test_a_bad_flag_is_named() -> None:
    with pytest.raises(settings.SettingsError, match=r"^--port: expected a whole number"):
        settings.load({"gateway.port": "x"}, HOME)
    with pytest.raises(settings.SettingsError, match=r"^there is no setting gateway.prt; did you mean gateway.port\?"):
        settings.load({"gateway.prt": "1"}, HOME)
    with pytest.raises(settings.SettingsError, match=r"^there is no setting gateway.xyzzy$"):
        settings.load({"gateway.xyzzy": "1"}, HOME)


def test_variables_of_ours_that_are_no_settings_are_let_be() -> None:
    assert compiled.OFF == "SEKISHO_HOT_PATH"
    assert API_KEY_VARIABLE == "SEKISHO_API_KEY"
    assert settings.load({}, {**HOME, compiled.OFF: "python", API_KEY_VARIABLE: "sk-sek-canary"}).origins == {}


@pytest.mark.parametrize(
    "variable",
    [
        "SEKISHO_TEST_REQUIRE",
        "SEKISHO_BENCH_SECONDS",
        "SEKISHO_SERVICE_HOST",
        "SEKISHO_SERVICE_PORT_HTTP",
        "SEKISHO_PORT_4000_TCP_ADDR",
        "SEKISHO_PORT",
    ],
)
def test_variables_that_others_set_beside_us_are_let_be(variable: str) -> None:
    assert settings.load({}, {**HOME, variable: "tcp://10.0.0.1:4000"}).origins == {}


@pytest.mark.parametrize("more", [{"console.insecure": "true"}, {"trust.proxies": "10.0.0.0/8"}])
def test_the_console_may_leave_the_host_where_somebody_said_so(more: dict[str, str]) -> None:
    assert settings.load({"console.host": "0.0.0.0", **more}, HOME).settings.console.host == "0.0.0.0"


def test_check_toml_takes_what_a_start_takes() -> None:
    settings.check_toml('[gateway]\nport = 0\n[console]\nport = 0\n[logs]\nloggers = { "sekisho.app" = "debug" }\n')


def test_every_setting_has_a_variable_and_a_default() -> None:
    loaded = settings.load({}, HOME)
    assert set(loaded.values()) == set(settings.names())
    assert len({settings.variable_of(name) for name in settings.names()}) == len(settings.names())
    assert set(settings.FLAGS) <= set(settings.names())


def test_the_secret_key_is_carried_and_never_shown() -> None:
    loaded = settings.load({}, {**HOME, "SEKISHO_SECRET_KEY": "canary"})
    assert loaded.secret_key == "canary"
    assert "canary" not in repr(loaded)
    assert "canary" not in repr(loaded.effective())


def test_the_home_is_found_although_its_file_is_broken(tmp_path: Path) -> None:
    (tmp_path / "sekisho.toml").write_text("[[[")
    assert settings.find_home({}, {"SEKISHO_HOME": str(tmp_path)}).path == tmp_path
    assert settings.find_home({"home": "/a"}, {"SEKISHO_HOME": "/b"}).path == Path("/a")


@pytest.mark.parametrize(
    ("platform", "environ", "path"),
    [
        ("linux", {}, "/u/.local/share/sekisho"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/sekisho"),
        ("linux", {"XDG_DATA_HOME": "relative"}, "/u/.local/share/sekisho"),
        ("darwin", {}, "/u/Library/Application Support/Sekisho"),
    ],
)
def test_the_platforms_default_home(platform: str, environ: dict[str, str], path: str) -> None:
    assert homes.default_path(environ, platform, lambda: Path("/u")) == Path(path)
