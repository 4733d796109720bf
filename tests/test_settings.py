"""The settings: their sources, the errors of wrong values, and what is shown of them."""

from __future__ import annotations

import os
import pwd
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from runner import settings as settings_of
from runner.rules.errors import UsageError
from runner.rules.secret import Secret
from runner.rules.servers import base_url
from runner.settings import Settings, load, socket_path
from runner.settings_table import TABLE, Setting

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "xai-canary-0123456789-wxyz"
NOWHERE = Path("/nowhere")
SERVERS = {
    "RUNNER_DATABASE_URL": "postgresql://ann:pa55word@db/runner",
    "RUNNER_REDIS_URL": "redis://:hunter22@redis:6379/0",
}


def test_the_table_and_the_values_name_the_same_settings() -> None:
    """Each row of the table is a field of `Settings`."""
    added_by_load = {"secrets", "sources", "warnings"}

    assert {row.name for row in TABLE} == {field.name for field in fields(Settings)} - added_by_load


def test_the_defaults_without_any_source() -> None:
    """The embedded form needs no setting but a key."""
    found = load({"HOME": "/home/ann"}, NOWHERE)

    assert found.embedded
    assert found.api_key is None
    assert found.base_url == "https://api.x.ai/v1"
    assert found.home == Path("/home/ann/.local/state/runner")
    assert found.effective_database_url == "sqlite:////home/ann/.local/state/runner/runner.db"
    assert found.effective_redis_url == "unix:///home/ann/.local/state/runner/valkey.sock"
    assert found.broker_url == "redis+socket:///home/ann/.local/state/runner/valkey.sock"
    assert (found.concurrency, found.worker_processes, found.lease_s, found.turn_s) == (8, None, 120, 45)
    assert found.warnings == ()


@pytest.mark.parametrize(("lease", "within_ms"), [("120", 30_000), ("90", 20_000), ("70.5", 500)])
def test_a_request_is_started_so_that_it_ends_before_its_claim(lease: str, within_ms: int) -> None:
    """By default it may take 70 s."""
    assert load({"RUNNER_LEASE_S": lease}, NOWHERE).start_within_ms == within_ms


@pytest.mark.parametrize(
    ("flags", "env", "toml", "value", "origin"),
    [
        ({"worker_processes": 2}, {"RUNNER_WORKERS": "3"}, "worker_processes = 4", 2, "--processes"),
        ({"worker_processes": None}, {"RUNNER_WORKERS": "3"}, "worker_processes = 4", 3, "RUNNER_WORKERS"),
        ({}, {"RUNNER_WORKERS": " "}, "worker_processes = 4", 4, "worker_processes in runner.toml"),
        ({}, {}, "", None, "default"),
    ],
)
def test_flag_beats_environment_beats_file_beats_default(
    tmp_path: Path,
    flags: dict[str, object],
    env: dict[str, str],
    toml: str,
    value: int | None,
    origin: str,
) -> None:
    """In this order of priority; an empty variable is not set."""
    (tmp_path / "runner.toml").write_text(toml)

    found = load(env, tmp_path, flags)

    assert found.worker_processes == value
    assert origin == next(source.origin for source in found.sources if source.name == "worker_processes")


def test_a_file_of_windows_is_read_or_named(tmp_path: Path) -> None:
    """Notepad writes a byte order mark, PowerShell UTF-16."""
    text = "concurrency = 3\n"
    (tmp_path / "runner.toml").write_bytes(text.encode("utf-8-sig"))
    assert load({"HOME": "/home/ann"}, tmp_path).concurrency == 3

    (tmp_path / "runner.toml").write_bytes(text.encode("utf-16"))
    with pytest.raises(UsageError, match=r"runner\.toml is UTF-16 text") as caught:
        load({"HOME": "/home/ann"}, tmp_path)
    assert "iconv -f UTF-16 " in caught.value.fix


def test_pyproject_is_read_where_there_is_no_runner_toml(tmp_path: Path) -> None:
    """Only one file is read: runner.toml where there is one."""
    (tmp_path / "pyproject.toml").write_text("[tool.runner]\nconcurrency = 3\n")
    assert load({}, tmp_path).concurrency == 3

    (tmp_path / "runner.toml").write_text("debug = true\n")
    assert load({}, tmp_path).concurrency == 8
    assert load({}, tmp_path).debug


def test_the_ends_of_a_range_belong_to_it(tmp_path: Path) -> None:
    """Also where binary fractions are not exact: 0.1."""
    assert load({"RUNNER_CONNECT_TIMEOUT_S": "0.1"}, NOWHERE).connect_timeout_s == 0.1
    assert load({"RUNNER_CONCURRENCY": "512"}, NOWHERE).concurrency == 512
    (tmp_path / "runner.toml").write_text("turn_s = 6e1\nconcurrency = 5_0\n")
    assert (load({}, tmp_path).turn_s, load({}, tmp_path).concurrency) == (60, 50)


@pytest.mark.parametrize(
    ("env", "home"),
    [
        ({"RUNNER_HOME": "/srv/state"}, "/srv/state"),
        ({"RUNNER_HOME": "state"}, "/nowhere/state"),
        ({"XDG_STATE_HOME": "/var/xdg"}, "/var/xdg/runner"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/home/ann"}, "/home/ann/.local/state/runner"),
    ],
)
def test_the_state_folder_is_found(env: dict[str, str], home: str) -> None:
    """RUNNER_HOME, else the XDG state folder (absolute ones only), else ~/.local/state."""
    assert Path(home) == load(env, NOWHERE).home


def test_a_folder_of_two_names_is_one_home(tmp_path: Path) -> None:
    """Every command must find the same socket, by whatever path of the folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    homes = {load({"RUNNER_HOME": name}, tmp_path).home for name in ("real", "link", "link/../real/")}

    assert homes == {(tmp_path / "real").resolve()}


@pytest.mark.parametrize(
    ("env", "problem"),
    [
        ({"RUNNER_CONCURRENCY": "many"}, "RUNNER_CONCURRENCY: 'many' is no whole number"),
        ({"RUNNER_CONCURRENCY": "0"}, "is not from 1 to 512: '0'"),
        ({"RUNNER_CONCURRENCY": "1.5"}, "'1.5' is no whole number"),
        ({"RUNNER_CONCURRENCY": "1_0"}, "only commas may separate"),
        ({"RUNNER_CONCURRENCY": "١٢"}, "its digits are not 0 to 9"),
        ({"RUNNER_TURN_S": "nan"}, "'nan' is no number"),
        ({"RUNNER_TURN_S": "1e1"}, "it has an exponent"),
        ({"RUNNER_TURN_S": "0,5"}, "write 0.5"),
        ({"RUNNER_DEBUG": "perhaps"}, "neither true nor false"),
        ({"RUNNER_HOME": "/a?b"}, "no path may have"),
        ({"XAI_API_KEY": "xai-with\nbreak"}, "a line break"),
        ({"XAI_API_KEY_FILE": "/nowhere/key"}, "cannot be read"),
        ({"RUNNER_DATABASE_URL": SERVERS["RUNNER_DATABASE_URL"]}, "RUNNER_REDIS_URL is not"),
        ({"RUNNER_REDIS_URL": SERVERS["RUNNER_REDIS_URL"]}, "RUNNER_DATABASE_URL is not"),
        ({**SERVERS, "RUNNER_REDIS_URL": "http://redis"}, "no Redis URL"),
        ({"RUNNER_LEASE_S": "60"}, "two workers could send the same job"),
        ({"RUNNER_LEASE_S": "70.4"}, "two workers could send the same job"),
    ],
)
def test_a_wrong_value_is_refused_with_a_fix(env: dict[str, str], problem: str) -> None:
    """The error names the problem and its fix."""
    with pytest.raises(UsageError, match=problem) as refused:
        load(env, NOWHERE)

    assert refused.value.fix


NUMBERS = [row for row in TABLE if row.env and isinstance(row.default, int | float) and row.name != "debug"]
NUMBERS += [row for row in TABLE if row.name in ("worker_processes", "prompt_overhead_tokens")]
NO_NUMBERS = (
    *(
        "1e1",
        "+5",
        "-0",
        "0x10",
        "5.",
        "1,00",
        "1,000,00",
        "1.000,5",
        "\u0661\u0662",
        "\u00bd",
        "\u221e",
        "nan",
    ),
    *("1_0", "5 s", "$5", "10s", "1 h", " 5", "5 ", "5\n", "\u00a05", "true"),
)


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
def test_a_setting_takes_no_odd_number(row: Setting, tmp_path: Path) -> None:
    """From the environment, and as text in runner.toml: an error that names where it stands."""
    for text in NO_NUMBERS:
        with pytest.raises(UsageError, match=row.env):
            load({row.env: text}, NOWHERE)
        (tmp_path / "runner.toml").write_text(f'{row.name} = "{text}"'.replace("\n", "\\n"))
        with pytest.raises(UsageError, match=f"{row.name} in runner.toml"):
            load({}, tmp_path)


def test_an_empty_variable_is_not_set() -> None:
    """As in a compose file that passes on what the host may have."""
    assert load({row.env: "" for row in NUMBERS}, NOWHERE) == load({}, NOWHERE)


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("concurrency = ", "not valid TOML"),
        ("concurrency = true", "no number"),
        ("concurrency = 8.5", "no whole one"),
        ("concurrency = '1_0'", "only commas may separate"),
        ("turn_s = nan", "is not from 0.5 to 60"),
        ("turn_s = inf", "is not from 0.5 to 60"),
        ('[prices."grok-4"]\ninput = "1,5"\noutput = 1', "write 1.5"),
        ('[prices."grok-4"]\ninput = "\u0661"\noutput = 1', "its digits are not 0 to 9"),
        ('[prices."grok-4"]\ninput = nan\noutput = 1', "no number from 0 up"),
        ('[prices."grok-4"]\ninput = inf\noutput = 1', "no number from 0 up"),
        ('[prices."grok-4"]\ninput = 1\noutput = true', "no number from 0 up"),
        ("prices = 3", "is no table"),
        ('[prices."grok-4"]\ninput = 1', "lacks output"),
        ('api_key = "xai-1234567890"', "api_key, which comes from the environment alone"),
        ('base_url = "https://evil.example"', "base_url, which comes from the environment alone"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, toml: str, problem: str) -> None:
    """A file in the folder can neither contain the key nor send it elsewhere."""
    (tmp_path / "runner.toml").write_text(toml)

    with pytest.raises(UsageError, match=problem):
        load({}, tmp_path)


def test_own_prices_are_kept_as_written(tmp_path: Path) -> None:
    """[prices] is a table by model."""
    (tmp_path / "runner.toml").write_text('[prices."grok-x"]\ninput = 1.5\noutput = 2\n')

    assert load({}, tmp_path).prices == {"grok-x": {"input": 1.5, "output": 2}}


def test_unknown_names_are_warnings_with_the_nearest_name(tmp_path: Path) -> None:
    """So a typing mistake is noticed. Names that GitHub's own runner sets are ignored."""
    (tmp_path / "runner.toml").write_text("concurency = 3\n")

    found = load({"RUNNER_CONCURENCY": "3", "RUNNER_OS": "Linux", "RUNNER_WORKSPACE": "/w"}, tmp_path)

    assert found.warnings == (
        "RUNNER_CONCURENCY is no setting (did you mean RUNNER_CONCURRENCY?)",
        "concurency in runner.toml is no setting (did you mean concurrency?)",
    )


def test_the_key_comes_from_a_file_too(tmp_path: Path) -> None:
    """XAI_API_KEY first; else the text of the file that XAI_API_KEY_FILE names, without its line end."""
    file = tmp_path / "key"
    file.write_text(KEY + "\n")

    assert load({"XAI_API_KEY_FILE": str(file)}, NOWHERE).api_key == Secret(KEY)
    assert load({"XAI_API_KEY_FILE": str(file), "XAI_API_KEY": "xai-other"}, NOWHERE).api_key == Secret(
        "xai-other"
    )
    file.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        load({"XAI_API_KEY_FILE": str(file)}, NOWHERE)


@pytest.mark.parametrize("show", [repr, str, lambda found: repr(found.sources)])
def test_secrets_are_not_shown(show: Callable[[Settings], str]) -> None:
    """Neither the settings nor their sources contain the key or a password."""
    shown = show(load({"XAI_API_KEY": KEY, **SERVERS}, NOWHERE))

    for secret in (KEY, "canary", "pa55word", "hunter22"):
        assert secret not in shown
    assert "set (…wxyz)" in shown


def test_a_short_secret_is_hidden_whole() -> None:
    """Its last four letters would reveal too much."""
    assert repr(Secret("short")) == "set"


def test_a_refused_key_is_not_in_the_message() -> None:
    """An error about a secret does not contain it."""
    with pytest.raises(UsageError) as refused:
        load({"XAI_API_KEY": KEY + " canary"}, NOWHERE)

    assert "canary" not in refused.value.what + refused.value.fix


@pytest.mark.parametrize(
    "url",
    [
        "https://api.x.ai/v1",
        "https://proxy.example:8443/xai/v1",
        "http://127.0.0.1:8080/v1",
        "http://localhost:8080",
        "http://[::1]:8080/v1",
        "http://simulator:8080/v1",
    ],
)
def test_a_safe_base_url_is_accepted_without_its_last_slash(url: str) -> None:
    """https to any host; plain http to this machine, or to an allowed host."""
    assert url == base_url.validate_base_url(url + "/", ("simulator",))


@pytest.mark.parametrize(
    "url",
    [
        "http://api.x.ai/v1",
        "http://localhost.evil.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://169.254.169.254/v1",
        "http://simulator@evil.example/v1",
        "https://api.x.ai@evil.example/v1",
        "https://evil.example\\@api.x.ai/v1",
        "https://api.x.ai/v1?key=1",
        "https://api.x.ai/v1#x",
        "https://api.x.ai:99999/v1",
        "https://api.x.ai:0/v1",
        "https:///v1",
        "https://[::1/v1",
        "ftp://api.x.ai/v1",
        "file:///etc/passwd",
        "api.x.ai/v1",
        "https://api.x.ai/v1\r\nHost: evil.example",
        "https://аpi.x.ai/v1",  # noqa: RUF001 - a Cyrillic letter, on purpose
    ],
)
def test_an_unsafe_base_url_is_refused_with_a_fix(url: str) -> None:
    """The key is sent to that host."""
    with pytest.raises(UsageError) as refused:
        base_url.validate_base_url(url, ("simulator",))

    assert refused.value.fix


@given(st.text(), st.text())
def test_plain_http_never_leaves_the_machine(host: str, rest: str) -> None:
    """For any text: an accepted http URL leads to a loopback address."""
    from urllib.parse import urlsplit

    try:
        url = base_url.validate_base_url(f"http://{host}/{rest}", ())
    except UsageError:
        return

    assert base_url.is_loopback(urlsplit(url).hostname or "")


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_socket_path_is_short_and_plain_for_every_home(name: str) -> None:
    """The kernel allows about 100 bytes, and a URL only plain letters; a folder always has the same path."""
    path = socket_path(Path("/srv") / name)

    assert len(bytes(path)) < 100
    assert str(path) == str(path).encode("ascii").decode()
    assert not set(str(path)) & set(" ?#%@:&")
    assert path == settings_of.socket_path(Path("/srv") / name)


@pytest.mark.parametrize(
    ("env", "home"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.local/state/runner"),
        ({"HOME": "/home/ann", "XDG_STATE_HOME": "/state"}, "/state/runner"),
        ({"HOME": "/home/ann", "XDG_STATE_HOME": "state"}, "/home/ann/.local/state/runner"),
        ({"HOME": "/"}, "/.local/state/runner"),
        ({"HOME": ""}, None),
        ({"HOME": "ann"}, None),
        ({}, None),
    ],
)
def test_the_default_state_folder_is_at_the_user_s_home(env: dict[str, str], home: str | None) -> None:
    """A relative HOME would be another folder after each cd, so it counts as none."""
    own = f"{pwd.getpwuid(os.getuid()).pw_dir}/.local/state/runner"
    assert load(env, NOWHERE).home == Path(os.path.realpath(home or own))


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run under an id that nobody has."""
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(UsageError, match="user 54321 has no home folder") as told:
        load({}, NOWHERE)
    assert "RUNNER_HOME" in told.value.fix
    assert load({"RUNNER_HOME": "/state"}, NOWHERE).home == Path("/state")
    assert load({"XDG_STATE_HOME": "/state"}, NOWHERE).home == Path("/state/runner")


def test_without_a_current_folder_only_relative_paths_are_wrong() -> None:
    """It may have been removed."""
    assert load({"RUNNER_HOME": "/state"}, None).home == Path("/state")
    with pytest.raises(UsageError, match="RUNNER_OUTPUT_DIR is relative to the current folder"):
        load({"RUNNER_HOME": "/state", "RUNNER_OUTPUT_DIR": "out"}, None)


@pytest.mark.parametrize("name", ["RUNNER_HOME", "RUNNER_OUTPUT_DIR", "XAI_API_KEY_FILE"])
def test_the_home_of_an_unknown_user_is_a_wrong_value(name: str) -> None:
    """It names the setting."""
    with pytest.raises(UsageError, match=f"{name}|~nobody-of-that-name"):
        load({name: "~nobody-of-that-name/x"}, NOWHERE)


@pytest.mark.parametrize("row", [row for row in TABLE if row.env], ids=lambda row: row.name)
def test_bytes_that_are_no_text_are_a_path_or_a_wrong_value(row: Setting) -> None:
    """They can be in any variable."""
    raw = "/state/\udce9"
    if row.name in {"home", "output_dir"}:
        assert getattr(load({row.env: raw}, NOWHERE), row.name) == Path(raw)
    else:
        with pytest.raises(UsageError, match=row.env):
            load({row.env: raw}, NOWHERE)


def test_a_percent_sign_in_the_state_folder_leads_to_the_same_database() -> None:
    """SQLAlchemy decodes the path of a URL."""
    url = load({"RUNNER_HOME": "/100%41"}, NOWHERE).effective_database_url
    assert make_url(url).database == "/100%41/runner.db"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", "[tool]\nrunner = 1"),
        ("pyproject.toml", "[tool]\nrunner = []"),
        ("runner.toml", "a = " + "[" * 5000),
    ],
)
def test_a_file_of_another_shape_is_an_error(name: str, text: str, tmp_path: Path) -> None:
    """It names the file."""
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=name):
        load({}, tmp_path)


@pytest.mark.parametrize("text", ["tool = 1", "a = " + "[" * 5000, "[tool]", ""])
def test_a_project_of_others_has_no_settings(text: str, tmp_path: Path) -> None:
    """Whatever its pyproject.toml holds; what cannot be read is told."""
    (tmp_path / "pyproject.toml").write_text(text)
    assert len(load({}, tmp_path).warnings) == text.startswith("a")


@pytest.mark.parametrize(("given", "expected"), [("none", 0), (" None ", 0), ("600", 600), ("1,200", 1_200)])
def test_the_limits_of_a_team_are_numbers_or_none(given: str, expected: int) -> None:
    """From the environment, and from a file; shown as they were meant."""
    found = load({"RUNNER_TEAM_RPM": given, "RUNNER_TEAM_TPM": given}, NOWHERE)
    assert (found.team_rpm, found.team_tpm) == (expected, expected)
    shown = next(one.shown for one in found.sources if one.name == "team_rpm")
    assert shown == ("none" if expected == 0 else f"{expected} requests a minute")
    assert load({}, NOWHERE).team_rpm is None


@pytest.mark.parametrize("given", ["0", "-5", "many", "1.5", "1e6", "", "9999999999"])
def test_no_other_limit_of_a_team_is_taken(tmp_path: Path, given: str) -> None:
    """0 could mean no limit or no request at all. An empty variable is one that is not set."""
    if not given:
        assert load({"RUNNER_TEAM_RPM": given}, NOWHERE).team_rpm is None
        return
    with pytest.raises(UsageError, match="RUNNER_TEAM_RPM is neither none nor a whole number from 1 to"):
        load({"RUNNER_TEAM_RPM": given}, NOWHERE)
    (tmp_path / "runner.toml").write_text("team_tpm = true\n")
    with pytest.raises(UsageError, match=r"team_tpm in runner\.toml is neither none nor"):
        load({}, tmp_path)
