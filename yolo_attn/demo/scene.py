"""Draws one picture of the demonstration set, seen by a drone over a town, with its VisDrone annotation."""

from dataclasses import dataclass

import cv2
import numpy as np

from yolo_attn.demo.site import Thing
from yolo_attn.demo.town import Town
from yolo_attn.demo.view import View
from yolo_attn.visdrone.annotations import IGNORED_REGION, OTHERS

GRID = 12  # occlusion is measured on GRID x GRID points of a box


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture and its annotation."""

    image: np.ndarray  # (H, W, 3) uint8, BGR
    rows: np.ndarray  # (N, 8) whole numbers, the columns of a VisDrone annotation
    truth: np.ndarray  # (M, 8) a row for every object, in ignored regions too; without rows for these regions


def draw_picture(rng: np.random.Generator, size: tuple[int, int], crowds: bool = False) -> AnnotatedPicture:
    """Draw a picture of `size` (width, height) in pixels; everything in it follows from the arguments.

    By default the crowd of an ignored region is blurred; with `crowds` it is as sharp as the rest, and stands in about half of
    the pictures.
    """
    tilt, heading = rng.uniform(0.12, 0.75), rng.uniform(0, 2 * np.pi)
    enlarged = max(size) / 640
    if enlarged > 1:  # a larger picture shows more ground as well as more detail
        enlarged **= 0.5
    scale = enlarged * float(np.exp(rng.uniform(np.log(9.0), np.log(15.0))))
    azimuth, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 1.3)
    view = View(size, scale, tilt, length * np.array([np.cos(azimuth), np.sin(azimuth)]))
    corners = view.ground_at(np.array([[0, 0], [size[0], 0], [0, size[1]], size]))

    def near(position: np.ndarray, margin: float) -> bool:
        point = np.array([[*position, 0.0]])
        if view.depth(point)[0] < view.distance / 2:
            return False
        return bool((np.abs(view.project(point)[0] / size - 0.5) < margin).all())

    town = Town(rng, 1.15 * float(np.hypot(*corners.T).max()), heading, near, crowds)
    seen = _seen(town.things, view)
    rows, truth = _annotation(seen, size)
    for ring, colour in town.ground:
        view.flat(ring, colour)
    view.canvas = _weathered(view.canvas, rng)
    for thing, _ in seen:
        view.shadow(thing.solids, thing.vertices)
    view.darken(rng.uniform(0.25, 0.6), rng.uniform(0.4, 1.0))
    for thing, outline in seen:
        view.draw(thing.solids, thing.vertices, outline)
    image = cv2.resize(view.canvas, size, interpolation=cv2.INTER_AREA)
    for left, top, width, height in rows[(rows[:, 5] == IGNORED_REGION) & (not crowds), :4]:
        region = image[top : top + height, left : left + width]
        region[:] = cv2.GaussianBlur(region, (0, 0), 1.6)
    return AnnotatedPicture(_photographed(image, rng), rows, truth)


def _seen(things: list[Thing], view: View) -> list[tuple[Thing, np.ndarray]]:
    """Return the things to draw, far ones first, each with its outline (K, 2) in pixels.

    Left out are roofs that fill the picture, and objects of which less than half lies in it or that nearer things hide:
    what is drawn is annotated, and what is annotated can be seen.
    """
    inside = []
    for thing in sorted(things, key=lambda thing: -float(thing.position @ view.forward[:2])):
        outline = view.project(thing.vertices)
        low, high = outline.min(0), outline.max(0)
        visible = np.clip(np.minimum(high, view.size) - np.maximum(low, 0), 0, None).prod()
        if visible > 0.5 * (high - low).prod() if thing.category else 0 < visible < 0.25 * view.size.prod():
            inside.append((thing, outline))
    hidden = _hidden([outline for _, outline in inside])
    return [pair for pair, share in zip(inside, hidden, strict=True) if not pair[0].category or share < 0.75]


def _hidden(outlines: list[np.ndarray]) -> np.ndarray:
    """Return the share (N,) of each outline's box that later, nearer outlines cover."""
    hulls = [cv2.convexHull(outline.astype(np.float32))[:, 0].astype(np.float64) for outline in outlines]
    low, high = np.array([o.min(0) for o in outlines]), np.array([o.max(0) for o in outlines])
    steps = (np.arange(GRID) + 0.5) / GRID
    grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    hidden = np.zeros(len(outlines))
    for i in range(len(outlines)):
        points, covered = low[i] + grid * (high[i] - low[i]), np.zeros(len(grid), bool)
        touching = (low[i + 1 :] < high[i]).all(1) & (high[i + 1 :] > low[i]).all(1)
        for j in np.flatnonzero(touching) + i + 1:
            edge, to_point = np.roll(hulls[j], -1, 0) - hulls[j], points[:, None] - hulls[j]
            side = edge[:, 0] * to_point[..., 1] - edge[:, 1] * to_point[..., 0]
            covered |= (side > 0).all(1) | (side < 0).all(1)
        hidden[i] = covered.mean()
    return hidden


def _annotation(seen: list[tuple[Thing, np.ndarray]], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the annotation rows (N, 8), the objects and then the ignored region where a crowd stands, and those of all objects."""
    rows, truth, crowd = [], [], []
    for (thing, outline), hidden in zip(seen, _hidden([outline for _, outline in seen]), strict=True):
        if not thing.category:
            continue
        corners = np.concatenate([np.floor(outline.min(0)), np.ceil(outline.max(0))])
        box = np.clip(corners, 0, [*size, *size]).astype(int)
        score = int(thing.category != OTHERS or box[0] % 2)  # VisDrone evaluates about half of the "others"
        truncation, occlusion = int((box != corners).any()), int(hidden > 0.05) + int(hidden > 0.5)
        truth.append([box[0], box[1], box[2] - box[0], box[3] - box[1], score, thing.category, truncation, occlusion])
        if thing.crowd:
            crowd.append(box)
        else:
            rows.append(truth[-1])
    if crowd:
        (left, top), (right, bottom) = np.min(crowd, 0)[:2], np.max(crowd, 0)[2:]
        rows = [r for r in rows if not (left < r[0] + r[2] / 2 < right and top < r[1] + r[3] / 2 < bottom)]
        rows.append([left, top, right - left, bottom - top, 0, IGNORED_REGION, 0, 0])
    return np.array(rows, dtype=np.int64).reshape(-1, 8), np.array(truth, dtype=np.int64).reshape(-1, 8)


def _weathered(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add stains and grain to the flat colours of the ground."""
    height, width = canvas.shape[0] // 2, canvas.shape[1] // 2
    grain = np.zeros((height, width), np.float32)
    for cells, strength in ((6, 7), (40, 5), (320, 9)):
        noise = rng.normal(0, strength, (cells * height // width + 1, cells)).astype(np.float32)
        grain += cv2.resize(noise, (width, height))
    grain = cv2.resize(grain, canvas.shape[1::-1])
    return cv2.add(canvas, cv2.merge([grain] * 3), dtype=cv2.CV_8U)


def _photographed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add what a drone's camera does: colour cast, exposure, haze, blur, sensor noise."""
    exposure = rng.uniform(0.8, 1.15) if rng.random() > 0.12 else rng.uniform(0.4, 0.6)  # some at dusk
    gain = exposure * (1 + rng.uniform(-0.06, 0.06, 3))
    haze = rng.uniform(0, 22)
    lit = image.astype(np.float32) * gain.astype(np.float32) * (1 - haze / 255) + haze
    blurred = np.asarray(cv2.GaussianBlur(lit, (0, 0), rng.uniform(0.25, 0.85)))
    noise = rng.uniform(1.5, 5) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(blurred + noise, 0, 255).astype(np.uint8)
