"""Options that are given as `NAME=VALUE`, several times."""

from collections.abc import Mapping

import click


def pairs(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:  # noqa: ARG001
    """Read `NAME=VALUE`, each name once."""
    pairs: dict[str, str] = {}
    for each in values:
        name, sign, value = each.partition("=")
        if not (name and sign and value):
            raise click.BadParameter(f"{each!r} is not NAME=VALUE")
        if name in pairs:
            raise click.BadParameter(f"{name} is given twice")
        pairs[name] = value
    return pairs


def classes(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> Mapping[str, tuple[str, str]]:  # noqa: ARG001
    """Read `CLASS:p95=LATENCY,memory=SIZE`, each class once."""
    classes: dict[str, tuple[str, str]] = {}
    for each in values:
        name, _, rest = each.partition(":")
        costs = dict(part.partition("=")[::2] for part in rest.split(","))
        if not name or rest.count(",") != 1 or costs.keys() != {"p95", "memory"}:
            raise click.BadParameter(f"{each!r} is not CLASS:p95=20ms,memory=160MiB")
        if name in classes:
            raise click.BadParameter(f"{name} is given twice")
        classes[name] = costs["p95"], costs["memory"]
    return classes
