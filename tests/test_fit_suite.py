"""The measures of the suite `fit`: the twist, silhouettes, holes, and figures of known splats."""

import numpy as np
import pytest

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.fits.views import Views
from impetus.backend.evaluation.fit.suite import Splats, figures, holes, surface_splats
from impetus.backend.evaluation.fit.twist import silhouette_inside, twisted
from impetus.backend.stages.fits.targets import Targets

from .fit_cases import RADIUS, ball_views, stripes


def test_a_twist_stretches_as_its_derivative_says() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    _, gradient = twisted(points, 1.7)
    step = 1e-6
    for axis in range(3):
        shift = step * np.eye(3)[axis]
        slope = (twisted(points + shift, 1.7)[0] - twisted(points - shift, 1.7)[0]) / (2 * step)
        np.testing.assert_allclose(gradient[:, :, axis], slope, atol=1e-7)
    np.testing.assert_allclose(np.linalg.det(gradient), 1.0)


def test_a_silhouettes_inside_is_that_of_the_ball() -> None:
    views, arrays = ball_views(3, 64)
    targets = Targets(views, arrays)
    vertices = arrays.of(views.body.mesh.vertices).astype(np.float64)
    for index in range(3):
        inside = silhouette_inside(
            vertices, arrays.of(views.body.mesh.triangles), targets.camera(index)
        )
        alpha = targets[index].alpha.numpy()
        assert alpha[inside].min() == 1
        radius = np.sqrt((alpha == 1).sum() / np.pi)
        assert inside.sum() == pytest.approx(np.pi * (radius - 2.3) ** 2, rel=0.06)


def covered(count: int = 3000) -> tuple[Splats, Views, ArraySet]:
    views, arrays = ball_views(4, 64)
    return surface_splats(views.body, arrays, count), views, arrays


def test_holes_are_found_where_splats_are_missing() -> None:
    splats, views, arrays = covered()
    unseen = Targets(*ball_views(4, 64, turn=0.5))
    whole = holes(splats, views, arrays, unseen)
    assert whole["least_alpha"] > 0.98
    assert whole["share_under_0.98"] == 0
    kept = np.linalg.norm(splats.pose.mean - (0, -RADIUS, 0), axis=1) > 0.15
    kept &= np.linalg.norm(splats.pose.mean - (0, RADIUS, 0), axis=1) > 0.15  # through and through
    pose = type(splats.pose)(splats.pose.mean[kept], splats.pose.axes[kept])
    torn = Splats(pose, splats.color[kept], splats.opacity[kept])
    torn_views = Targets(*ball_views(24, 64, turn=0.5))
    assert holes(torn, views, arrays, torn_views)["least_alpha"] < 0.5


def test_figures_tell_right_colours_from_wrong_ones() -> None:
    splats, views, arrays = covered(6000)
    right = Splats(splats.pose, stripes(splats.pose.mean).astype(np.float32), splats.opacity)
    targets = Targets(views, arrays)
    good, bad = figures(right, targets), figures(splats, targets)
    assert good.iou > 0.97
    assert good.psnr_inside > bad.psnr_inside + 5
    assert good.psnr_worst <= good.psnr
