"""`agent.toml`: every mistake is named with its file, its line where it has one, and what was meant."""

from pathlib import Path

import pytest

from ringtide_agent.config import _DEFAULTS, Configuration, load_configuration
from ringtide_agent.enroll import Enrolment, agent_toml
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
    wanted = ("branch", "max_silence_s", 'host = "127', "schemes", "fetch_", "disk_", "least_")
    shown = GOOD
    for line in lines:
        if line.startswith(wanted):
            shown = shown.replace(f"# {line}", line)
    assert shown != GOOD
    assert load(tmp_path, shown) == load(tmp_path, GOOD)


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
            r"agent.toml:23: unknown key 'poll.intervall_s'; did you mean 'interval_s'\?",
        ),
        ("[poll]", "[pol]", r"agent.toml:22: unknown key 'pol'; did you mean 'poll'\?"),
        ('fleet = "acme"', 'flet = "acme"', r"agent.toml:3: unknown key 'flet'; did you mean 'fleet'\?"),
        ('fleet = "acme"\n', "", "agent.toml: missing: fleet"),
        ('fleet = "acme"', 'fleet = "A b"', "agent.toml: 'A b' is not a name"),
        ('fleet = "acme"', "fleet = 3", "agent.toml:3: fleet takes text, not 3"),
        ('fleet = "acme"', "fleet = acme", "agent.toml:3: not TOML"),
        ("interval_s = 300", "interval_s = true", "agent.toml:23: poll.interval_s takes a whole number, not True"),
        ("interval_s = 300", "interval_s = 0", "agent.toml: poll.interval_s = 0 is not within 1 and 86400"),
        (
            '"/var/lib/ringtide/device.key"',
            '"device.key"',
            "agent.toml: key_file = 'device.key' is not an absolute path",
        ),
        ("https://git", "git://git", "agent.toml: 'git://git.example.org/acme/fleet.git' is not a repository address"),
        ("https://git", "https://u:secret@git", "agent.toml: the repository address holds a password"),
        (
            "[artifacts]",
            '[artifacts]\nschemes = ["ftp"]',
            "agent.toml: artifacts.schemes are some of https, http, file",
        ),
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
