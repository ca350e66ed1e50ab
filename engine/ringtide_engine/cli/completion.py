"""`ringtide completion`."""

import click

from ringtide_engine.cli.exits import OK


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the script that completes verbs, options and names of the fleet in SHELL.

    \b
    bash:  eval "$(ringtide completion bash)"      in ~/.bashrc
    zsh:   eval "$(ringtide completion zsh)"       in ~/.zshrc, after compinit
    fish:  ringtide completion fish > ~/.config/fish/completions/ringtide.fish
    """  # noqa: D301  # click reads the sign \b, not the two characters
    from click.shell_completion import ShellComplete, get_completion_class

    from ringtide_engine.cli.main import COMPLETE, PROGRAM, ringtide

    made = get_completion_class(shell)
    assert made is not None  # noqa: S101  # the choices are click's own
    # The base's source: bash's would first run bash, to learn its version.
    click.echo(ShellComplete.source(made(ringtide, {}, PROGRAM, COMPLETE)), nl=False)
    return OK
