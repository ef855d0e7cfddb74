import numpy as np
import pytest

from impetus.backend.contract.edits import Rotate, Scale, Translate
from impetus.backend.contract.errors import ShotError
from impetus.backend.diffusion.edit_masks import (
    editable_area,
    editable_of_frozen,
    grow,
    landing,
    latent_mask,
    moving_pixels,
    occlusion_mask,
    require_editable,
    share_of_edit,
)
from impetus.backend.diffusion.elementary_flows import Box, displacement

SHAPE = (40, 56)
BOX = Box((10.0, 12.0), (24.0, 26.0))


def block() -> np.ndarray:
    mask = np.zeros(SHAPE, np.bool_)
    mask[12:26, 10:24] = True
    return mask


def field(edit: Translate | Rotate | Scale) -> np.ndarray:
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
    points = np.stack([x, y], -1).reshape(-1, 2)
    flow = displacement(edit, BOX, SHAPE[::-1])(points).reshape(*SHAPE, 2)
    return np.where(block()[..., None], flow, 0).astype(np.float32)


def test_a_whole_shift_lands_exactly_there() -> None:
    expected = np.roll(block(), (5, 9), (0, 1))
    assert (landing(field(Translate(offset=(9, 5))), block()) == expected).all()


@pytest.mark.parametrize("edit", [Scale(factor=2.6), Rotate(angle=0.6), Scale(factor=0.5)])
def test_landing_is_the_moved_square_without_holes(edit: Rotate | Scale) -> None:
    covered = landing(field(edit), block())
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]] + 0.5
    middle = BOX.middle
    if isinstance(edit, Scale):
        back = (np.stack([x, y], -1) - middle) / edit.factor
    else:
        c, s = np.cos(edit.angle), np.sin(edit.angle)
        back = (np.stack([x, y], -1) - middle) @ np.array([[c, -s], [s, c]])
    depth = 7 - np.abs(back).max(-1)  # px of the source inside its square
    assert covered[depth > 0.8].all()
    assert not covered[depth < -0.8].any()


def test_what_leaves_the_picture_lands_nowhere() -> None:
    assert not landing(field(Translate(offset=(-30, 0))), block()).any()


def test_things_that_part_leave_a_gap() -> None:
    """The slope of the field is not taken across the border of two things."""
    flow = np.zeros((*SHAPE, 2), np.float32)
    flow[12:26, 10:17, 0], flow[12:26, 17:24, 0] = -6, 6
    covered = landing(flow, block())
    assert covered[12:26, 4:11].all()
    assert covered[12:26, 23:30].all()
    assert not covered[:, 11:23].any()


def test_editable_area_is_both_places_and_a_margin() -> None:
    flow = field(Translate(offset=(20, 0)))
    assert (editable_area(flow, block(), dilation=0) == block() | np.roll(block(), 20, 1)).all()
    grown = editable_area(flow, block(), dilation=3)
    assert grown[9, 12]
    assert not grown[8, 12]
    assert not grown[9, 7]  # a disc: its corner is round
    assert grown[10, 8]


def test_cover_of_still_pixels_is_left_out() -> None:
    flow = field(Translate(offset=(6, 0)))
    mask = occlusion_mask(flow, moving_pixels(flow))
    left_out = np.roll(block(), 6, 1) & ~block()
    assert (mask == ~left_out).all()


def test_tiny_motion_of_the_renderer_counts_as_rest() -> None:
    flow = field(Translate(offset=(6, 0)))
    trembling = flow + np.float32(1e-3)
    assert (moving_pixels(trembling) == block()).all()


def test_what_leaves_the_picture_is_left_out() -> None:
    flow = field(Translate(offset=(-12, 0)))
    mask = occlusion_mask(flow, block())
    assert not mask[12:26, 10:12].any()
    assert mask[12:26, 12:24].all()


def test_the_renderers_visibility_is_the_answer() -> None:
    visible = np.random.default_rng(0).random(SHAPE) > 0.5
    flow = field(Translate(offset=(6, 0)))
    assert (occlusion_mask(flow, block(), visible) == visible).all()


def test_latent_cells_with_any_editable_pixel() -> None:
    editable = np.zeros((20, 16), np.bool_)
    editable[7, 8] = editable[19, 0] = True
    cells = latent_mask(editable, 8)
    assert cells.tolist() == [[False, True], [False, False], [True, False]]


def test_share_of_edit_rises_inside_the_area_alone() -> None:
    area = grow(block(), 6)
    share = share_of_edit(area, 6)
    assert (share[~area] == 0).all()
    assert (share[block()] > 0.95).all()
    along = share[19, 4:17]
    assert (np.diff(along) >= 0).all()
    assert 0 < along[0] < 0.1
    assert (share_of_edit(np.ones(SHAPE, np.bool_), 6) == 1).all()


def test_reference_masks_name_what_is_frozen() -> None:
    frozen = np.ones((1, 4, 5, 7), np.bool_)
    frozen[0, :, 2, 3] = False
    frozen[0, 1, 0, 0] = False
    editable = editable_of_frozen(frozen, (56, 40))
    expected = np.zeros((40, 56), np.bool_)
    expected[16:24, 24:32] = expected[:8, :8] = True
    assert (editable == expected).all()
    with pytest.raises(ShotError, match="expected a bool array"):
        editable_of_frozen(frozen[0], (56, 40))
    with pytest.raises(ShotError, match="may change"):
        require_editable(np.zeros(SHAPE, np.bool_))
