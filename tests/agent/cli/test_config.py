"""`agent.toml`: every mistake is named with its file, its line where it has one, and what was meant."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringtide_agent.adapters.web_mirror import MirrorAccess
from ringtide_agent.artifact_wiring import throttle
from ringtide_agent.config import _DEFAULTS, Configuration, load_configuration, load_inputs
from ringtide_agent.enroll import Enrolment, agent_toml
from ringtide_agent.wiring import key_files, publication_sources
from ringtide_contract.errors import InputError
from ringtide_contract.ids import DeviceId

ENROLMENT = Enrolment(
    fleet="acme",
    device=DeviceId("cam-001"),
    hardware_class="edge-s",
    labels={},
    publication="https://git.example.org/acme/fleet.git",
    reports="ssh://git@git.example.org/acme/reports.git",
    state_dir='/var/lib/ring "tide"',
    key_file="/var/lib/ringtide/device.key",
    serve_port=8080,
    poll_interval_s=300,
    report_interval_s=3600,
)
GOOD = agent_toml(ENROLMENT)


def load(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return load_configuration(path)


def test_what_enrolment_writes_is_read_back(tmp_path: Path) -> None:
    read = load(tmp_path, GOOD)
    assert (read.fleet, read.device, read.hardware_class) == ("acme", "cam-001", "edge-s")
    assert read.state_dir == Path('/var/lib/ring "tide"')
    assert (read.publication.url, read.branch) == ("https://git.example.org/acme/fleet.git", "published")
    assert (read.serve_host, read.serve_port, read.hints) == ("127.0.0.1", 8080, None)


def test_every_key_that_can_be_set_stands_in_what_enrolment_writes() -> None:
    for table, keys in _DEFAULTS.items():
        assert f"[{table}]" in GOOD or not table
        for key in keys:
            assert key in GOOD


def test_the_commented_lines_are_the_defaults(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in GOOD.splitlines() if " = " in line]
    wanted = (
        "branch",
        "max_silence_s",
        'host = "127',
        "schemes",
        "fetch_",
        "disk_",
        "least_",
        "most_rate",
        "fallbacks",
        "region",
    )
    shown = GOOD
    for line in lines:
        if line.startswith(wanted):
            shown = shown.replace(f"# {line}", line)
    assert shown != GOOD
    assert load(tmp_path, shown) == load(tmp_path, GOOD)


def test_sources_of_publications_are_asked_in_the_order_that_is_stated(tmp_path: Path) -> None:
    text = GOOD.replace("https://git.example.org/acme/fleet.git", "mirror+https://cdn.example.org/acme")
    text = text.replace(
        "# fallbacks = []", 'fallbacks = ["ssh://git@example.org/fleet.git", "mirror+http://near/acme"]'
    )
    read = load(tmp_path, text.replace("[reports]", 'tls_key = "/key"\nssh_key = "/ssh"\n[reports]'))
    assert isinstance(read.publication, MirrorAccess)
    assert (read.publication.url, read.publication.tls.key) == ("mirror+https://cdn.example.org/acme", "/key")
    assert list(publication_sources(read)) == [
        "mirror+https://cdn.example.org/acme",
        "ssh://git@example.org/fleet.git",
        "mirror+http://near/acme",
    ]
    assert {Path("/key"), Path("/ssh"), read.key_file} <= set(key_files(read))


def test_hints_are_configured_by_their_host(tmp_path: Path) -> None:
    read = load(tmp_path, GOOD + '\n[mqtt]\nhost = "broker"\ntls_authority = "/ca.pem"\n')
    assert read.hints is not None
    assert (read.hints.host, read.hints.port, read.hints.tls, read.hints.files.authority) == (
        "broker",
        8883,
        True,
        "/ca.pem",
    )


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "[poll]\ninterval_s",
            "[poll]\nintervall_s",
            r"agent.toml:24: unknown key 'poll.intervall_s'; did you mean 'interval_s'\?",
        ),
        ("[poll]", "[pol]", r"agent.toml:23: unknown key 'pol'; did you mean 'poll'\?"),
        ('fleet = "acme"', 'flet = "acme"', r"agent.toml:3: unknown key 'flet'; did you mean 'fleet'\?"),
        ('fleet = "acme"\n', "", "agent.toml: missing: fleet. fix: write them there, or set RINGTIDE_AGENT_FLEET"),
        ('fleet = "acme"', 'fleet = "A b"', "agent.toml:3: fleet: 'A b' is not a name"),
        ('fleet = "acme"', "fleet = 3", "agent.toml:3: fleet takes text, not 3"),
        ('fleet = "acme"', "fleet = acme", "agent.toml:3: not TOML"),
        ("interval_s = 300", "interval_s = true", "agent.toml:24: poll.interval_s takes a whole number, not True"),
        ("interval_s = 300", "interval_s = 0", "agent.toml:24: poll.interval_s: takes 1 to 86400, not 0"),
        (
            '"/var/lib/ringtide/device.key"',
            '"device.key"',
            "agent.toml:7: key_file: takes an absolute path, not 'device.key'",
        ),
        (
            "https://git",
            "git://git",
            "agent.toml:10: publication.url: 'git://git.example.org/acme/fleet.git' is not a repository address",
        ),
        (
            "https://git",
            "https://u:secret@git",
            "agent.toml:10: publication.url: the repository address holds a password",
        ),
        (
            "[artifacts]",
            '[artifacts]\nschemes = ["ftp"]',
            "agent.toml:3\\d: artifacts.schemes: takes some of https, http, file, s3, oci, not",
        ),
        (
            "[artifacts]",
            '[artifacts]\nwindows = ["nights"]',
            "agent.toml:3\\d: artifacts.windows: 'nights' is not a window like",
        ),
        (
            "[artifacts]",
            '[artifacts]\ncertificate_url = "http://m.lan/c"',
            "certificate_url: takes an https:// address",
        ),
        (
            "[artifacts]",
            '[artifacts]\ncertificate_url = "https://m.lan/c"\ntls_key = "/k"',
            "certificate_url: goes with the device's own key",
        ),
        (
            "[artifacts]",
            '[pkcs11]\nmodule = "/m.so"\ntoken = "t"\npin_file = "/p"\n[artifacts]\ncertificate_url = "https://m.lan/c"',
            "certificate_url: needs the device's key in a file, not on a token",
        ),
        ("[s3]", '[s3]\nendpoint = "http://s3.lan"', "s3.endpoint: takes an https:// address; others only where"),
        ("[s3]", '[s3]\nendpoint = "https://u:secret@s3.lan"', "s3.endpoint: .* is not an endpoint like"),
        ("[s3]", '[s3]\nregion = "eu/1"', "s3.region: 'eu/1' is not a region"),
        ("[s3]", '[s3]\ncredentials_url = "http://keys.lan"', "s3.credentials_url: takes an https:// address"),
        (
            "[s3]",
            '[s3]\ncredentials_url = "https://k"\ncredentials_file = "/k"',
            r"agent.toml:\d+: s3.credentials_file: .* not from both",
        ),
        ("[s3]", '[s3]\ncredentials_file = "s3.json"', "s3.credentials_file: takes an absolute path, not 's3.json'"),
        ("[s3]", '[s3]\ncredentials_url = "https://"', "s3.credentials_url: takes an address with a host"),
        ("[s3]", '[s3]\nendpoint = ""', "s3.endpoint: takes an https:// address"),
        ("[s3]", '[s3]\nendpoint = "https://s3.lan:port"', "agent.toml:\\d+: s3.endpoint: Port could not be cast"),
        ("[artifacts]", '[artifacts]\ncertificate_url = "https://"', "certificate_url: takes an address with a host"),
        ("https://git", "https://[::1", "agent.toml:10: publication.url: "),
        (
            "https://git.example.org/acme/fleet.git",
            "https://",
            "agent.toml:10: publication.url: 'https://' names no host",
        ),
        ('# host = "127.0.0.1"', 'host = ""', r"agent.toml:\d+: serve.host: takes a host name or an address, not ''"),
        ('# host = "127.0.0.1"', 'host = "my pc"', "serve.host: takes a host name or an address, not 'my pc'"),
        ("# [mqtt]", '[mqtt]\nhost = ""\n#', r"agent.toml:\d+: mqtt.host: takes a host name or an address, not ''"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in GOOD
    with pytest.raises(InputError, match=message) as error:
        load(tmp_path, GOOD.replace(before, after))
    assert "secret" not in str(error.value)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"No such file or directory\. fix: name the file that `ringtide-agent enroll`"
    ):
        load_configuration(tmp_path / "agent.toml")


def test_a_later_layer_wins_key_by_key_and_every_value_knows_its_place(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "10-site.toml").write_text('fleet = "zeta"\n[poll]\ninterval_s = 10\n[serve]\nport = 1\n')
    (tmp_path / "conf.d" / "20-line.toml").write_text("serve.port = 2\npoll = { interval_s = 20 }\n")
    (tmp_path / "conf.d" / "README").write_text("not read")
    variables = {"RINGTIDE_AGENT_SERVE_PORT": "3", "RINGTIDE_AGENT_ARTIFACTS_SCHEMES": "https, http", "HOME": "/"}
    given = load_inputs(tmp_path / "agent.toml", variables, ["serve.port=4", "mqtt.tls=false"])
    seen = {
        (table, key): (given.values[table][key], given.places[table, key])
        for table, key in (
            ("", "fleet"), ("", "device"), ("poll", "interval_s"), ("serve", "port"), ("serve", "host"),
            ("artifacts", "schemes"), ("mqtt", "tls"),
        )
    }  # fmt: skip
    assert seen == {
        ("", "fleet"): ("zeta", f"{tmp_path}/conf.d/10-site.toml:1"),
        ("", "device"): ("cam-001", f"{tmp_path}/agent.toml:4"),
        ("poll", "interval_s"): (20, f"{tmp_path}/conf.d/20-line.toml:2"),
        ("serve", "port"): (4, "--set serve.port"),
        ("serve", "host"): ("127.0.0.1", "default"),
        ("artifacts", "schemes"): (["https", "http"], "RINGTIDE_AGENT_ARTIFACTS_SCHEMES"),
        ("mqtt", "tls"): (False, "--set mqtt.tls"),
    }
    assert load_configuration(tmp_path / "agent.toml", variables).serve_port == 3


@pytest.mark.parametrize(
    ("variables", "settings", "message"),
    [
        (
            {"RINGTIDE_AGENT_SERVE_PROT": "1"}, [],
            "environment: unknown key 'RINGTIDE_AGENT_SERVE_PROT'; did you mean 'RINGTIDE_AGENT_SERVE_PORT'",
        ),
        ({"RINGTIDE_AGENT_SERVE_PORT": "x"}, [], "RINGTIDE_AGENT_SERVE_PORT: serve.port takes a whole number, not 'x'"),
        ({"RINGTIDE_AGENT_SERVE_PORT": "-1"}, [], "RINGTIDE_AGENT_SERVE_PORT: serve.port: takes 0 to 65535, not -1"),
        ({"RINGTIDE_AGENT_MQTT_TLS": "yes"}, [], "RINGTIDE_AGENT_MQTT_TLS: mqtt.tls takes true or false, not 'yes'"),
        ({}, ["serve.prot=1"], "--set serve.prot: unknown key 'serve.prot'; did you mean 'port'"),
        ({}, ["sevre.port=1"], "--set sevre.port: unknown key 'sevre'; did you mean 'serve'"),
        ({}, ["serve.port"], "--set serve.port: write --set table.key=value"),
        ({}, ["serve.port=70000"], "--set serve.port: serve.port: takes 0 to 65535, not 70000"),
    ],
)  # fmt: skip
def test_a_mistake_outside_the_file_is_named_too(
    tmp_path: Path, variables: dict[str, str], settings: list[str], message: str
) -> None:
    load(tmp_path, GOOD)
    with pytest.raises(InputError) as error:
        load_configuration(tmp_path / "agent.toml", variables, settings)
    assert message in str(error.value)


def test_a_mistake_in_a_drop_in_names_that_file(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.toml").write_text("\n[limits]\nfetch_deadline_s = 1\n")
    with pytest.raises(InputError, match=r"conf.d/x.toml:3: limits.fetch_deadline_s: takes 5 to 600, not 1"):
        load_configuration(tmp_path / "agent.toml")


def test_a_drop_in_that_is_no_file_is_named_with_what_to_do_about_it(tmp_path: Path) -> None:
    load(tmp_path, GOOD)
    (tmp_path / "conf.d" / "x.toml").mkdir(parents=True)
    with pytest.raises(InputError, match=r"conf.d/x.toml: Is a directory. fix: make it a plain file"):
        load_configuration(tmp_path / "agent.toml")


def test_a_list_of_other_things_than_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"agent.toml:\d+: artifacts.schemes takes a list of texts, not \[1\]"):
        load(tmp_path, GOOD.replace("[artifacts]", "[artifacts]\nschemes = [1]"))


def test_windows_set_the_rate_of_the_hour_and_the_slowest_the_size_of_a_read(tmp_path: Path) -> None:
    windows = '["daily 00:00-12:00 UTC 64KiB/s", "daily 12:00-00:00 UTC"]'
    text = GOOD.replace("[artifacts]", f"[artifacts]\nwindows = {windows}").replace(
        "# most_rate_kib_s = 0  ", "most_rate_kib_s = 512"
    )
    hour = [6]
    made = throttle(load(tmp_path, text), lambda: datetime(2026, 11, 2, hour[0], tzinfo=UTC))
    assert (made._rate(), made.chunk_bytes) == (64 * 1024, 16 * 1024)
    hour[0] = 18
    assert made._rate() == 512 * 1024


TOKEN = '\n[pkcs11]\nmodule = "/lib/token.so"\ntoken = "ringtide"\npin_file = "/etc/pin"\n'


def test_a_key_on_a_token_replaces_the_key_file(tmp_path: Path) -> None:
    read = load(tmp_path, GOOD + TOKEN)
    assert read.token_key is not None
    assert (read.token_key.token, read.token_key.label) == ("ringtide", "device")
    assert Path("/etc/pin") in key_files(read)
    assert read.key_file not in key_files(read)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('token = "ringtide"\n', "", r"pkcs11.module needs pkcs11.token beside it"),
        ('module = "/lib/token.so"\n', "", r"pkcs11.token says nothing without pkcs11.module"),
        ('pin_file = "/etc/pin"\n', "", r"pkcs11.module needs pkcs11.pin_file beside it"),
        ('"/etc/pin"', '"pin"', r"pkcs11.pin_file: takes an absolute path, not 'pin'"),
        ('"/lib/token.so"', '"token.so"', r"pkcs11.module: takes an absolute path, not 'token.so'"),
    ],
)
def test_half_a_token_is_named(tmp_path: Path, before: str, after: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, GOOD + TOKEN.replace(before, after))
