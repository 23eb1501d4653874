"""Which pages there are, in which order, and what is said of them in a line."""

import pytest

from tests.markdown import ROOT
from tools.docs import llms
from tools.docs.pages import arrange, summary_of, title_of, written
from tools.docs.relink import relink, repository

MAX_ENTRIES = 12


def test_pages_are_in_sections_in_order() -> None:
    top = arrange(
        ["zoo/a.md", "reference/b.md", "how-to/z.md", "how-to/studio.md", "how-to/clients/python.md", "index.md"]
    )
    assert top.pages == ["index.md"]
    assert [section.title for section in top.sections] == ["How-to", "Reference", "Zoo"]
    assert top.sections[0].pages == ["how-to/studio.md", "how-to/z.md"]
    assert [section.title for section in top.sections[0].sections] == ["Call it"]


def test_no_folder_of_pages_has_more_entries_than_can_be_taken_in_at_a_glance() -> None:
    folders = [ROOT / "docs", *(path for path in (ROOT / "docs").rglob("*") if path.is_dir())]
    assert {
        folder.name: len(list(folder.iterdir())) for folder in folders if len(list(folder.iterdir())) > MAX_ENTRIES
    } == {}


def test_the_title_and_the_first_sentence() -> None:
    page = "# Saying `unknown`\n\n<!-- a mark -->\n\nA [classifier](x.md) that\nknows. And more.\n"
    assert (title_of(page), summary_of(page)) == ("Saying unknown", "A classifier that knows.")
    assert summary_of("# Limits\n\n| a | b |\n") == ""


def test_a_page_without_a_heading_is_an_error() -> None:
    with pytest.raises(ValueError, match="no heading"):
        title_of("text\n")


def test_llms_txt_names_every_page() -> None:
    text = llms.contents()
    assert [path for path in written() if f"](docs/{path})" not in text] == []
    assert text.startswith("# Lastlayer\n\n> ")


def test_the_readme_leads_to_every_page_but_those_that_its_sections_lead_to() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [path for path in written() if f"](docs/{path})" not in readme]
    assert [path for path in missing if not path.startswith(("tutorial/", "how-to/"))] == ["explanation/calibration.md"]


@pytest.mark.parametrize(
    ("markdown", "path", "expected"),
    [
        ("[x](docs/how-to/studio.md#y)", "index.md", "[x](how-to/studio.md#y)"),
        ("![x](docs/assets/studio.png)", "index.md", "![x](assets/studio.png)"),
        ("[x](../../SECURITY.md)", "how-to/studio.md", "[x](../project/security.md)"),
        ("[`x`](../../LICENSE), [y](https://example.org/)", "how-to/studio.md", "`x`, [y](https://example.org/)"),
        ("[x](#y)\n```sh\n[x](z)\n```\n", "how-to/studio.md", "[x](#y)\n```sh\n[x](z)\n```\n"),
    ],
)
def test_links_lead_to_where_the_site_has_what_they_name(markdown: str, path: str, expected: str) -> None:
    assert relink(markdown, path) == expected


def test_the_site_has_the_pages_of_the_repository_each_in_a_place_of_its_own() -> None:
    places = repository()
    assert places["README.md"] == "index.md"
    assert places["CHANGELOG.md"] == "project/changelog.md"
    assert places["deploy/README.md"] == "project/deploy/README.md"
    assert places["deploy/ray/README.md"] == "project/deploy/ray.md"
    assert len(set(places.values())) == len(places)
