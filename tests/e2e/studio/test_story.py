"""The whole story: photos dropped, a model trained, a photo tried; a wrong label found and mended; a version taken."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Route, expect

from lastlayer.client import Client
from tests.e2e.studio.conftest import Opened, drop, pixels, text_of, write_colours
from tests.shared import SHARED, needs_shared

INSIDE = """(dots) => {
  const most = dots.getBoundingClientRect().right + 1;
  return [...dots.children].every((dot) => dot.getBoundingClientRect().right <= most);
}"""


@needs_shared
def test_from_an_empty_store_to_a_label_and_its_map(opened: Opened, tmp_path: Path) -> None:
    flowers = SHARED / "data/flowers"
    chosen = sorted(folder for folder in flowers.iterdir() if folder.is_dir())[:2]
    for folder in chosen:
        photos = sorted(folder.iterdir())[:12]
        (tmp_path / folder.name).mkdir()
        for photo in photos:
            shutil.copy(photo, tmp_path / folder.name)
    new = sorted(chosen[1].iterdir())[20]

    page = opened("blossoms/collect")
    drop(page, ".drop", *(tmp_path / folder.name for folder in chosen))
    expect(page.locator(".summary")).to_have_text("24 photos in 2 classes")
    expect(page.locator(".toast.good")).to_contain_text("24 photos added")
    assert sorted(page.locator(".column h2").all_inner_texts()) == [folder.name for folder in chosen]
    assert page.locator("button.thumb").count() == 24

    page.get_by_role("link", name="Train").last.click()
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.locator(".headline h2")).to_contain_text("Of 100 new photos like these, expect about")
    expect(page.locator(".headline h2")).to_contain_text("between")
    assert page.locator(".dots i").count() == 100
    assert page.locator(".dots").evaluate(INSIDE)

    page.get_by_role("link", name="Try", exact=True).click()
    page.get_by_label("Show where it looks").check()
    drop(page, ".stage", new)
    expect(page.locator(".answer")).to_have_text(chosen[1].name)
    expect(page.locator(".seen .map")).to_be_visible()
    painted = (
        "[...document.querySelector('.seen .map').getContext('2d').getImageData(0, 0, 200, 200).data].some(Boolean)"
    )
    assert page.evaluate(painted)


def test_a_wrong_label_is_found_mended_and_gone(opened: Opened, classifier: str, tmp_path: Path) -> None:
    photos = write_colours(tmp_path / "photos", each=9)
    (photos / "red/red-00.jpg").rename(photos / "blue/wrong.jpg")
    with Client(classifier) as client:
        client.add_examples(photos, dataset="mended")
        client.train("mended")

    page = opened("mended/train")
    expect(page.locator(".next")).to_contain_text("1 label looks wrong")
    page.get_by_role("button", name="1 photo of blue taken for red").click()
    expect(page.locator(".opened .mapped")).to_have_count(1)
    page.locator(".opened").get_by_role("checkbox").check()
    expect(page.locator(".opened .map")).to_be_visible()

    page.get_by_role("link", name="1 label looks wrong").click()
    expect(page.locator(".mend h2")).to_contain_text("Labelled blue. Is it")
    page.keyboard.press("1")
    expect(page.locator(".mend h2")).to_have_text("That was all of it")
    page.get_by_role("button", name="Train again").click()
    expect(page.locator(".beside .dots")).to_have_count(2)
    assert "version 1" in text_of(page, ".beside")
    assert "version 2" in text_of(page, ".beside")
    page.get_by_role("link", name="Mend").click()
    expect(page.locator(".mend h2")).to_have_text("No label looks wrong")
    with Client(classifier) as client:
        assert client.get_dataset("mended").classes == {"blue": 9, "red": 9}


@pytest.mark.long
def test_mending_can_be_undone_and_photos_removed(opened: Opened, classifier: str, tmp_path: Path) -> None:
    photos = write_colours(tmp_path / "photos", each=9)
    for number in (0, 1):
        (photos / f"red/red-0{number}.jpg").rename(photos / f"blue/wrong-{number}.jpg")
    with Client(classifier) as client:
        client.add_examples(photos, dataset="undone")
        client.train("undone")
    page = opened("undone/mend")
    expect(page.locator(".eyebrow")).to_have_text("1 of 2")
    page.keyboard.press("1")
    expect(page.locator(".eyebrow")).to_have_text("2 of 2")
    page.keyboard.press("u")
    expect(page.locator(".eyebrow")).to_have_text("1 of 2")
    page.keyboard.press(" ")
    page.keyboard.press("Delete")
    expect(page.locator(".mend .hero > p")).to_contain_text("1 to be removed")
    page.get_by_role("button", name="Remove 1 photo and train again").click()
    expect(page.locator(".beside .dots")).to_have_count(2)
    with Client(classifier) as client:
        assert client.get_dataset("undone").classes == {"blue": 10, "red": 7}


@pytest.mark.long
def test_a_project_of_teachable_machine_is_dropped_as_it_is(opened: Opened, classifier: str, tmp_path: Path) -> None:
    photos = write_colours(tmp_path / "photos", each=3)
    project = tmp_path / "project.tm"
    with zipfile.ZipFile(project, "w") as written:
        for label in ("blue", "red"):
            for number, photo in enumerate(sorted((photos / label).iterdir())):
                written.write(photo, f"{label}/dark-!-{number}.jpg")
        written.writestr("manifest.json", '{"type": "image", "appdata": {}}')
        written.writestr("weights.bin", "no photo")
    page = opened("machine/collect")
    page.get_by_role("button", name="Make a class by hand").click()
    page.get_by_label("What is it called?").fill("blue/dark")
    page.keyboard.press("Enter")
    drop(page, ".board", project)
    expect(page.locator(".summary")).to_have_text("6 photos in 2 classes")
    expect(page.locator(".toast", has_text="1 file left out")).to_be_visible()
    with Client(classifier) as client:
        assert client.get_dataset("machine").classes == {"blue/dark": 3, "red/dark": 3}


@pytest.mark.long
def test_classes_are_collected_in_all_ways(opened: Opened, classifier: str, tmp_path: Path) -> None:
    photos = write_colours(tmp_path / "photos", each=3)
    archive = tmp_path / "more.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for photo in sorted((photos / "red").iterdir()):
            written.write(photo, f"set/rouge/{photo.name}")
        written.writestr("set/rouge/notes.txt", "no photo")
        written.writestr("__MACOSX/set/rouge/._x.jpg", "no photo")
    page = opened("collected/collect")
    page.get_by_role("button", name="Make a class by hand").click()
    page.get_by_label("What is it called?").fill("blue")
    page.keyboard.press("Enter")
    page.get_by_label("Add photos to blue").set_input_files(sorted((photos / "blue").iterdir()))
    expect(page.locator(".summary")).to_have_text("3 photos in 1 class")
    drop(page, ".board", archive)
    expect(page.locator(".summary")).to_have_text("6 photos in 2 classes")
    expect(page.locator(".toast", has_text="1 file left out")).to_be_visible()

    # The same photo again is told of, and so is one that is in another class already.
    drop(page, '.column[aria-label="blue"]', photos / "blue/blue-00.jpg")
    expect(page.locator(".toast", has_text="1 was there already")).to_be_visible()
    drop(page, '.column[aria-label="blue"]', photos / "red/red-02.jpg")
    expect(page.locator(".conflicts")).to_contain_text("1 photo in two classes")
    page.locator(".conflicts").get_by_role("button", name="rouge").click()
    expect(page.locator(".conflicts")).to_have_count(0)
    expect(page.locator(".summary")).to_have_text("6 photos in 2 classes")

    # What is no photo fails alone.
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"<html>not found</html>")
    drop(page, '.column[aria-label="blue"]', broken)
    expect(page.locator(".toast.bad")).to_contain_text("1 not taken")

    # Moved with the list, and back.
    blue, red = (page.locator(f'.column[aria-label="{label}"]') for label in ("blue", "rouge"))
    blue.locator("button.thumb").first.click()
    page.get_by_label("Move to").select_option("rouge")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(red.locator(".count")).to_have_text("4 photos")
    page.locator(".toast", has_text="moved").get_by_role("button", name="Undo").click()
    expect(blue.locator(".count")).to_have_text("3 photos")
    # Dragged.
    expect(blue.locator("button.thumb")).to_have_count(3)
    blue.locator("button.thumb").first.drag_to(red)
    expect(red.locator(".count")).to_have_text("4 photos")
    # Deleted, with the way back; and deleted for good when the view is left.
    red.locator("button.thumb").first.click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(red.locator(".count")).to_have_text("3 photos")
    page.locator(".toast", has_text="deleted").get_by_role("button", name="Undo").click()
    expect(red.locator(".count")).to_have_text("4 photos")
    red.locator("button.thumb").first.click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Rename rouge").click()
    page.get_by_label("New name").fill("crimson")
    page.keyboard.press("Enter")
    expect(page.locator('.column[aria-label="crimson"] .count')).to_have_text("3 photos")
    with Client(classifier) as client:
        assert client.get_dataset("collected").classes == {"blue": 2, "crimson": 3}
    page.get_by_role("button", name="Delete crimson").click()
    page.get_by_role("link", name="Train", exact=True).first.click()
    page.get_by_role("link", name="Collect", exact=True).first.click()
    expect(page.locator(".summary")).to_have_text("2 photos in 1 class")


def test_a_training_is_cancelled(opened: Opened, classifier: str, tmp_path: Path) -> None:
    with Client(classifier) as client:
        client.add_examples(write_colours(tmp_path / "photos", each=3), dataset="cancelled")
    held: list[Route] = []
    page = opened("cancelled/train")
    page.route("**/v1/models/cancelled:train", lambda route: held.append(route))  # it never begins
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("progressbar", name="Training")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_focused()
    assert len(held) == 1
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.long
def test_versions_are_compared_rolled_back_and_taken(opened: Opened, classifier: str, tmp_path: Path) -> None:
    with Client(classifier) as client:
        client.add_examples(write_colours(tmp_path / "photos", each=6), dataset="taken")
        client.train("taken")
        client.train("taken")
    page = opened("taken/take")
    expect(page.locator(".summary")).to_have_text("Version 2 is in use")
    page.get_by_label("Compare version 1").check()
    page.get_by_label("Compare version 2").check()
    expect(page.locator(".verdict")).to_have_text("As good as before.")
    page.get_by_role("button", name="Use version 1").click()
    expect(page.locator(".summary")).to_have_text("Version 1 is in use")
    page.get_by_role("button", name="Delete version 2").click()
    expect(page.locator(".versions tbody tr")).to_have_count(1)
    for name, ending in (("Report", "html"), ("Head for NumPy", "npz")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        assert download.value.suggested_filename == f"taken-1.{ending}"
        assert Path(download.value.path()).stat().st_size > 1000
    expect(page.locator("code", has_text="lastlayer export taken --to app.tflite")).to_be_visible()
    page.get_by_role("link", name="All of the HTTP interface").click()
    expect(page.locator("h1")).to_have_text("HTTP interface")
    expect(page.locator(".operation", has_text=":predict")).to_be_visible()


GRPCURL = """
import sys

import grpc
from google.protobuf import json_format

from lastlayer.v1 import classifier_pb2, classifier_pb2_grpc

plaintext, data, at, server, method = sys.argv[1:]
assert (plaintext, data, at, method) == ("-plaintext", "-d", "@", "lastlayer.v1.Classifier/Predict")
request = json_format.Parse(sys.stdin.read(), classifier_pb2.PredictRequest())
answer = classifier_pb2_grpc.ClassifierStub(grpc.insecure_channel(server)).Predict(request)
print(json_format.MessageToJson(answer))
"""


@pytest.mark.long
def test_the_lines_of_code_work_as_they_stand(opened: Opened, colours: str, tmp_path: Path) -> None:
    Image.fromarray(pixels("blue", 50)).save(tmp_path / "img.jpg")
    page = opened(f"{colours}/take")
    programs = {"curl": "sh", "grpcurl": "sh", "Python": sys.executable, "Node": shutil.which("node")}
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    if shutil.which("grpcurl") is None:  # what it would do with the line, for machines without it
        stand_in = bin_folder / "grpcurl"
        stand_in.write_text(f"#!{sys.executable}\n{GRPCURL}")
        stand_in.chmod(0o755)
    environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    for language, program in programs.items():
        if program is None:
            continue  # machines without Node have the other two
        page.get_by_role("button", name=language, exact=True).click()
        page.get_by_role("button", name="Copy").click()
        lines = str(page.evaluate("navigator.clipboard.readText()"))
        file = tmp_path / f"{language}.mjs"
        file.write_text(lines)
        done = subprocess.run(
            [program, file], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        if language == "curl":
            label = json.loads(done.stdout)["results"][0]["label"]
        elif language == "grpcurl":
            label = json.loads(done.stdout)["results"][0]["prediction"]["scores"][0]["label"]
        else:
            label = done.stdout.split()[0]
        assert label == "blue", language


@pytest.mark.long
def test_nothing_is_asked_for_while_nothing_happens(opened: Opened, colours: str) -> None:
    page = opened(f"{colours}/try")
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)
    assert asked == []


def test_the_page_is_there_by_plain_http(studio: str) -> None:
    with urllib.request.urlopen(studio) as answer:
        assert b"<title>Lastlayer</title>" in answer.read()
