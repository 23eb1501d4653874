"""Reads DATA, and asks where it is a folder that can be meant in several ways."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lastlayer.client.data.labelled import Data


def read_argument(
    source: Path, images: Path | None, label: str, *, held_out: bool = False, multi_label: bool = False
) -> "Data":
    """Return the labelled images of DATA; raises `DataError` before anything is sent where there is something wrong.

    Where DATA has the folders `train` and `test`, asks whether one of them is meant: the last one with `held_out`.
    """
    from lastlayer.client.commands.interface.questions import ask, can_ask
    from lastlayer.client.data.folders import find_splits
    from lastlayer.client.data.labelled import read_data
    from lastlayer.rpc.observability.escape import escape

    if not label and source.is_dir() and can_ask() and (splits := find_splits(source)):
        chosen = source / splits[-1 if held_out else 0]
        folders = " and ".join(map(escape, splits))
        click.echo(f"{escape(str(source))} has the folders {folders}: parts of a data set, and no classes.", err=True)
        ask(f"Use {escape(str(chosen))}?")
        source = chosen
    return read_data(source, images, label=label, multi_label=multi_label)
