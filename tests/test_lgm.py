"""LGM's network: its size, its published names, its views; and the splats that its numbers mean."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from impetus.backend.contract.captures.files import read_capture
from impetus.backend.contract.captures.gaussians import Gaussians
from impetus.backend.contract.errors import LiftError, ModelError
from impetus.backend.stages.lifts.lgm.model import lgm_splats, splats_of
from impetus.backend.stages.lifts.lgm.network import BIG, SMALL, CrossView, Layout, Network
from impetus.backend.stages.lifts.lgm.views import (
    FOCAL,
    RADIUS,
    SIDE,
    framed,
    network_input,
    plucker,
    poses,
)
from impetus.backend.stages.lifts.lgm.weights import load_network
from impetus.backend.stages.lifts.lift import LiftOptions, lift
from impetus.backend.stages.lifts.lift_files import write_lift

from .lift_cases import disc, painted, save

TINY = Layout((32, 32, 64, 64, 64, 64), (False,) * 4 + (True,) * 2, (64, 64, 64, 64, 32),
              (True, True, False, False, False))  # fmt: skip


def tiny(path: Path) -> Network:
    torch.manual_seed(0)
    network = Network(TINY)
    save_file(network.state_dict(), path)
    return network.eval()


@pytest.mark.parametrize(("layout", "millions", "shrinks"), [(BIG, 415.0, 2), (SMALL, 413.0, 4)])
def test_it_has_as_many_weights_as_the_published_one(
    layout: Layout, millions: float, shrinks: int
) -> None:
    with torch.device("meta"):
        network = Network(layout)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert layout.shrinks == shrinks


def test_its_names_are_the_published_ones() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(p.shape) for name, p in Network(BIG).named_parameters()}
    wanted = {
        "unet.conv_in.weight": (64, 9, 3, 3),
        "unet.down_blocks.1.nets.0.shortcut.weight": (128, 64, 1, 1),
        "unet.down_blocks.0.downsample.bias": (64,),
        "unet.down_blocks.3.attns.1.attn.qkv.weight": (1536, 512),
        "unet.mid_block.attns.0.attn.proj.bias": (1024,),
        "unet.mid_block.nets.1.conv2.weight": (1024, 1024, 3, 3),
        "unet.up_blocks.1.nets.2.conv1.weight": (1024, 1536, 3, 3),
        "unet.up_blocks.3.upsample.weight": (256, 256, 3, 3),
        "unet.norm_out.weight": (128,),
        "unet.conv_out.weight": (14, 128, 3, 3),
        "conv.weight": (14, 14, 1, 1),
    }
    assert {name: shapes.get(name) for name in wanted} == wanted
    assert "unet.down_blocks.3.attns.1.attn.qkv.bias" not in shapes
    assert "unet.down_blocks.5.downsample.weight" not in shapes
    assert "unet.down_blocks.2.attns.0.norm.weight" not in shapes


def test_weights_come_back_from_their_file(tmp_path: Path) -> None:
    made = tiny(tmp_path / "model.safetensors")
    opened = load_network(tmp_path)
    assert opened.layout == TINY
    same = opened.state_dict()
    assert same.keys() == made.state_dict().keys()
    assert all(torch.equal(value, same[name]) for name, value in made.state_dict().items())


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="found none of"):
        load_network(tmp_path)
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="none of its levels"):
        load_network(tmp_path / "other.safetensors")
    tensors = tiny(tmp_path / "whole.safetensors").state_dict()
    del tensors["unet.mid_block.nets.0.conv1.weight"]
    save_file(tensors, tmp_path / "less.safetensors")
    with pytest.raises(ModelError, match=r"mid_block.nets.0.conv1.weight is missing"):
        load_network(tmp_path / "less.safetensors")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04 and so on")
    with pytest.raises(ModelError, match="pickle"):
        load_network(tmp_path / "pickle.safetensors")


def test_attention_reaches_across_views_and_not_across_batches() -> None:
    torch.manual_seed(1)
    attention = CrossView(32).eval()
    views = torch.randn(8, 32, 4, 4)
    plain = attention(views)
    views[1, :, 2, 2] += 1.0
    changed = (attention(views) - plain).abs().amax(dim=(1, 2, 3))
    assert (changed[:4] > 0).all()
    assert (changed[4:] == 0).all()


def test_rays_look_at_the_middle_from_all_sides() -> None:
    around = np.array([[0, 0, 1], [1, 0, 0], [0, 0, -1], [-1, 0, 0]])
    assert np.allclose(poses()[:, :3, 3], RADIUS * around, atol=1e-9)
    for pose in poses():
        rays = plucker(pose)
        moment, direction = rays[..., :3], rays[..., 3:]
        assert np.allclose(np.linalg.norm(direction, axis=-1), 1)
        assert np.allclose(np.einsum("hwd,hwd->hw", moment, direction), 0, atol=1e-12)
        middle = direction[SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1].mean(
            (0, 1)
        )
        assert np.allclose(middle, -pose[:3, 3] / RADIUS, atol=1e-4)
    first = plucker(poses()[0])[..., 3:]
    assert first[0, 0, 0] < 0 < first[0, 0, 1]  # the left upper corner, y up


def test_a_number_of_each_kind_becomes_a_splat_where_the_picture_shows_it() -> None:
    """What LGM puts at the place of a pixel is seen in that pixel of the picture."""
    picture, mask = painted(disc(120, 30)), disc(120, 30)
    frame = framed(picture, mask)
    seen = frame.seen(picture.size, 0.4, 60)
    numbers = torch.zeros(4, 14, 2, 2)
    numbers[:, 3] = -20.0
    place = np.array([0.25, 0.4, 0.1])  # right, up, towards the eye
    numbers[0, :3, 0, 0] = torch.tensor(place)
    numbers[0, 3, 0, 0] = 5.0
    numbers[0, 7:11, 0, 0] = torch.tensor([3.0, 0, 0, 0])
    splats = splats_of(numbers, seen.distance / RADIUS)
    assert len(splats) == 1
    pixel, depth = seen.to_picture(splats.mean)
    view = SIDE / 2 + FOCAL * np.array([place[0], -place[1]]) / (RADIUS - place[2])
    assert np.allclose(pixel[0], (view - np.array(frame.shift)) / frame.scale, atol=1e-3)
    assert depth[0] == pytest.approx(seen.distance * (RADIUS - 0.1) / RADIUS, rel=1e-5)
    assert splats.scale[0] == pytest.approx(0.1 * np.log(2) * seen.distance / RADIUS)
    assert splats.opacity[0] == pytest.approx(1 / (1 + np.exp(-5)))


def test_the_object_fills_its_view_but_for_the_border() -> None:
    frame = framed(painted(disc(120, 30)), disc(120, 30))
    rows, columns = np.nonzero(np.abs(frame.image - 1).max(axis=2) > 0.2)
    assert np.ptp(columns) == pytest.approx(0.8 * SIDE, abs=4)
    for place in (rows, columns):
        assert (place.min() + place.max()) / 2 == pytest.approx(SIDE / 2, abs=2)


def test_four_views_become_splats(tmp_path: Path) -> None:
    tiny(tmp_path / "model.safetensors")
    picture, mask = painted(disc()), disc()
    others = [save(tmp_path / f"{k}.png", picture, mask) for k in range(3)]
    splats, seen = lgm_splats(load_network(tmp_path), picture, mask, others, length=0.4)
    assert 0 < len(splats) <= 4 * (SIDE // 2) ** 2
    assert np.abs(splats.mean).max() <= seen.distance / RADIUS + 1e-6
    assert np.isfinite(splats.axes).all()
    with pytest.raises(LiftError, match="three more views"):
        lgm_splats(load_network(tmp_path), picture, mask, others[:1], length=0.4)


def test_a_lift_by_lgm_is_a_folder_without_a_mesh(tmp_path: Path) -> None:
    tiny(tmp_path / "model.safetensors")
    picture = save(tmp_path / "picture.png", painted(disc()), disc())
    options = LiftOptions(lgm=tmp_path, views=(picture,) * 3)
    write_lift(tmp_path / "body", lift(picture, options))
    assert isinstance(read_capture(tmp_path / "body" / "splats.ply"), Gaussians)
    assert not (tmp_path / "body" / "form.npz").exists()


def test_its_input_is_normalised_colour_and_rays() -> None:
    grey = np.full((SIDE, SIDE, 3), (0.485, 0.456, 0.406), np.float32)
    given = network_input([grey] * 4)
    assert given.shape == (4, 9, SIDE, SIDE)
    assert given[:, :3].abs().max() < 1e-6
