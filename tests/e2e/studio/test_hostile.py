"""Names that would be scripts, tokens and what they let see, and pages of strangers."""

import base64
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from PIL import Image
from playwright.sync_api import Browser, Error, expect

from lastlayer.client import Client
from lastlayer.rpc.errors import PermissionDeniedError, UnauthenticatedError
from tests.e2e.studio.conftest import Opened, excess, pixels
from tests.e2e.studio.test_access import violations
from tests.integration.client.fake_classifier import FakeClassifier, running
from tests.integration.studio.conftest import serving

HOSTILE = ('<img src=x onerror="alert(1)">', "<script>alert(2)</script>", "javascript:alert(3)//" + "W" * 200)


@pytest.mark.long
def test_labels_that_would_be_html_are_text_everywhere(opened: Opened, classifier: str, tmp_path: Path) -> None:
    with Client(classifier) as client:
        for label, colour in zip(HOSTILE, ("red", "blue", "green"), strict=True):
            photos = [(Image.fromarray(pixels(colour, number)), label) for number in range(5)]
            client.add_examples(photos, dataset="hostile")
        wrong = Image.fromarray(pixels("red", 40))
        client.add_examples([(wrong, HOSTILE[1])], dataset="hostile")
        client.add_examples([(Image.fromarray(pixels("red", 0)), HOSTILE[1])], dataset="hostile")  # in two classes
        client.train("hostile")
    page = opened("hostile/collect", width=400)
    expect(page.locator(".conflicts")).to_be_visible()
    assert sorted(page.locator(".column h2").all_inner_texts()) == sorted(HOSTILE)
    page.locator("button.thumb").first.click()
    assert excess(page) == 0
    page.get_by_role("button", name=f"Rename {HOSTILE[0]}").click()
    page.get_by_label("New name").press("Escape")
    for view in ("label", "map", "train", "mend", "try", "take"):
        page.goto(page.url.rpartition("/")[0] + f"/{view}")
        expect(page.locator("h1")).to_have_text(view.capitalize())
        page.wait_for_load_state("networkidle")
        if view == "map":
            expect(page.locator(".mapping")).to_be_visible()
            page.get_by_text("The map in words").click()
            page.locator(".tables .link").first.click()
            expect(page.locator(".opened-photo h2")).to_be_focused()
        if view == "train":
            page.locator(".confusion .wrong").first.click()
            expect(page.locator(".opened .mapped").first).to_be_visible()
        if view == "try":
            wrong.save(tmp_path / "<b>new.jpg")
            page.get_by_label("Choose photos to try").set_input_files(tmp_path / "<b>new.jpg")
            expect(page.locator(".answer")).to_have_text(HOSTILE[0])
        assert excess(page) == 0, view
        assert page.locator("main img[src=x], main script, main b b").count() == 0


def test_a_long_name_of_a_project_fits_on_a_phone(opened: Opened) -> None:
    page = opened(f"{'W' * 63}/collect", width=400)
    expect(page.locator("#project")).to_have_value("W" * 63)
    assert excess(page) == 0


class Guarded(FakeClassifier):
    """Asks for a token: `all` may do everything, `some` may predict."""

    def _begin(self, method: str, context: grpc.ServicerContext, request: object = None) -> Iterator[bool]:
        known = dict(context.invocation_metadata()).get("authorization", "")
        if known not in ("Bearer all", "Bearer some"):
            self._fail(UnauthenticatedError("The call has no valid token."), context)
        if known == "Bearer some" and method == "ListDatasets":
            self._fail(PermissionDeniedError("The token is not for this."), context)
        return super()._begin(method, context, request)


@pytest.fixture
def guarded() -> Iterator[str]:
    with running(Guarded()) as classifier, serving(classifier) as address:
        yield f"http://{address}"


@pytest.mark.long
def test_a_token_opens_what_its_scope_is_for_and_stays_in_the_tab(opened: Opened, guarded: str) -> None:
    page = opened("default/collect", address=guarded)
    expect(page.locator("h1")).to_have_text("A token, please")
    assert page.locator("nav a").count() == 0
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Paste the token first.")
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("does not know this token")
    assert violations(page) == []
    page.get_by_label("Token").fill("some")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Try")
    assert page.locator("nav a").all_inner_texts() == ["Try"]
    page.get_by_role("button", name="Token").click()
    page.get_by_label("The token to use from now on").fill("all")
    page.keyboard.press("Enter")
    expect(page.locator("nav a")).to_have_count(7)
    expect(page.locator("dialog")).to_have_count(0)
    kept = page.evaluate("[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie]")
    assert '"lastlayer.token":"all"' in kept[0]
    assert kept[1:] == ["{}", ""]
    assert "all" not in page.url.partition("#")[2].split("/")
    page.reload()
    expect(page.locator("nav a")).to_have_count(7)  # in this tab it stays
    page.get_by_role("link", name="Take", exact=True).click()
    expect(page.locator("pre")).to_contain_text('curl -H "Authorization: Bearer $LASTLAYER_TOKEN" -F image=@img.jpg')
    assert "Bearer all" not in page.content()
    other = opened("default/collect", address=guarded)
    expect(other.locator("h1")).to_have_text("A token, please")


def test_a_stranger_can_neither_send_nor_see_nor_frame(browser: Browser, studio: str, colours: str) -> None:
    page = browser.new_page()
    page.route("http://stranger.example/**", lambda route: route.fulfill(body="<p>", content_type="text/html"))
    page.goto("http://stranger.example/")
    sent = """async (url) => {
      const body = new FormData();
      body.append("label", "stolen");
      body.append("image", new Blob(["x"]), "x.jpg");
      const answers = [];
      for (const mode of ["cors", "no-cors"]) {
        answers.push(await fetch(url, {method: "POST", mode, body}).then((answer) => answer.type, () => "refused"));
      }
      const image = new Image();
      image.src = url.replace("/v1/datasets/stolen/examples", "/page/icon.svg");
      answers.push(await image.decode().then(() => "seen", () => "refused"));
      return answers;
    }"""
    answers = page.evaluate(sent, f"{studio}/v1/datasets/stolen/examples")
    page.set_content(f'<iframe src="{studio}/"></iframe>')
    page.wait_for_timeout(300)
    framed = [frame.url for frame in page.frames if frame.url.startswith(studio)]
    page.close()
    assert answers[0] == "refused"
    assert answers[1] in ("refused", "opaque")
    assert answers[2] == "refused"
    assert framed == []


UNZIP = """async (text) => {
  const { unzip } = await import("/page/lib/zip.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const found = [];
  for (const entry of await unzip(new File([bytes], "photos.zip"))) {
    found.push([entry.path, await entry.file.read().then((photo) => photo.size, (error) => error.message)]);
  }
  return found;
}"""


@pytest.mark.long
def test_zip_files_neither_swell_nor_lead_elsewhere(opened: Opened) -> None:
    """They are read in the browser alone; a path in them is a label and a name, and never one of a file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cups/bomb.jpg", bytes(2**28))
        archive.writestr("../../etc/evil.jpg", b"abc")
    content = bytearray(packed.getvalue())
    listed = content.index(b"PK\x01\x02")
    content[listed + 24 : listed + 28] = (10).to_bytes(4, "little")  # says to be of ten bytes
    assert len(content) < 2**19
    page = opened("default/collect")
    found = page.evaluate(UNZIP, base64.b64encode(content).decode())
    assert found == [
        ["cups/bomb.jpg", "cups/bomb.jpg unpacks to more than 32 MiB."],
        ["../../etc/evil.jpg", 3],
    ]
    content[-12:-10] = (60_000).to_bytes(2, "little")  # says to hold very many
    with pytest.raises(Error, match="is too large; unpack it"):
        page.evaluate(UNZIP, base64.b64encode(content).decode())
