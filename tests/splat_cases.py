"""Random scenes of splats for the tests of projection, binning and rasterising."""

from dataclasses import replace
from typing import Any

import numpy as np

from impetus.kernels.splats.project import SplatPose, View

KINDS = (
    "overlaps", "huge", "tiny", "behind", "border", "needles", "flat", "faint", "shifted",
    "orthographic",
)  # fmt: skip


def random_view(rng: np.random.Generator, width: int = 70, height: int = 45) -> View:
    """A camera near (0, 0, -4) that looks about along z; its size is no multiple of a tile."""
    turn = np.linalg.qr(np.eye(3) + 0.05 * rng.normal(size=(3, 3)))[0]
    turn *= np.sign(np.diag(turn))
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, (0, 0, -4) + 0.1 * rng.normal(size=3)
    focal = width * rng.uniform(0.9, 1.1)
    lens = np.array([focal, focal * 1.02, width / 2 + 1.3, height / 2 - 0.7])
    return View(pose, lens, width, height, near=0.1, far=50.0)


def shifted(view: View) -> View:
    """The same camera with its lens shifted by more than half a picture, as for a tall house."""
    move = np.array([0, 0, 0.6 * view.width, -0.55 * view.height])
    return replace(view, intrinsics=view.intrinsics + move)


def parallel(view: View) -> View:
    """An orthographic camera of about the same picture; one that looks aside by its shift."""
    focal = view.intrinsics[:2] / 4
    return replace(view, intrinsics=np.append(focal, view.intrinsics[2:] + 3), orthographic=True)


VIEWS = {"shifted": shifted, "orthographic": parallel}


def random_splats(
    kind: str, seed: int = 0, count: int = 150, size: tuple[int, int] = (70, 45)
) -> dict[str, Any]:
    """Everything `render_splats` takes, the poses before and after included."""
    rng = np.random.default_rng(seed)
    mean = rng.uniform(-1, 1, (count, 3)) * (1.5, 1, 1)
    sigma = np.exp(rng.uniform(np.log(0.03), np.log(0.3), (count, 3)))
    opacity = rng.uniform(0.05, 1.0, count)
    match kind:
        case "huge":
            sigma[: count // 4] *= 30
            opacity[: count // 4] *= 0.2
        case "tiny":
            sigma *= 0.01
        case "behind":
            mean[:, 2] = rng.uniform(-9, 2, count)
        case "border":
            mean[:, :2] *= 2.2
        case "needles":
            sigma *= (8, 0.1, 0.1)
        case "flat":
            sigma[:, 2] = 0.01 * sigma[:, 0]
        case "faint":
            opacity = rng.uniform(0, 0.03, count)
        case "shifted":
            mean[:, :2] += (-2.2, 1.5)
    frame = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    axes = frame * sigma[:, None, :]
    normal = rng.normal(size=(count, 3))
    seen = VIEWS.get(kind, lambda view: view)
    return {
        "pose": _pose(mean, axes),
        "view": seen(random_view(rng, *size)),
        "color": rng.uniform(0, 1, (count, 3)).astype(np.float32),
        "opacity": opacity.astype(np.float32),
        "normal": (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(np.float32),
        "index": rng.integers(0, 5, count).astype(np.int32),
        "before": (_moved(rng, mean, axes), seen(random_view(rng, *size))),
        "after": (_moved(rng, mean, axes), seen(random_view(rng, *size))),
    }


def backed(pose: SplatPose) -> SplatPose:
    """Let solids of all kinds back two of three splats: thin ones, thick ones, on either side."""
    third = np.linalg.norm(pose.axes[:, :, 2], axis=1)
    thick = np.resize([0, 0.02, 1.0, 0, -0.02, -1.0, 0, 0.1, 0.3], len(third))
    return replace(pose, backing=(thick / third).astype(np.float32))


def _moved(rng: np.random.Generator, mean: Any, axes: Any) -> SplatPose:
    strain = np.eye(3) + 0.05 * rng.normal(size=(len(mean), 3, 3))
    return _pose(mean + 0.05 * rng.normal(size=mean.shape), strain @ axes)


def _pose(mean: Any, axes: Any) -> SplatPose:
    return SplatPose(mean.astype(np.float32), axes.astype(np.float32))
