"""Names of folders and files that are safe wherever they come to lie."""

import unicodedata

import pytest

from lastlayer.client.commands.images.sorting.names import fold, folder_name, name_folders, numbered


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("roses", "roses"),
        ("Tulpen & Nelken", "Tulpen & Nelken"),
        ("a/b", "a_b"),
        ("..", "__"),
        (".", "_"),
        ("../../etc", "___.._etc"),
        (".git", "_git"),
        ("/", "_"),
        ("C:\\x", "C__x"),
        ('a*b?c"d<e>f|g', "a_b_c_d_e_f_g"),
        ("line\nbreak\0", "line_break_"),
        ("\u202egpj", "_gpj"),
        ("dots...", "dots___"),
        ("blank ", "blank"),
        ("  ", "_"),
        ("con", "_con"),
        ("CON.txt", "_CON.txt"),
        ("lpt1", "_lpt1"),
        ("COM\u00b2", "_COM\u00b2"),
        ("console", "console"),
        ("cafe\u0301", "caf\u00e9"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
        ("\ud800", "_"),
    ],
)
def test_folder_names(label: str, name: str) -> None:
    assert folder_name(label) == name


@pytest.mark.parametrize("label", ["x" * 1000, "\u00e4" * 300, "\U0001f600" * 100, "." * 300, "a" * 199 + ". b"])
def test_long_names_are_cut(label: str) -> None:
    name = folder_name(label)
    assert 0 < len(name.encode()) <= 200
    assert name == name.rstrip(". ")
    assert not name.startswith(".")


def test_no_two_classes_share_a_folder_on_any_file_system() -> None:
    labels = [
        "Cat",
        "cat",
        "CAT-2",
        "stra\u00dfe",
        "STRASSE",
        "caf\u00e9",
        "cafe\u0301 ",
        "unknown",
        "Unknown",
        "x" * 300,
        "x" * 301,
    ]
    names = name_folders(labels, given={})
    assert names[None] == "unknown"
    assert len({fold(name) for name in names.values()}) == len(labels) + 1
    assert [names[label] for label in ("Cat", "cat", "CAT-2", "unknown", "Unknown")] == [
        "Cat", "cat-2", "CAT-2-2", "unknown-2", "Unknown-3",
    ]  # fmt: skip


def test_names_that_were_given_stay_and_folders_that_are_there_are_used() -> None:
    decomposed = unicodedata.normalize("NFD", "caf\u00e9")
    names = name_folders(
        ["dog", "cat", "caf\u00e9", "inbox"],
        given={"dog": "cat"},
        folders=["CAT-2", decomposed],
        taken=["Inbox", "scores.tsv"],
    )
    assert names == {"dog": "cat", None: "unknown", "cat": "CAT-2", "caf\u00e9": decomposed, "inbox": "inbox-2"}


def test_numbered_names() -> None:
    assert [numbered("a.b.jpg", number) for number in (1, 2, 10)] == ["a.b.jpg", "a.b-2.jpg", "a.b-10.jpg"]
    long = "\u00e4" * 125 + ".jpg"
    assert len(numbered(long, 2).encode()) <= 255
    assert numbered("\udcff.jpg", 2) == "\udcff-2.jpg"
