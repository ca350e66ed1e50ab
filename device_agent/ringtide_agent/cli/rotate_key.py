"""`ringtide-agent rotate-key`: another key for a device that stays the same, without a gap in what is believed of it."""

from dataclasses import replace

import click

from ringtide_agent.cli.options import Source, config_options


@click.command("rotate-key")
@config_options
@click.option("--switch", is_flag=True, help="Take the next key into use; do it once its document is merged.")
@click.option("--label", metavar="LABEL", help="Of the next key pair, where keys lie on a token.")
def rotate_key(source: Source, *, switch: bool, label: str | None) -> None:
    """Make the next key and print what `ringtide device rekey` takes; then, with --switch, use it.

    Between the two steps, and until the new key has signed a report, reports of either key are believed.
    """
    from ringtide_agent.adapters.enrolment_files import make_key, next_key_path, switch_key
    from ringtide_agent.adapters.token_key import make_token_key
    from ringtide_agent.enroll import rekeyed_document
    from ringtide_agent.wiring import public_key

    configuration = source.read()
    token, path = configuration.token_key, configuration.key_file
    if token is not None and (switch or label is None):
        raise click.UsageError("on a token: make the next key with --label, then write that label to pkcs11.label")
    if switch:
        switch_key(path)
        click.echo(f"{path} holds the next key now. Next: systemctl restart ringtide-agent", err=True)
        return
    before = public_key(configuration)
    coming = make_key(next_key_path(path)) if token is None else make_token_key(replace(token, label=label or ""))
    click.echo(rekeyed_document(configuration.device, configuration.hardware_class, coming, before), nl=False)
    click.echo("Next: `ringtide device rekey` with the document above in the fleet repository, and merge;", err=True)
    step = "ringtide-agent rotate-key --switch" if token is None else f"write pkcs11.label = {label!r} and restart"
    click.echo(f"then here: {step}", err=True)
