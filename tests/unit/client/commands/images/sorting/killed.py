"""Kills sortings, and undoings, by SIGKILL before each thing that they do to the disk; a program, as it forks.

It prints how many steps there were. What is not as it should be ends it with an AssertionError.
"""

import errno
import itertools
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lastlayer.client.commands.images.sorting.journal import JOURNAL
from tests.unit.client.commands.images.sorting.sortings import PHOTOS, SORTED, sort, take_back, tree, write_photos

STEPS = ("fsync", "link", "mkdir", "open", "replace", "rmdir", "unlink", "write")
"""The functions of `os` that change files, or open them."""

real = {name: getattr(os, name) for name in STEPS}


def killed(work: Callable[[], object], step: int) -> bool:
    """Do something in a process that is killed before its `step`th step; return whether it came so far."""
    child = os.fork()
    if not child:
        steps = iter(range(step))

        def patch(name: str) -> None:
            patched = getattr(os, name)

            def stepped(*arguments: Any, **options: Any) -> Any:
                if next(steps, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                if name == "write" and next(steps, None) is None:  # half a line is on the disk when the end comes
                    real["write"](arguments[0], arguments[1][: len(arguments[1]) // 2])
                    os.kill(os.getpid(), signal.SIGKILL)
                return patched(*arguments, **options)

            setattr(os, name, stepped)

        for name in STEPS:
            patch(name)
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0 or os.WIFSIGNALED(status), status
    return os.WIFSIGNALED(status)


def another_device(source: Path, target: Path) -> None:
    """`os.link` where the folders of the photos and those that they go to are on different disks."""
    if ("inbox" in source.parts) != ("inbox" in target.parts):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    real["link"](source, target)


def no_links(source: Path, target: Path) -> None:
    """`os.link` where there are no hard links."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)


def check(part: str, step: int, *, move: bool) -> bool:
    """Kill a sorting or an undoing before a step; go on with it and take it back. Return whether it came so far."""
    with tempfile.TemporaryDirectory() as folder:
        inbox, out = Path(folder) / "inbox", Path(folder) / "out"
        write_photos(inbox)
        if part == "undo":
            sort(inbox, out, move=move)
        if not killed(lambda: take_back(out) if part == "undo" else sort(inbox, out, move=move), step):
            return False
        there = [*tree(inbox).values(), *(tree(out).values() if move else ())]
        assert set(PHOTOS.values()) <= set(there), (step, there)
        if part == "sort" and step % 2:  # every other one is taken back as it is
            sort(inbox, out, move=move)
            sorted_now = tree(out)
            assert sorted_now.pop("scores.tsv").count("\n") == len(PHOTOS) + 1
            sorted_now.pop(JOURNAL)
            assert sorted_now == SORTED, (step, sorted_now)
            assert move is not (tree(inbox) == PHOTOS)
        if (out / JOURNAL).exists():
            undone = take_back(out)
            assert not undone.left, (step, undone.left)
        assert tree(inbox) == PHOTOS, (step, tree(inbox))
        assert tree(out) == {}, (step, tree(out))
        return True


def main() -> None:
    setattr(os, "fsync", lambda _: None)  # noqa: B010 - what is tested is the order of steps, and not the disk
    setattr(os, "link", {"links": os.link, "another_device": another_device, "no_links": no_links}[sys.argv[1]])  # noqa: B010
    for move, part in itertools.product((False, True), ("sort", "undo")):
        steps = next(step for step in itertools.count() if not check(part, step, move=move))
        print("move" if move else "copy", part, steps)


if __name__ == "__main__":
    main()
