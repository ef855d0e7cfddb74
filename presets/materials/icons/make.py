"""Makes the pictures of the material presets: a piece of each, as it lies, by our own renderer.

python -P -m impetus.presets.materials.icons.make [NAME ...]
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....backend.contract import shot as s
from ....backend.contract.arrays import ArraySet
from ....backend.contract.take_files import frame_path
from ....backend.stages.pipeline import Workspace, run

Floats = NDArray[np.float64]

HERE = Path(__file__).parent
LOOKS: dict[str, tuple[str, tuple[float, float, float], float, float, float]] = {
    # shape, linear Rec.709, grain, roughness, metallic
    "biscuit": ("disc", (0.52, 0.26, 0.09), 0.25, 0.8, 0.0),
    "bread": ("loaf", (0.70, 0.46, 0.20), 0.22, 0.9, 0.0),
    "dry_sand": ("heap", (0.66, 0.46, 0.22), 0.35, 0.9, 0.0),
    "foam": ("slab", (0.85, 0.60, 0.12), 0.15, 0.9, 0.0),
    "gravel": ("heap", (0.26, 0.25, 0.24), 0.9, 0.8, 0.0),
    "honey": ("puddle", (0.78, 0.36, 0.02), 0.0, 0.08, 0.0),
    "ice": ("slab", (0.50, 0.74, 0.88), 0.06, 0.08, 0.0),
    "jelly": ("dome", (0.60, 0.04, 0.10), 0.0, 0.15, 0.0),
    "ketchup": ("dollop", (0.50, 0.02, 0.01), 0.0, 0.2, 0.0),
    "plasticine": ("ball", (0.12, 0.28, 0.62), 0.06, 0.6, 0.0),
    "powder_snow": ("heap", (0.86, 0.90, 0.97), 0.06, 0.9, 0.0),
    "rubber": ("ball", (0.05, 0.05, 0.06), 0.0, 0.4, 0.0),
    "shaving_foam": ("dollop", (0.82, 0.87, 0.90), 0.03, 0.8, 0.0),
    "sheet_metal": ("disc", (0.52, 0.53, 0.56), 0.03, 0.35, 0.8),
    "snow": ("ball", (0.86, 0.90, 0.97), 0.08, 0.9, 0.0),
    "soft_clay": ("loaf", (0.42, 0.19, 0.10), 0.08, 0.6, 0.0),
    "soft_metal": ("slab", (0.40, 0.41, 0.46), 0.03, 0.3, 0.8),
    "soft_silicone": ("dome", (0.22, 0.62, 0.48), 0.0, 0.4, 0.0),
    "steel": ("ball", (0.42, 0.45, 0.50), 0.0, 0.2, 0.9),
    "stone": ("loaf", (0.30, 0.28, 0.26), 0.35, 0.9, 0.0),
    "syrup": ("puddle", (0.28, 0.08, 0.01), 0.0, 0.08, 0.0),
    "toothpaste": ("dollop", (0.30, 0.74, 0.76), 0.0, 0.3, 0.0),
    "water": ("puddle", (0.10, 0.34, 0.70), 0.0, 0.05, 0.0),
    "wet_sand": ("heap", (0.32, 0.20, 0.09), 0.3, 0.7, 0.0),
    "whipped_cream": ("dollop", (0.90, 0.82, 0.68), 0.0, 0.6, 0.0),
    "wood": ("slab", (0.42, 0.21, 0.08), 0.25, 0.7, 0.0),
}
PIXELS, SUPERSAMPLED = 72, 216
AROUND = 96
"Vertices of a ring."


def main(names: list[str]) -> None:
    """Make the pictures of the presets with these names, of all without one."""
    for path in sorted(HERE.parent.glob("*.toml")):
        if not names or path.stem in names:
            make(path.stem)


def make(name: str) -> None:
    """Render one preset, and write its picture."""
    arrays = ArraySet()
    shot = still(arrays, name)
    with tempfile.TemporaryDirectory() as folder:
        take = Path(folder, "take")
        run(shot, arrays, Workspace(Path(folder, "cache"), take), _Quiet())
        picture = Image.open(frame_path(take, "beauty", 1)).convert("RGBA")
    small = picture.resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)
    small.save(HERE / f"{name}.png", optimize=True)


def still(arrays: ArraySet, name: str) -> s.Shot:
    """Return a shot of one piece before nothing."""
    shape, color, grain, roughness, metallic = LOOKS[name]
    vertices, triangles = turned(profile(shape))
    rng = np.random.default_rng(1)
    shade = 1 + grain * (rng.random(len(vertices)) - 0.5) * 1.6
    colors = np.ones((*triangles.shape, 4), np.float32)
    colors[..., :3] = np.clip(np.array(color) * shade[triangles][..., None], 0, 1)
    look = s.Surface(base_color=color, metallic=metallic, roughness=roughness)
    body = s.Body(
        name="Piece", role="static", mesh=s.Mesh(arrays.add(vertices), arrays.add(triangles)),
        poses=arrays.add(np.eye(4)[None]),
        looks=s.Looks(surfaces=(look,), colors=arrays.add(colors)),
    )  # fmt: skip
    eye, target = np.array([0.0, -3.4, 1.9]), np.array([0.0, 0.0, 0.46])
    camera = np.broadcast_to(looking(eye, target), (2, 4, 4))
    lens = np.broadcast_to([1.42 * SUPERSAMPLED] * 2 + [SUPERSAMPLED / 2] * 2, (2, 4))
    lamp = looking(np.array([1.6, -1.8, 2.6]), target)[None].copy()
    lamp[:, :3, 1:3] *= -1  # lamps shine along -Z
    return s.Shot(
        name=name,
        frames=s.FrameRange(1, 2, 24.0, 1),
        film=s.Film(SUPERSAMPLED, SUPERSAMPLED),
        camera=s.CameraTrack(arrays.add(camera), arrays.add(lens)),
        gravity=arrays.add(np.zeros((1, 3))),
        bodies=(body,),
        lights=(s.Light("Sun", "sun", arrays.add(lamp), power=3.4),),
        world=s.World(transparent=True, ambient=(0.4, 0.42, 0.45)),
        render=s.RenderSettings(splats=12_000),
    )


def profile(shape: str) -> Floats:
    """Return radius and height (n, 2) of a piece from its foot to its top, about a metre wide."""
    t = np.linspace(0, 1, 40)
    angle = np.pi * (t - 0.5)
    match shape:
        case "heap":
            return np.stack([0.98 * (1 - t) ** 0.9, 0.72 * t**1.15], axis=1)
        case "puddle":
            return np.stack([1.0 * np.cos(np.pi / 2 * t) ** 0.5, 0.22 * np.sin(np.pi / 2 * t)], 1)
        case "dome":
            return np.stack([0.8 * np.cos(np.pi / 2 * t) ** 0.55, 0.85 * np.sin(np.pi / 2 * t)], 1)
        case "dollop":
            t = np.linspace(0, 1, 120)
            ridge = 1 + 0.13 * np.abs(np.sin(4 * np.pi * t))
            return np.stack([0.82 * (1 - t) ** 0.7 * ridge, 1.05 * t**0.95], axis=1)
        case "disc":
            return np.stack(
                [0.92 * bend(np.cos(angle), 0.2), 0.16 + 0.16 * bend(np.sin(angle), 0.4)], 1
            )
        case "slab":
            return np.stack(
                [0.74 * bend(np.cos(angle), 0.3), 0.42 + 0.42 * bend(np.sin(angle), 0.3)], 1
            )
        case "loaf":
            return np.stack(
                [0.88 * bend(np.cos(angle), 0.6), 0.46 + 0.46 * bend(np.sin(angle), 0.8)], 1
            )
    return np.stack([0.66 * np.cos(angle), 0.66 + 0.66 * np.sin(angle)], axis=1)


def bend(values: Floats, power: float) -> Floats:
    """Return |v|^power with the sign of v: below 1 a circle grows edges."""
    return np.asarray(np.sign(values) * np.abs(values) ** power)


def turned(curve: Floats) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Turn a profile about the z axis into a closed mesh."""
    turn = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    rings = curve[1:-1]
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    places = np.empty((len(rings), AROUND, 3))
    places[..., :2] = np.maximum(rings[:, None, :1], 1e-3) * around
    places[..., 2] = rings[:, 1:]
    ends = np.array([[0.0, 0.0, curve[0, 1]], [0.0, 0.0, curve[-1, 1]]])
    vertices = np.concatenate([ends[:1], places.reshape(-1, 3), ends[1:]])
    i = np.arange(AROUND)
    j, last = (i + 1) % AROUND, len(vertices) - 1
    top = last - AROUND
    parts = [np.stack([0 * i, 1 + j, 1 + i], 1), np.stack([0 * i + last, top + i, top + j], 1)]
    for ring in range(len(rings) - 1):
        a, b = 1 + ring * AROUND + i, 1 + ring * AROUND + j
        parts += [np.stack([a, b, b + AROUND], 1), np.stack([a, b + AROUND, a + AROUND], 1)]
    return vertices.astype(np.float32), np.concatenate(parts).astype(np.int32)


def looking(eye: Floats, target: Floats) -> Floats:
    """Return the pose (4, 4), OpenCV axes, that looks from `eye` at `target`."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


class _Quiet:
    """Listens to nothing, and lets everything go on."""

    def progress(self, *_: Any) -> None: ...
    def frame(self, number: int) -> None: ...
    def log(self, *_: Any) -> None: ...
    def check(self) -> None: ...


if __name__ == "__main__":
    main(sys.argv[1:])
