"""Reports as they might be, with invented numbers and drawn pictures."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from lastlayer.client.output.heatmap import overlay
from lastlayer.client.report.map.gather import PicturedMap
from lastlayer.client.report.model import Gallery, Pictured, Report
from lastlayer.client.results.curation import ExampleMap, MapPoint, ReviewedExample
from lastlayer.client.results.examples import StoredExample
from lastlayer.client.results.images import Explanation, ImageRegion
from lastlayer.client.results.metrics import ClassMetrics, Metrics, ReliabilityBin
from lastlayer.client.results.predictions import LabelScore, Prediction
from lastlayer.client.results.versions import (
    Calibration,
    ModelVersion,
    RecipeEstimate,
    Rejection,
    RejectionPoint,
    Trial,
)
from tests.unit.client.samples import version as plain_version

FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
TAPS = (("mixed4d",), ("mixed4e",), ("mixed4d", "mixed4e"), ("avgpool0",), ("mixed4e", "avgpool0"))


def metrics(labels: Sequence[str] = FLOWERS, *, each: int = 60, seed: int = 1) -> Metrics:
    """Return metrics of predictions that are mostly right; the last of many classes has nothing that was validated."""
    random = np.random.default_rng(seed)
    n = len(labels)
    matrix = np.zeros((n, n), int)
    for row in range(n - (n > 8)):
        share = random.uniform(0.7, 0.98)
        others = (1 - share) * random.dirichlet(np.full(n - 1, 0.3))
        matrix[row] = random.multinomial(each, np.insert(others, row, share))
    totals, times = matrix.sum(1), matrix.sum(0)
    recalls, precisions = matrix.diagonal() / np.maximum(totals, 1), matrix.diagonal() / np.maximum(times, 1)
    accuracy = matrix.trace() / totals.sum()
    bins = []
    for lower in np.arange(0.3, 1.0, 0.1):
        mean = float(lower + 0.055)
        bins.append(ReliabilityBin(float(lower), float(lower + 0.1), int(8 * np.exp(4 * lower)), mean, mean - 0.03))
    return Metrics(
        example_count=int(totals.sum()),
        log_loss=0.38,
        log_loss_reduction=0.76,
        accuracy=float(accuracy),
        macro_accuracy=float(recalls.mean()),
        classes=tuple(
            ClassMetrics(label, int(total), 0.4, float(precision), float(recall))
            for label, total, precision, recall in zip(labels, totals, precisions, recalls, strict=True)
        ),
        confusion_matrix=tuple(tuple(map(int, row)) for row in matrix),
        accuracy_interval=(float(accuracy) - 0.03, float(accuracy) + 0.025),
        log_loss_interval=(0.31, 0.45),
        expected_calibration_error=0.021,
        reliability=tuple(bins),
    )


def curve() -> tuple[RejectionPoint, ...]:
    thresholds = np.linspace(0, 0.95, 39)
    coverage = 1 / (1 + np.exp(9 * (thresholds - 0.8)))
    precision = 0.88 + 0.118 * thresholds**2
    return tuple(map(RejectionPoint, thresholds.tolist(), precision.tolist(), coverage.tolist()))


def version(labels: Sequence[str] = FLOWERS, **changes: Any) -> ModelVersion:
    """Return a version that has everything."""
    found = metrics(labels)
    fields: dict[str, Any] = {
        "model": "flowers",
        "version": 3,
        "dataset": "flowers",
        "taps": ("mixed4d", "mixed4e"),
        "classes": tuple(labels),
        "example_count": found.example_count,
        "backbone_digest": "3f" * 32,
        "cross_validation": found,
        "comparisons": (RecipeEstimate("tutorial", ("softmax2_pre_activation",), metrics(labels, seed=2)),),
        "calibration": Calibration(1.31, 0.412, 0.058),
        "rejection": Rejection(0.62, 0.95),
        "rejection_curve": curve(),
        "trials": tuple(
            Trial(taps, 0.1, 0.55 - 0.03 * number, 0.02, 1000 if number < 3 else 300, number == 2, 0.25 * (number == 4))
            for number, taps in enumerate(TAPS)
        ),
        "libraries": {"numpy": "2.2.1", "scipy": "1.15.0", "lastlayer": "0.1.0"},
    }
    return plain_version(**{**fields, **changes})


def photo(number: int = 0) -> bytes:
    """Return a drawn flower as a JPEG of 160 pixels across."""
    image = Image.new("RGB", (160, 120), (70, 120 + 9 * number, 70))
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 20, 120, 100), fill=(230, 200, 40 + 15 * number))
    pen.ellipse((68, 48, 92, 72), fill=(120, 60, 20))
    return jpeg(image)


def jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return stream.getvalue()


def explanation(label: str = "tulips") -> Explanation:
    grid = tuple(tuple(float(2 - abs(row - 3) - 0.7 * abs(column - 4)) for column in range(7)) for row in range(7))
    logit = sum(map(sum, grid)) + 0.5
    prediction = Prediction("images[0]", (LabelScore(label, 0.9),), "flowers", 3)
    return Explanation(label, 0.9, logit, 0.5, grid, ImageRegion(0.125, 0, 0.875, 1), prediction)


def reviewed(number: int = 0, *, thumbnail: bytes | None = None, **changes: str) -> ReviewedExample:
    name = changes.get("name", f"roses/{number:04}_a_long_file_name_of_a_camera.jpg")
    label = changes.get("label", "roses")
    stored = StoredExample(
        name, bytes([number]) * 32, (label,), False, photo(number) if thumbnail is None else thumbnail
    )
    return ReviewedExample(stored, label, 0.01 * number, changes.get("suggested", "tulips"), 0.98 - 0.02 * number)


def gallery(count: int = 6, *, heatmaps: bool = True) -> Gallery:
    drawn = jpeg(overlay(Image.open(io.BytesIO(photo())).convert("RGB"), explanation())) if heatmaps else b""
    return Gallery(tuple(Pictured(reviewed(number), drawn) for number in range(count)), 2 * count)


def cells(found: Metrics) -> dict[tuple[str, str], tuple[StoredExample, ...]]:
    """Return photos of the cells of a matrix that are not 0, but the last one."""
    labels = [entry.label for entry in found.classes]
    full = [
        (labels[row], labels[column])
        for row, counts in enumerate(found.confusion_matrix)
        for column, count in enumerate(counts)
        if count
    ]
    examples = [reviewed(number).example for number in range(8)]
    return {cell: tuple(examples[: 1 + place % 8]) for place, cell in enumerate(full[:-1])}


def mapped(labels: Sequence[str] = FLOWERS, count: int = 200, **changes: Any) -> PicturedMap:
    """Return a map with everything: suspicious labels, conflicts, the pool, and photos of half of its points."""
    random = np.random.default_rng(2)
    centres = random.uniform(-0.7, 0.7, (len(labels), 2))
    points = []
    for number in range(count):
        own, other = labels[number % len(labels)], labels[(number + 1) % len(labels)]
        x, y = np.clip(centres[number % len(labels)] + random.normal(0, 0.1, 2), -1, 1)
        kind = number % 20
        points.append(
            MapPoint(
                id=f"{own}/{number:04}_a_long_file_name_of_a_camera.jpg",
                sha256=number.to_bytes(32, "big"),
                labels=() if kind == 3 else (own, other) if kind == 1 and own != other else (own,),
                x=float(x),
                y=float(y),
                suspicious=kind == 0,
                suggested_label=other if kind == 0 else "",
            )
        )
    photos = {point.sha256: photo(number % 9) for number, point in enumerate(points) if number % 2 == 0}
    found = ExampleMap(tuple(points), "neighbors", 3 * count, stale_count=7)
    return PicturedMap(**{"dataset": "flowers", "model": "flowers", "map": found, "photos": photos, **changes})


def report(**changes: Any) -> Report:
    """Return a report that has everything."""
    fields: dict[str, Any] = {
        "version": version(),
        "dataset": None,
        "mistakes": gallery(8),
        "suspicious": gallery(3),
        "cells": cells(metrics()),
        "map": mapped(),
    }
    return Report(**{**fields, **changes})
