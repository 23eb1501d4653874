"""The command `studio`: serves the page and its HTTP door."""

import click

from lastlayer.rpc.system.help import CONTEXT, Group, also, example

# The rest is imported where it is used, so that --help answers at once.


@click.group(cls=Group, context_settings=CONTEXT)
@click.version_option(package_name="lastlayer", prog_name="studio", message="%(prog)s %(version)s")
def main() -> None:
    """Collect photos, train models and try them, in a browser."""


@main.command(epilog=example("studio serve --address 127.0.0.1:8080"))
@click.option("--address", metavar="HOST:PORT", help="HOST:PORT to listen on" + also("STUDIO_ADDRESS"))
@click.option("--classifier", metavar="HOST:PORT", help="HOST:PORT of the classifier" + also("STUDIO_CLASSIFIER"))
def serve(address: str | None, classifier: str | None) -> None:
    """Serve over HTTP until SIGTERM or Ctrl-C.

    All other settings come from environment variables, see docs/reference/settings.md.
    """
    from lastlayer.client.errors import InvalidInputError
    from lastlayer.rpc.observability.logs import setup_logging
    from lastlayer.rpc.settings import SettingsError, load_settings
    from lastlayer.studio.config import StudioSettings
    from lastlayer.studio.server import AddressError, run

    try:
        settings = load_settings(StudioSettings, address=address, classifier=classifier)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    setup_logging(settings.log_level, settings.log_format)
    try:
        run(settings)
    except InvalidInputError as error:
        raise click.UsageError(str(error)) from error
    except AddressError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
