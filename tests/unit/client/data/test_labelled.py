"""Labelled images out of tables and folders, and every way in which they can be wrong."""

import contextlib
import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lastlayer.classifier.service.validation import check_label
from lastlayer.client import DataError, read_data
from lastlayer.client.data.labelled import label_problem
from lastlayer.rpc.errors import InvalidFieldError
from tests.shared import SHARED, needs_shared

PATHS = st.from_regex(r"[a-zA-Z0-9,é][a-zA-Z0-9 ,é]{0,20}\.jpg", fullmatch=True)
LABELS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Z")) | st.sampled_from(' ",'), min_size=1, max_size=30
).filter(lambda label: label == label.strip())


def table(folder: Path, content: str | bytes, name: str = "tags.tsv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pairs(source: Path) -> list[tuple[str, str]]:
    return [(example.name, example.label) for example in read_data(source).examples]


def problems(source: Path, images: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(DataError) as caught:
        read_data(source, images)
    return caught.value.problems


class TestTables:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("tags.tsv", "a.jpg\tcat\nb c.png\tgroßer Hund\n"),
            ("tags.tsv", "a.jpg\tcat\r\nb c.png\tgroßer Hund"),
            ("tags.tsv", "a.jpg\tcat\rb c.png\tgroßer Hund\r"),
            ("tags.tsv", "\ufeffa.jpg\tcat\n\n  \nb c.png\tgroßer Hund\n\n"),
            ("tags.tsv", "a.jpg\tcat\t   \nb c.png\tgroßer Hund\t  \t    \n"),
            ("tags.tsv", "ImagePath\tLabel\na.jpg\tcat\nb c.png\tgroßer Hund\n"),
            ("tags.txt", "image_path\tclass\na.jpg\tcat\nb c.png\tgroßer Hund\n"),
            ("tags.csv", "a.jpg,cat\nb c.png,großer Hund\n"),
            ("tags.csv", '\ufefffile,category\r\n"a.jpg", "cat"  \r\n"b c.png","großer Hund",\r\n'),
            ("tags.csv", "a.jpg\tcat\nb c.png\tgroßer Hund\n"),
            ("tags.tsv", "a.jpg,cat\nb c.png,großer Hund\n"),
            ("tags", "a.jpg,cat\nb c.png,großer Hund\n"),
        ],
    )
    def test_forms(self, tmp_path: Path, name: str, content: str) -> None:
        data = read_data(table(tmp_path, content, name))
        assert [(example.image, example.label) for example in data.examples] == [
            (tmp_path / "a.jpg", "cat"),
            (tmp_path / "b c.png", "großer Hund"),
        ]
        assert data.trimmed == 0

    def test_trimming_is_counted(self, tmp_path: Path) -> None:
        data = read_data(table(tmp_path, "a.jpg\tcat  \nb.jpg\t cat\nc.jpg\tcat\t \n"))
        assert [example.label for example in data.examples] == ["cat"] * 3
        assert data.trimmed == 2

    def test_a_header_is_told(self, tmp_path: Path) -> None:
        source = table(tmp_path, "photo,animal\na.jpg,cat\n", "tags.csv")
        assert read_data(source).notes == (f"Line 1 of {source} was read as the header.",)

    def test_a_file_with_the_name_of_a_column_is_no_header(self, tmp_path: Path) -> None:
        (tmp_path / "image").touch()
        assert pairs(table(tmp_path, "image\tlabel\n")) == [("image", "label")]
        assert pairs(table(tmp_path, "class.jpg\tclass\n")) == [("class.jpg", "class")]

    def test_quotes_are_for_csv_alone(self, tmp_path: Path) -> None:
        assert pairs(table(tmp_path, 'a.jpg\t"cat\n')) == [("a.jpg", '"cat')]
        source = table(tmp_path, '"a,1.jpg","the ""cat"", asleep"\n', "tags.csv")
        assert pairs(source) == [("a,1.jpg", 'the "cat", asleep')]

    def test_paths_are_relative_to_the_table_or_the_folder_named(self, tmp_path: Path) -> None:
        images = tmp_path / "images"
        images.mkdir()
        source = table(tmp_path, f"a.jpg\tcat\n{tmp_path}/b.jpg\tcat\n")
        assert [example.image for example in read_data(source, images).examples] == [
            images / "a.jpg",
            tmp_path / "b.jpg",
        ]

    def test_all_problems_are_told_with_their_lines(self, tmp_path: Path) -> None:
        content = (
            b"a.jpg\tcat\n"
            b"b.jpg\n"
            b"c.jpg\tchat \xe9gar\xe9\n"
            b"\n"
            b"d.jpg\t  \n"
            b"e.jpg\tcat\tdog\n"
            b"\tcat\n"
            b"f.jpg\tc\x07at\n"
            b"g.jpg\t" + b"x" * 257 + b"\n"
        )
        source = table(tmp_path, content)
        shape = "a line is a path, a tab and a label"
        assert problems(source) == (
            f"{source}, line 2: there is no label; {shape}.",
            f"{source}, line 3: byte 0xe9 is not UTF-8, which is what is accepted; save it so.",
            f"{source}, line 5: the label is empty.",
            f"{source}, line 6: there is a third column; {shape}, and nothing more.",
            f"{source}, line 7: there is no path; {shape}.",
            f"{source}, line 8: the label has a control character, such as a line break or a tab.",
            f"{source}, line 9: the label has 257 characters; at most 256 are accepted.",
        )

    def test_a_label_is_what_the_service_says(self) -> None:
        """The client's rule and the service's agree on every character, and on every length."""
        characters = [*map(chr, range(0x3000)), "\ud800", "\udfff", "\ufeff", "\U0001f986", "\U0010ffff"]
        for label in [*(f"a{character}b" for character in characters), *("x" * length for length in (0, 1, 256, 257))]:
            try:
                check_label("label", label)
                accepted = True
            except InvalidFieldError:
                accepted = False
            assert (label_problem(label) == "") == accepted, ascii(label)

    def test_broken_quotes(self, tmp_path: Path) -> None:
        source = table(tmp_path, 'a.jpg,cat\nb.jpg,"cat"s\nc.jpg,"cat\nd.jpg,cat\n', "tags.csv")
        first, second = problems(source)
        assert first.startswith(f"{source}, line 2: the quotes are not those of a CSV file")
        assert second.startswith(f"{source}, line 3: the quotes are not those of a CSV file")

    def test_a_quoted_line_break_is_no_label_and_lines_go_on_counting(self, tmp_path: Path) -> None:
        source = table(tmp_path, 'a.jpg,"c\nat"\nb.jpg\n', "tags.csv")
        first, second = problems(source)
        assert first.startswith(f"{source}, line 1: the label has a control character")
        assert second.startswith(f"{source}, line 3: there is no label")

    def test_what_is_no_table(self, tmp_path: Path) -> None:
        assert "is in UTF-16" in problems(table(tmp_path, "a.jpg\tcat\n".encode("utf-16")))[0]
        assert "is no text" in problems(table(tmp_path, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"))[0]
        assert "no lines of path and label" in problems(table(tmp_path, "path\tlabel\n\n"))[0]
        assert "There is no file or folder" in problems(tmp_path / "none.tsv")[0]
        assert "There is no folder" in problems(table(tmp_path, "a.jpg\tcat\n"), tmp_path / "none")[0]

    @settings(deadline=None)
    @given(st.lists(st.tuples(PATHS, LABELS), min_size=1, max_size=20))
    def test_what_is_written_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
    ) -> None:
        folder = tmp_path_factory.mktemp("tables")
        assert pairs(table(folder, "".join(f"{path}\t{label}\n" for path, label in rows))) == rows
        written = io.StringIO()
        csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)
        assert pairs(table(folder, written.getvalue(), "tags.csv")) == rows

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_refused(self, tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
        folder = tmp_path_factory.mktemp("tables")
        for name in ("tags.tsv", "tags.csv"):
            with contextlib.suppress(DataError):
                assert read_data(table(folder, content, name)).examples


class TestFolders:
    def test_a_sub_folder_is_a_class(self, tmp_path: Path) -> None:
        for name in (
            "dog/b.JPG",
            "dog/a.png",
            "dog/puppies/c.webp",
            "dog/.DS_Store",
            "dog/notes.txt",
            "cat/a.jpeg",
            ".hidden/x.jpg",
            "LICENSE.txt",
            "loose.jpg",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "empty ").mkdir()
        data = read_data(tmp_path)
        assert [(example.name, example.label) for example in data.examples] == [
            ("cat/a.jpeg", "cat"),
            ("dog/a.png", "dog"),
            ("dog/b.JPG", "dog"),
            ("dog/puppies/c.webp", "dog"),
        ]
        assert data.examples[0].image == tmp_path / "cat" / "a.jpeg"
        assert data.notes == (
            f"The folder {tmp_path / 'empty '} holds no images.",
            "3 files that are no images of a class were passed over (.txt, .jpg).",
        )

    @pytest.mark.skipif(os.name != "posix", reason="links and pipes are made as on POSIX")
    def test_links_are_followed_but_not_in_circles(self, tmp_path: Path) -> None:
        photos = tmp_path / "photos"
        elsewhere = tmp_path / "elsewhere"
        (photos / "cat").mkdir(parents=True)
        elsewhere.mkdir()
        (elsewhere / "a.jpg").touch()
        (photos / "cat" / "b.jpg").touch()
        (photos / "cat" / "self").symlink_to(photos / "cat")
        (photos / "cat" / "up").symlink_to(photos)
        (photos / "cat" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
        os.mkfifo(photos / "cat" / "pipe.jpg")
        (photos / "dog").symlink_to(elsewhere)
        assert pairs(photos) == [("cat/b.jpg", "cat"), ("cat/gone.jpg", "cat"), ("dog/a.jpg", "dog")]

    def test_labels_are_trimmed(self, tmp_path: Path) -> None:
        (tmp_path / " cat").mkdir()
        (tmp_path / " cat" / "a.jpg").touch()
        data = read_data(tmp_path)
        assert (data.examples[0].label, data.trimmed) == ("cat", 1)

    def test_what_is_no_folder_of_classes(self, tmp_path: Path) -> None:
        assert "has no sub-folders; give one for each class" in problems(tmp_path)[0]
        (tmp_path / "a.jpg").touch()
        assert f"say what: {tmp_path} --label {tmp_path.name}." in problems(tmp_path)[0]
        (tmp_path / "a.jpg").unlink()
        (tmp_path / "cat").mkdir()
        assert "hold no images" in problems(tmp_path)[0]
        assert "--images goes with a TSV, CSV or JSON file" in problems(tmp_path, tmp_path)[0]


@needs_shared
class TestSharedData:
    def test_the_tutorials_tags(self) -> None:
        train = read_data(SHARED / "data" / "tutorial" / "tags.tsv")
        test = read_data(SHARED / "data" / "tutorial" / "test-tags.tsv")
        assert len(train.examples) == 8
        assert [example.label for example in test.examples] == ["food", "food", "toy"]
        assert test.trimmed == 1
        assert all(Path(str(example.image)).is_file() for example in (*train.examples, *test.examples))

    def test_the_flowers(self) -> None:
        data = read_data(SHARED / "data" / "flowers")
        assert len(data.examples) == 200
        assert len({example.label for example in data.examples}) == 5
        assert data.notes == ("1 file that is no image of a class was passed over (.txt).",)
