"""`client models`, `client datasets` and `client status`: what the server has, and how it is."""

import functools
from collections.abc import Callable

import click

from lastlayer.client.commands.interface.completion import complete_dataset, complete_model
from lastlayer.client.commands.interface.help import Command, ListingGroup
from lastlayer.client.commands.interface.options import DONE, SERVER_FAILED, server_options, yes_option
from lastlayer.client.commands.interface.questions import confirm
from lastlayer.client.commands.interface.server import Server


def _example(command: str) -> str:
    return f"\b\nExample:\n  {command}"


@click.group(cls=ListingGroup, epilog=_example("client models show flowers"))
def models() -> None:
    """List the models; show, choose or delete their versions."""


@models.command("list", epilog=_example("client models"))
@server_options
def list_models(server: Server, as_json: bool) -> int:
    """List the models by name."""
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_models
    from lastlayer.client.output.results import console

    with server.client() as client:
        found = list(client.list_models())
    if as_json:
        for model in found:
            print_json(result_json(model))
    else:
        print_models(console(), found)
    return DONE


@models.command("show", epilog=_example("client models show flowers"))
@click.argument("model", shell_complete=complete_model)
@server_options
def show_model(model: str, server: Server, as_json: bool) -> int:
    """List the versions of MODEL, the newest first."""
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_versions
    from lastlayer.client.output.results import console

    with server.client() as client:
        known = client.get_model(model)
        versions = list(client.list_versions(model))
    if as_json:
        for version in versions:
            print_json({**result_json(version), "default": version.version == known.default_version})
    else:
        print_versions(console(), known, versions)
    return DONE


@models.command("set-default", epilog=_example("client models set-default flowers 2"))
@click.argument("model", shell_complete=complete_model)
@click.argument("version", type=click.IntRange(min=1))
@server_options
def set_default(model: str, version: int, server: Server, as_json: bool) -> int:
    """Make VERSION the one that predictions of MODEL use."""
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.rpc.observability.escape import escape

    with server.client() as client:
        changed = client.set_default_version(model, version)
    if as_json:
        print_json(result_json(changed))
    else:
        click.echo(f"Model {escape(changed.name)} now uses version {changed.default_version}.")
    return DONE


@models.command("delete", epilog=_example("client models delete flowers --version 1 --yes"))
@click.argument("model", shell_complete=complete_model)
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="Delete this version alone.")
@yes_option()
@server_options
def delete_model(model: str, version: int | None, yes: bool, server: Server, as_json: bool) -> int:
    """Delete MODEL with all its versions, or one version."""
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.rpc.observability.escape import escape

    what = (
        f"model {escape(model)} with all its versions" if version is None else f"version {version} of {escape(model)}"
    )
    confirm(f"Delete {what}?", yes)
    with server.client() as client:
        if version is None:
            client.delete_model(model)
        else:
            client.delete_version(model, version)
    if as_json:
        print_json({"deleted": {"model": model, "version": version}})
    else:
        click.echo(f"Deleted {what}.")
    return DONE


@click.group(cls=ListingGroup, epilog=_example("client datasets show flowers"))
def datasets() -> None:
    """List the datasets; show, export or delete one."""


@datasets.command("list", epilog=_example("client datasets"))
@server_options
def list_datasets(server: Server, as_json: bool) -> int:
    """List the datasets by name."""
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_datasets
    from lastlayer.client.output.results import console

    with server.client() as client:
        found = list(client.list_datasets())
    if as_json:
        for dataset in found:
            print_json(result_json(dataset))
    else:
        print_datasets(console(), found)
    return DONE


@datasets.command("show", epilog=_example("client datasets show flowers"))
@click.argument("dataset", shell_complete=complete_dataset)
@click.option("--examples", is_flag=True, help="List the examples themselves.")
@click.option("--label", default="", metavar="LABEL", help="With --examples: only those with this label.")
@server_options
def show_dataset(dataset: str, examples: bool, label: str, server: Server, as_json: bool) -> int:
    """Show the classes of DATASET, and which examples are not trained on; or list its examples."""
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_dataset, print_examples
    from lastlayer.client.output.results import console

    if label and not examples:
        raise click.UsageError("--label goes with --examples.")
    with server.client() as client:
        if examples:
            found = list(client.list_examples(dataset, label=label))
        else:
            known = client.get_dataset(dataset)
            conflicts = list(client.list_examples(dataset, conflicts_only=True)) if known.conflict_count else []
            stale = list(client.list_examples(dataset, stale_only=True)) if known.stale_count else []
    if examples and as_json:
        for example in found:
            print_json(result_json(example))
    elif examples:
        print_examples(console(), found)
    elif as_json:
        listed = {"conflicting": list(map(result_json, conflicts)), "to_add_again": list(map(result_json, stale))}
        print_json({**result_json(known), **listed})
    else:
        print_dataset(console(), known, conflicts, stale)
    return DONE


@datasets.command("export", epilog=_example("client datasets export flowers --to features/"))
@click.argument("dataset", shell_complete=complete_dataset)
@click.option(
    "--to", required=True, metavar="FOLDER", help="The new folder, a path or a URL such as s3://bucket/features."
)
@server_options
def export_dataset(dataset: str, to: str, server: Server, as_json: bool) -> int:
    """Write the ids, labels and vectors of DATASET as Parquet files, which `client add --features` takes.

    They are those that `featurizer embed` writes, with a manifest.
    """
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.progress import image_progress
    from lastlayer.client.output.resources import print_exported
    from lastlayer.client.output.results import console

    with server.client() as client:
        known = client.get_dataset(dataset)
        with image_progress("Exporting", max(1, known.example_count + known.conflict_count)) as tell:
            exported = client.export_dataset(dataset, to, on_rows=functools.partial(_tell_each, tell))
    if as_json:
        print_json(result_json(exported))
    else:
        print_exported(console(), exported)
    return DONE


def _tell_each(tell: Callable[[object], None], count: int) -> None:
    for _ in range(count):
        tell(None)


@datasets.command("delete", epilog=_example("client datasets delete flowers --yes"))
@click.argument("dataset", shell_complete=complete_dataset)
@yes_option()
@server_options
def delete_dataset(dataset: str, yes: bool, server: Server, as_json: bool) -> int:
    """Delete DATASET with its examples; models that were trained on it stay."""
    from lastlayer.client.output.json_lines import print_json
    from lastlayer.rpc.observability.escape import escape

    confirm(f"Delete dataset {escape(dataset)} with its examples?", yes)
    with server.client() as client:
        client.delete_dataset(dataset)
    if as_json:
        print_json({"deleted": {"dataset": dataset}})
    else:
        click.echo(f"Deleted dataset {escape(dataset)}.")
    return DONE


@click.command(cls=Command, epilog=_example("client status --server classifier.example.org:50052"))
@server_options
def status(server: Server, as_json: bool) -> int:
    """Say whether the server serves, and with which backbone."""
    from lastlayer.client.output.json_lines import print_json, result_json
    from lastlayer.client.output.resources import print_status
    from lastlayer.client.output.results import console

    with server.client() as client:
        known = client.status()
    if as_json:
        print_json(result_json(known))
    else:
        print_status(console(), known)
    return DONE if known.serving else SERVER_FAILED
