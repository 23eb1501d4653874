"""The command `classifier-svc`: serves datasets and models."""

from pathlib import Path

import click

from lastlayer.rpc.system.help import CONTEXT, Group, also, example

# The rest is imported where it is used, so that --help answers at once.


@click.group(cls=Group, context_settings=CONTEXT)
@click.version_option(package_name="lastlayer", prog_name="classifier-svc", message="%(prog)s %(version)s")
def main() -> None:
    """Train and serve image classifiers on the features of a frozen network."""
    from lastlayer.rpc.system.extras import explain_missing

    if sentence := explain_missing("classifier"):
        raise click.ClickException(sentence)


@main.command(epilog=example("classifier-svc serve --featurizer dns:///featurizer:50051"))
@click.option("--address", metavar="HOST:PORT", help="HOST:PORT to listen on" + also("CLASSIFIER_ADDRESS"))
@click.option(
    "--featurizer", metavar="TARGET", help="HOST:PORT or gRPC target of the featurizer" + also("CLASSIFIER_FEATURIZER")
)
@click.option("--store-url", metavar="URL", help="SQLAlchemy URL of the store" + also("CLASSIFIER_STORE_URL"))
def serve(address: str | None, featurizer: str | None, store_url: str | None) -> None:
    """Serve over gRPC until SIGTERM or Ctrl-C.

    All other settings come from environment variables, see docs/reference/settings.md.
    """
    import asyncio

    from lastlayer.classifier.server import running
    from lastlayer.classifier.service.config import ClassifierSettings
    from lastlayer.classifier.store.database import StoreOpenError, StoreUrlError
    from lastlayer.rpc.credentials.tls import CredentialsError
    from lastlayer.rpc.errors import BindError
    from lastlayer.rpc.observability import traces
    from lastlayer.rpc.observability.logs import setup_logging
    from lastlayer.rpc.server.lifecycle import run_until_signal
    from lastlayer.rpc.settings import SettingsError, load_settings

    try:
        settings = load_settings(ClassifierSettings, address=address, featurizer=featurizer, store_url=store_url)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    setup_logging(settings.log_level, settings.log_format)
    try:
        with traces.export("classifier"):
            asyncio.run(run_until_signal(running(settings)))
    except (StoreUrlError, CredentialsError) as error:
        raise click.UsageError(str(error)) from error
    except (BindError, StoreOpenError) as error:
        raise click.ClickException(str(error)) from error


@main.command(epilog=example("classifier-svc backup lastlayer-monday.db"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--store-url", metavar="URL", help="SQLAlchemy URL of the store" + also("CLASSIFIER_STORE_URL"))
def backup(file: Path, store_url: str | None) -> None:
    """Copy the store to FILE, while it is served or not.

    FILE is new, and holds all that was acknowledged before. This is for SQLite; PostgreSQL has pg_dump.
    """
    from lastlayer.classifier.service.config import ClassifierSettings
    from lastlayer.classifier.store.database import StoreUrlError
    from lastlayer.classifier.store.operation.backup import BackupError, back_up
    from lastlayer.rpc.settings import SettingsError, load_settings

    try:
        size = back_up(load_settings(ClassifierSettings, store_url=store_url).store, file)
    except (SettingsError, StoreUrlError) as error:
        raise click.UsageError(str(error)) from error
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Written: {file} ({size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
