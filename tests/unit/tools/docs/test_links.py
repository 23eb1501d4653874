"""What is wrong with a site is found, and what is right is not."""

from pathlib import Path

import pytest

from tools.docs.links import check


def site(folder: Path, **bodies: str) -> Path:
    (folder / "sub").mkdir()
    (folder / "style.css").write_text("body { background: url(picture.png) }")
    (folder / "other.html").write_text('<h1 id="there">Other</h1>')
    for name, body in bodies.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return folder


def test_what_is_right_is_counted(tmp_path: Path) -> None:
    page = (
        '<a href="other.html#there">x</a><a href="#">top</a><a href="https://example.org/">elsewhere</a>'
        '<link rel="stylesheet" href="style.css"><img src="data:image/png;base64,AA==">'
        '<a href="mailto:x@example.org">m</a>'
    )
    found = check(site(tmp_path, page=page))
    assert (found.pages, found.links, found.mistakes) == (2, 3, [])


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        ('<a href="gone.html">x</a>', "page.html links to gone.html, which is not there."),
        ('<a href="other.html#gone">x</a>', "page.html links to other.html#gone, and that page has no such anchor."),
        ('<a href="#gone">x</a>', "page.html links to #gone, and that page has no such anchor."),
        ('<a href="sub/">x</a>', "page.html links to sub/, a folder, which does not open from the file system."),
        ('<img src="gone.png">', "page.html links to gone.png, which is not there."),
        (
            '<script src="https://example.org/x.js"></script>',
            "page.html asks another host for https://example.org/x.js.",
        ),
        ('<link href="//example.org/x.css">', "page.html asks another host for //example.org/x.css."),
    ],
)
def test_what_is_wrong_is_found(body: str, mistake: str, tmp_path: Path) -> None:
    assert check(site(tmp_path, page=body)).mistakes == [mistake]


def test_a_style_that_asks_another_host_is_found(tmp_path: Path) -> None:
    folder = site(tmp_path)
    (folder / "style.css").write_text('@font-face { src: url("https://example.org/font.woff2") }')
    assert check(folder).mistakes == ["style.css asks another host for https://example.org/font.woff2."]
