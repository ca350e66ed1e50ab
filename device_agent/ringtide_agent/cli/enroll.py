"""`ringtide-agent enroll`: make the device's key here, and print what the fleet owner merges."""

from pathlib import Path

import click

_STATE, _CONFIG = Path("/var/lib/ringtide"), Path("/etc/ringtide")


@click.command()
@click.option("--fleet", required=True, help="Fleet to join.")
@click.option("--device", required=True, help="Id of this device in it.")
@click.option("--hardware-class", required=True, help="Hardware class of this device.")
@click.option("--root", required=True, type=click.Path(path_type=Path), help="Trusted root, `trust/1.root.json`.")
@click.option("--publication", required=True, metavar="URL", help="Repository with publications.")
@click.option("--reports", required=True, metavar="URL", help="Repository that takes reports.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Folder for state, and for key and configuration.")
@click.option("--config-dir", type=click.Path(path_type=Path), help="Folder for key and configuration alone.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of this device; repeatable.")
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
    serve_port: int,
    poll_interval: int,
    report_interval: int,
) -> None:
    """Join a fleet.

    Makes a P-256 key that never leaves this device, keeps the trusted root, writes agent.toml, and prints the Device
    document to merge into the fleet repository. A key that is there already is used, never replaced.

    Without folders: key and configuration in /etc/ringtide, state in /var/lib/ringtide, where the service looks for them.
    """
    from ringtide_agent.adapters.enrolment_files import keep_root, make_key, write_config
    from ringtide_agent.adapters.git_session import GitAccess
    from ringtide_agent.config import configuration_of
    from ringtide_agent.enroll import Enrolment, agent_toml, device_document, parse_labels
    from ringtide_contract.ids import parse_device_id, parse_name

    folder = (state_dir or _STATE).absolute()
    place = (config_dir or state_dir or _CONFIG).absolute()
    enrolment = Enrolment(
        fleet=parse_name(fleet),
        device=parse_device_id(device),
        hardware_class=parse_name(hardware_class),
        labels=parse_labels(labels),
        publication=GitAccess(url=publication).url,
        reports=GitAccess(url=reports).url,
        state_dir=str(folder),
        key_file=str(place / "device.key"),
        serve_port=serve_port,
        poll_interval_s=poll_interval,
        report_interval_s=report_interval,
    )
    text = agent_toml(enrolment)
    configuration_of(text, "agent.toml")
    keep_root(root, folder / "trust" / "root.json")
    key = make_key(place / "device.key")
    write_config(place / "agent.toml", text)
    click.echo(device_document(enrolment, key), nl=False)
    click.echo(f"Wrote {place}/agent.toml, {place}/device.key and {folder}/trust/root.json.", err=True)
    click.echo(f"Next: merge the document above as devices/{device}.yaml, publish,", err=True)
    start = (
        "systemctl enable --now ringtide-agent"
        if place == _CONFIG
        else f"ringtide-agent run --config {place}/agent.toml"
    )
    click.echo(f"then: {start}", err=True)
