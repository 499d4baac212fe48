"""A drone's camera and the sun: draws solids and flat ground shapes, given in metres, as a picture with shadows."""

from collections.abc import Sequence

import cv2
import numpy as np

from yolo_attn.demo.solids import Colour, Solid, parts

SUPERSAMPLING = 2  # drawn at twice the size, then averaged: a pedestrian is only ten pixels high
_SHIFT = 4  # cv2 polygons with 1/16 pixel


class View:
    """A pinhole camera that looks at the ground point (0, 0), and the canvas it draws on.

    Args:
        size: Width and height of the picture in pixels.
        scale: Pixels per metre at the picture's centre.
        tilt: Angle between the line of sight and straight down, in radians, below 0.8 so that no horizon is seen.
        sun: Shadow of a pole of one metre, (2,) metres on the ground.
    """

    def __init__(self, size: tuple[int, int], scale: float, tilt: float, sun: np.ndarray):
        self.size, self.sun = np.array(size), sun
        self.focal = 1.1 * max(size)
        self.distance = self.focal / scale
        self.forward = np.array([0, np.sin(tilt), -np.cos(tilt)])
        self.across = np.array([[1.0, 0, 0], [0, -np.cos(tilt), -np.sin(tilt)]]).T  # to the right, and down
        self.canvas = np.zeros((size[1] * SUPERSAMPLING, size[0] * SUPERSAMPLING, 3), np.uint8)
        self.shade = np.zeros(self.canvas.shape[:2], np.uint8)

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (N, 3) -> picture points (N, 2) in pixels of the finished picture."""
        return self.size / 2 + points @ self.across * (self.focal / self.depth(points))[:, None]

    def ground_at(self, pixels: np.ndarray) -> np.ndarray:
        """Picture points (N, 2) -> the ground points (N, 2) seen there."""
        rays = self.forward + (pixels - self.size / 2) / self.focal @ self.across.T
        camera = -self.distance * self.forward
        return (camera - rays * (camera[2] / rays[:, 2:]))[:, :2]

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Distance of world points (N, 3) along the line of sight, in metres."""
        return points @ self.forward + self.distance

    def flat(self, ring: np.ndarray, colour: Colour) -> None:
        """Fill a convex ring (K, 2), in metres, on the ground."""
        self._fill(self._fixed(self.project(np.column_stack([ring, np.zeros(len(ring))]))), colour)

    def shadow(self, solids: Sequence[Solid], vertices: np.ndarray) -> None:
        """Add the ground shadows of solids, whose vertices are (N, 3), to the shade, which `darken` applies."""
        ground = np.zeros_like(vertices)
        ground[:, :2] = vertices[:, :2] + vertices[:, 2:] * self.sun
        fixed = self._fixed(self.project(ground))
        for _, part in parts(solids):
            cv2.fillConvexPoly(self.shade, cv2.convexHull(fixed[part]), 255, cv2.LINE_AA, _SHIFT)

    def darken(self, strength: float, softness: float) -> None:
        """Darken the canvas where shade lies; `softness` is the blur of its edge in pixels."""
        shade = cv2.GaussianBlur(self.shade, (0, 0), softness * SUPERSAMPLING)
        levels = 255 - strength * np.arange(256)[:, None] * [0.85, 0.95, 1.0]  # the sky lights shade, and is blue
        light = [cv2.LUT(shade, channel) for channel in np.rint(levels).astype(np.uint8).T]
        self.canvas = np.asarray(cv2.multiply(self.canvas, cv2.merge(light), scale=1 / 255), np.uint8)

    def draw(self, solids: Sequence[Solid], vertices: np.ndarray, outline: np.ndarray) -> None:
        """Draw solids, one over the other, whose vertices (N, 3) project to `outline` (N, 2)."""
        fixed = self._fixed(outline)
        for solid, part in parts(solids):
            if solid.high > solid.low:
                self._sides(solid, vertices[part], outline[part], fixed[part])
            self._fill(fixed[part][len(solid.bottom) :], solid.roof)

    def _sides(self, solid: Solid, vertices: np.ndarray, pixels: np.ndarray, fixed: np.ndarray) -> None:
        count = len(solid.bottom)
        after = np.arange(1, count + 1) % count
        edge = vertices[after] - vertices[:count]
        outward = (edge[:, 1] * self.sun[0] - edge[:, 0] * self.sun[1]) / np.hypot(edge[:, 0], edge[:, 1])
        light = 0.66 - 0.28 * outward / np.hypot(*self.sun)
        diagonal, other = pixels[count + after] - pixels[:count], pixels[count:] - pixels[after]
        # A side's corners run counter-clockwise when seen from outside, in a picture whose rows grow downwards.
        for i in np.flatnonzero(diagonal[:, 0] * other[:, 1] < diagonal[:, 1] * other[:, 0]):
            j = after[i]
            self._fill(fixed[[i, j, count + j, count + i]], np.multiply(solid.sides, light[i]))

    @staticmethod
    def _fixed(pixels: np.ndarray) -> np.ndarray:
        return np.rint(pixels * (SUPERSAMPLING << _SHIFT)).astype(np.int32)

    def _fill(self, corners: np.ndarray, colour: Colour) -> None:
        cv2.fillConvexPoly(self.canvas, corners, tuple(map(float, colour)), cv2.LINE_AA, _SHIFT)
