"""The engines: which is chosen and why, motion as numbers, and on a GPU that both draw alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from impetus.backend.splatting import engines
from impetus.backend.splatting.drawing import draw
from impetus.backend.splatting.engines import choose_engine
from impetus.backend.splatting.frames import draw_color, draw_frame
from impetus.backend.splatting.gradients import Camera, render
from impetus.backend.splatting.gsplat_engine import in_camera
from impetus.backend.splatting.motion import motion_field, motion_numbers
from impetus.kernels.splats.project import REACH_X, SplatPose, W, project
from impetus.kernels.splats.raster import render_splats

from .splat_cases import backed, random_splats

LENS = (60.0, 61.0, 32.3, 23.6)


def camera(place: tuple[float, float, float] = (0, 0, 0), lens: tuple[float, ...] = LENS) -> Camera:
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, 3] = torch.tensor(place)
    return Camera(pose, torch.tensor(lens, dtype=torch.float64), 64, 48)


def test_without_cuda_our_own_kernels_draw_and_the_reason_is_told() -> None:
    for device in ("cpu", "vulkan", "metal"):
        engine = choose_engine(device)
        assert engine.name == "taichi"
        assert device in engine.reason


def test_cuda_without_gsplat_is_drawn_by_our_own_kernels() -> None:
    engine = choose_engine("cuda")
    assert engine.reason
    if not torch.cuda.is_available():
        assert engine.name == "taichi"


def test_an_engine_that_cannot_draw_is_known_before_a_shot_is_made() -> None:
    """It may import well, and fail where it compiles itself for the device."""

    def broken() -> None:
        raise RuntimeError("nvcc was not found\nand more")

    assert engines._trial(broken) == "gsplat does not start: nvcc was not found"
    assert engines._trial(lambda: None) == ""


def test_a_frame_by_our_kernels_is_what_they_render() -> None:
    case = random_splats("overlaps", 0, 50)
    del case["before"], case["after"]
    pose, view = case.pop("pose"), case.pop("view")
    drawn, expected = (
        draw_frame(pose, view, **case, engine="taichi"),
        render_splats(pose, view, **case),
    )
    for name, image in vars(expected).items():
        np.testing.assert_array_equal(getattr(drawn, name), image, err_msg=name)
    color, alpha = draw_color(
        pose, view, color=case["color"], opacity=case["opacity"], engine="taichi"
    )
    np.testing.assert_allclose(color, expected.color, atol=1e-5)
    np.testing.assert_allclose(alpha, expected.alpha, atol=1e-5)


def test_draw_by_our_kernels_is_render() -> None:
    case = random_splats("overlaps", 0, 50)
    tensors = [torch.tensor(a) for a in (case["pose"].mean, case["pose"].axes, case["color"],
                                         case["opacity"])]  # fmt: skip
    view = camera((0, 0, -4))
    drawn, expected = draw(*tensors, view, engine="taichi"), render(*tensors, view)
    assert torch.equal(drawn.color, expected.color)
    assert torch.equal(drawn.depth, expected.depth)


@pytest.mark.parametrize("kind", ["flat", "orthographic"])
def test_what_is_drawn_back_is_so_for_both_engines(kind: str) -> None:
    """Brought into the camera, splats have the footprints that our kernels give them."""
    case = random_splats(kind, 2)
    pose = backed(case["pose"])
    shear = (0.05, -0.02) if case["view"].orthographic else (0.0, 0.0)
    view, look = replace(case["view"], shear=shear), {n: case[n] for n in ("color", "opacity")}
    mean, axes = in_camera(pose, view, case["opacity"])
    moved = SplatPose(mean.astype(np.float32), axes.astype(np.float32))
    here = replace(view, camera_to_world=np.eye(4), shear=(0.0, 0.0))
    ours, theirs, unmoved = (
        project(p, v, **look).record[:, :W]
        for p, v in ((pose, view), (moved, here), (case["pose"], view))
    )
    seen = (ours[:, REACH_X] > 0) & (theirs[:, REACH_X] > 0) & (unmoved[:, REACH_X] > 0)
    assert seen.sum() > 100
    np.testing.assert_allclose(theirs[seen], ours[seen], rtol=2e-3, atol=2e-3)
    assert np.abs(ours - unmoved)[seen, :2].max() > 0.3


def test_motion_numbers_are_the_motion_inside_a_splat() -> None:
    """A tilted disc that turns, shears and stretches before a camera that moves and zooms."""
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(np.eye(3) + 0.4 * rng.normal(size=(3, 3)))[0]
    axes = (frame * (0.06, 0.05, 0.0005)).astype(np.float32)[None]
    mean = np.array([[0.1, -0.05, 3.0]], np.float32)
    strain = np.array([[1.2, 0.3, 0.0], [-0.2, 0.9, 0.1], [0.1, 0.0, 1.1]])
    mean_there = mean + np.array([[0.05, 0.1, -0.1]], np.float32)
    axes_there = (strain @ axes).astype(np.float32)
    here, there = camera(), camera((0.02, 0.0, 0.1), (66.0, 67.1, 33.0, 23.0))
    one = np.ones((1, 3), np.float32)
    looks = {"color": one, "opacity": one[:, 0], "normal": one, "index": np.zeros(1, np.int32)}
    after = (SplatPose(mean_there, axes_there), there.view())
    passes = render_splats(SplatPose(mean, axes), here.view(), **looks, after=after)

    tensors = [torch.tensor(a, dtype=torch.float64) for a in (mean, axes, mean_there, axes_there)]
    numbers = motion_numbers(tensors[0], tensors[1], here, tensors[2], tensors[3], there)
    field = motion_field(numbers.expand(48, 64, 6).contiguous()).numpy()
    inside = passes.alpha > 0.5
    assert inside.sum() > 4
    assert np.abs(passes.forward[inside]).max() > 2
    # The affine map follows the disc's homography up to the second order of its size.
    np.testing.assert_allclose(field[inside], passes.forward[inside], atol=0.01)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["overlaps", "flat", "shifted", "orthographic"])
def test_both_engines_draw_the_same_frames(kind: str) -> None:
    """Sheared views too, which an open lens makes of an orthographic camera."""
    if choose_engine("cuda").name != "gsplat":
        pytest.skip(f"needs gsplat on CUDA: {choose_engine('cuda').reason}")
    case = random_splats(kind, 1)
    pose, view = case.pop("pose"), case.pop("view")
    view = replace(view, shear=(0.05, -0.02)) if view.orthographic else view
    pose = backed(pose)
    ours, theirs = (
        draw_frame(pose, view, **case, engine=engine) for engine in ("taichi", "gsplat")
    )
    for name in ("color", "alpha"):
        mine, their = getattr(ours, name), getattr(theirs, name)
        assert np.linalg.norm(mine - their) < 1e-3 * np.linalg.norm(mine)


@pytest.mark.gpu
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("kind", ["overlaps", "tiny", "border", "behind", "flat", "orthographic"])
def test_both_engines_draw_alike(kind: str, antialias: bool) -> None:
    if choose_engine("cuda").name != "gsplat":
        pytest.skip(f"needs gsplat on CUDA: {choose_engine('cuda').reason}")
    case = random_splats(kind, 0)
    view = case["view"]
    arrays = (case["pose"].mean, case["pose"].axes, case["color"], case["opacity"])
    seen = Camera(torch.tensor(view.camera_to_world), torch.tensor(view.intrinsics), view.width,
                  view.height, view.near, view.far, view.orthographic)  # fmt: skip
    images = []
    for engine, device in (("taichi", "cpu"), ("gsplat", "cuda")):
        tensors = [torch.tensor(a, device=device).requires_grad_() for a in arrays]
        made = draw(*tensors, seen, engine=engine, antialias=antialias)  # type: ignore[arg-type]
        (made.color.sum() + made.alpha.sum()).backward()
        images.append([made.color.cpu(), made.alpha.cpu(), *(t.grad.cpu() for t in tensors)])
    for ours, theirs in zip(*images, strict=True):
        assert (ours - theirs).norm() < 1e-3 * ours.norm()
