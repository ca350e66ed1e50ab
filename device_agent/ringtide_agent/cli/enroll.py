"""`ringtide-agent enroll`: make the device's key here, and print what the fleet owner merges."""

from pathlib import Path

import click

_STATE, _CONFIG = Path("/var/lib/ringtide"), Path("/etc/ringtide")


@click.command()
@click.option("--fleet", required=True, help="Fleet to join.")
@click.option("--device", required=True, help="Id of this device in it.")
@click.option("--hardware-class", required=True, help="Hardware class of this device.")
@click.option("--root", required=True, type=click.Path(path_type=Path), help="Trusted root, `trust/1.root.json`.")
@click.option(
    "--publication", required=True, metavar="URL", help="Repository, or mirror+https:// mirror, with publications."
)
@click.option("--reports", required=True, metavar="URL", help="Repository or broker that takes reports.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Folder for state, and for key and configuration.")
@click.option("--config-dir", type=click.Path(path_type=Path), help="Folder for key and configuration alone.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of this device; repeatable.")
@click.option("--pkcs11-module", type=click.Path(path_type=Path), help="Keep the key on a token, by this library.")
@click.option("--pkcs11-token", metavar="LABEL", help="The token.")
@click.option("--pkcs11-label", metavar="LABEL", default="device", show_default=True, help="Key pair on the token.")
@click.option("--pkcs11-pin-file", type=click.Path(path_type=Path), help="File that holds the token's user PIN.")
@click.option("--serve-port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Inference port.")
@click.option("--poll-interval", type=click.IntRange(1, 86400), default=300, show_default=True, help="Seconds.")
@click.option("--report-interval", type=click.IntRange(1, 86400), default=3600, show_default=True, help="Seconds.")
def enroll(
    fleet: str,
    device: str,
    hardware_class: str,
    root: Path,
    publication: str,
    reports: str,
    state_dir: Path | None,
    config_dir: Path | None,
    labels: tuple[str, ...],
    pkcs11_module: Path | None,
    pkcs11_token: str | None,
    pkcs11_label: str,
    pkcs11_pin_file: Path | None,
    serve_port: int,
    poll_interval: int,
    report_interval: int,
) -> None:
    """Join a fleet.

    Makes a P-256 key that never leaves this device, keeps the trusted root, writes agent.toml, and prints the Device
    document to merge into the fleet repository. A key that is there already is used, never replaced. With --pkcs11-module
    the key is made on a token, a TPM or a smart card, and cannot be read by anybody.

    Without folders: key and configuration in /etc/ringtide, state in /var/lib/ringtide, where the service looks for them.
    """
    from ringtide_agent.adapters.enrolment_files import keep_root, make_key, write_config
    from ringtide_agent.adapters.git_session import GitAccess
    from ringtide_agent.adapters.mqtt_access import SCHEMES as BROKERS
    from ringtide_agent.adapters.mqtt_access import MqttAccess
    from ringtide_agent.adapters.token_key import make_token_key
    from ringtide_agent.adapters.web_mirror import PREFIX, MirrorAccess
    from ringtide_agent.config import configuration_of
    from ringtide_agent.enroll import Enrolment, agent_toml, device_document, parse_labels
    from ringtide_contract.ids import parse_device_id, parse_name

    folder = (state_dir or _STATE).absolute()
    place = (config_dir or state_dir or _CONFIG).absolute()
    token: dict[str, str] = {}
    if pkcs11_module is not None:
        if pkcs11_token is None or pkcs11_pin_file is None:
            raise click.UsageError("--pkcs11-module needs --pkcs11-token and --pkcs11-pin-file")
        token = {"module": str(pkcs11_module.absolute()), "token": pkcs11_token, "label": pkcs11_label}
        token["pin_file"] = str(pkcs11_pin_file.absolute())
    enrolment = Enrolment(
        fleet=parse_name(fleet),
        device=parse_device_id(device),
        hardware_class=parse_name(hardware_class),
        labels=parse_labels(labels),
        publication=(MirrorAccess if publication.startswith(PREFIX) else GitAccess)(url=publication).url,
        reports=(MqttAccess if reports.startswith(BROKERS) else GitAccess)(url=reports).url,
        state_dir=str(folder),
        key_file=str(place / "device.key"),
        token=token,
        serve_port=serve_port,
        poll_interval_s=poll_interval,
        report_interval_s=report_interval,
    )
    text = agent_toml(enrolment)
    token_key = configuration_of(text, "agent.toml").token_key
    keep_root(root, folder / "trust" / "root.json")
    key = make_key(place / "device.key") if token_key is None else make_token_key(token_key)
    write_config(place / "agent.toml", text)
    click.echo(device_document(enrolment, key), nl=False)
    lies = f"{place}/device.key" if token_key is None else f"key {token_key.label!r} on token {token_key.token!r}"
    click.echo(f"Wrote {place}/agent.toml, {folder}/trust/root.json and {lies}.", err=True)
    click.echo(f"Next: merge the document above as devices/{device}.yaml, publish,", err=True)
    start = (
        "systemctl enable --now ringtide-agent"
        if place == _CONFIG
        else f"ringtide-agent run --config {place}/agent.toml"
    )
    click.echo(f"then: {start}", err=True)
