"""The command `lastlayer`: all services as processes of this machine."""

import sys

import click

from lastlayer.local.export.command import export
from lastlayer.rpc.system.help import CONTEXT, Group, example

# The rest is imported where it is used, so that --help answers at once.


@click.group(
    cls=Group, context_settings=CONTEXT, epilog=example("lastlayer up", "client train photos/", "lastlayer down")
)
@click.version_option(package_name="lastlayer", prog_name="lastlayer", message="%(prog)s %(version)s")
def main() -> None:
    """Run Lastlayer on this machine: its services in the background, or a demonstration."""


@main.command(epilog=example("lastlayer up"))
@click.option(
    "--timeout", default=600.0, metavar="SECONDS", help="How long each service may take to start; 600 if not given."
)
def up(timeout: float) -> None:
    """Fetch the network's weights and start the services: featurizer, classifier and studio.

    Returns once all is served. State lies in $LASTLAYER_HOME (~/.lastlayer); the services take their settings from the
    environment.
    """
    _check_installed()
    from lastlayer.local import background
    from lastlayer.local.services import ServiceError, fetch_weights, from_environment

    try:
        services = from_environment()
        if background.find_pid(services[0]) is None:
            fetch_weights()
        background.up(services, timeout, click.echo)
    except ServiceError as error:
        raise click.ClickException(str(error)) from error
    page = next((service for service in services if service.script == "studio"), None)
    if page is None:
        click.echo("There is no page, as the studio is not installed: pip install 'lastlayer[studio]' does that.")
    click.echo("Next: client train photos/   (a folder with a sub-folder for each class)")
    if page is not None:
        click.echo(f"  or: open http://{page.address} in a browser")


@main.command(epilog=example("lastlayer down"))
def down() -> None:
    """Stop the services; weights, data and models stay."""
    from lastlayer.local import background
    from lastlayer.local.services import ServiceError, from_environment

    try:
        background.down(from_environment(), click.echo)
    except ServiceError as error:
        raise click.ClickException(str(error)) from error


@main.command(epilog=example("lastlayer status"))
def status() -> None:
    """Say how the services are; the exit status is 1 where one does not serve."""
    from lastlayer.local import background
    from lastlayer.local.services import from_environment, home

    states = [background.describe(service) for service in from_environment()]
    for state in states:
        how = "does not run" if state.pid is None else ("serves" if state.serving else "runs, but does not serve yet")
        where = "" if state.pid is None else f" at {state.address} (process {state.pid})"
        click.echo(f"{state.name} {how}{where}")
    click.echo(f"State: {home()}")
    if not all(state.serving for state in states):
        sys.exit(1)


@main.command(epilog=example("lastlayer logs --lines 100"))
@click.option("--lines", default=20, show_default=True, metavar="N", help="How many of the last lines of each log.")
def logs(lines: int) -> None:
    """Show the end of the services' logs."""
    from lastlayer.local.services import from_environment

    for service in from_environment():
        click.echo(f"==> {service.log}")
        if service.log.exists():
            for line in service.log.read_text(errors="replace").splitlines()[-lines:]:
                click.echo(line)


@main.command(epilog=example("lastlayer demo"))
def demo() -> None:
    """Train and try a classifier on real photos, through the real services, and clean up."""
    _check_installed()
    from lastlayer.local.demo import run_demo

    sys.exit(run_demo())


main.add_command(export)


def _check_installed() -> None:
    from lastlayer.rpc.system.extras import explain_missing

    if sentence := explain_missing("featurizer", "classifier"):
        raise click.ClickException(sentence)


if __name__ == "__main__":
    main(prog_name="lastlayer")
