import msgspec
import numpy as np
import pytest

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.edits import (
    ElementaryFlow,
    Homography,
    Rotate,
    Scale,
    Stretch,
    StretchRows,
    Translate,
)
from impetus.backend.contract.errors import ShotError
from impetus.backend.diffusion.elementary_flows import Box, compose, displacement, homography_matrix

SIZE = (48, 32)
BOX = Box((10.0, 6.0), (30.0, 26.0))  # middle (20, 16)


def displaced(edit: ElementaryFlow, point: tuple[float, float], amount: float = 1.0) -> list[float]:
    return displacement(edit, BOX, SIZE, amount)(np.array([point], np.float64))[0].tolist()


@pytest.mark.parametrize(
    ("edit", "point", "expected"),
    [
        (Translate(offset=(3, -2)), (5, 5), (3, -2)),
        (Rotate(angle=np.pi / 2), (25, 16), (-5, 5)),  # clockwise as seen: right goes down
        (Rotate(angle=np.pi / 2, center=(0.5, 0.5)), (24, 6), (10, 10)),
        (Scale(factor=2), (22, 13), (2, -3)),
        (Stretch(factor=3), (22, 13), (4, 0)),
        (Stretch(factor=3, angle=np.pi / 2), (22, 13), (0, -6)),
        (Stretch(factor=2, angle=np.pi / 4), (22, 18), (2, 2)),
        (Stretch(factor=2, angle=np.pi / 4), (22, 14), (0, 0)),
        (Homography(corners=((1, 2), (0, 0), (0, 0), (0, 0))), (10, 6), (1, 2)),
        (Homography(corners=((0, 0), (0, 0), (0, 0), (-3, 4))), (10, 26), (-3, 4)),
        (Homography(corners=((2, 1),) * 4), (17, 9), (2, 1)),
        (StretchRows(factors=((0, 1), (1, 3))), (25, 16), (5, 0)),  # halfway: factor 2
        (StretchRows(factors=((0, 1), (1, 3))), (25, 26), (10, 0)),
        (StretchRows(factors=((0, 1), (0.5, 3), (1, 1))), (25, 11), (5, 0)),
    ],
)  # fmt: skip
def test_flow_moves_points_where_its_formula_says(
    edit: ElementaryFlow, point: tuple[float, float], expected: tuple[float, float]
) -> None:
    np.testing.assert_allclose(displaced(edit, point), expected, atol=1e-9)


def test_rows_blend_by_half_cosines() -> None:
    edit = StretchRows(factors=((0, 1), (1, 3)))
    quarter = 1 + 2 * (1 - np.cos(np.pi / 4)) / 2
    np.testing.assert_allclose(displaced(edit, (21, 11)), (quarter - 1, 0), atol=1e-12)


@pytest.mark.parametrize(
    ("edit", "inverse"),
    [
        (Translate(offset=(3.5, -2)), Translate(offset=(-3.5, 2))),
        (Rotate(angle=0.4, center=(0.3, 0.4)), Rotate(angle=-0.4, center=(0.3, 0.4))),
        (Rotate(angle=np.pi / 2), Rotate(angle=-np.pi / 2)),  # round the middle of where it is
        (Scale(factor=1.7), Scale(factor=1 / 1.7)),
        (Stretch(factor=1.7), Stretch(factor=1 / 1.7)),
        (StretchRows(factors=((0, 2),)), StretchRows(factors=((0, 0.5),))),
    ],
)
def test_an_edit_and_its_inverse_compose_to_rest(
    edit: ElementaryFlow, inverse: ElementaryFlow
) -> None:
    arrays, mask = block()
    ref = arrays.add(mask)
    pair = [msgspec.structs.replace(one, mask=ref) for one in (edit, inverse)]
    assert np.abs(compose(pair[:1], SIZE, masks=arrays).flow).max() > 1
    np.testing.assert_allclose(compose(pair, SIZE, masks=arrays).flow, 0, atol=1e-5)


def block() -> tuple[ArraySet, np.ndarray]:
    mask = np.zeros((32, 48), np.uint8)
    mask[6:26, 10:30] = 1
    return ArraySet(), mask


def test_composition_takes_the_second_flow_where_the_first_has_put_the_point() -> None:
    edits = (Translate(offset=(4, 0)), Scale(factor=2, center=(0, 0)))
    flow = compose(edits, SIZE, masks={}).flow
    np.testing.assert_allclose(flow[3, 7], (4 + 11.5, 3.5), atol=1e-5)


def test_homography_matrix_is_the_inverse_of_the_way_back() -> None:
    there = homography_matrix(BOX, np.array([[3, -2], [1, 0], [-4, 2], [0, 1]]))
    p = np.array([[12.0, 9.0, 1.0], [28.0, 20.0, 1.0]])
    seen = p @ there.T
    landed = seen[:, :2] / seen[:, 2:]
    back = np.c_[landed, [1, 1]] @ np.linalg.inv(there).T
    np.testing.assert_allclose(back[:, :2] / back[:, 2:], p[:, :2], atol=1e-9)
    # A projective map keeps lines: the box's diagonals still meet on both.
    corners = np.array([[13.0, 4.0], [31.0, 6.0], [26.0, 28.0], [10.0, 27.0]])
    middle = np.array([20, 16, 1]) @ there.T
    middle = middle[:2] / middle[2]
    for a, c in ((corners[0], corners[2]), (corners[1], corners[3])):
        assert abs(np.linalg.det(np.stack([c - a, middle - a]))) < 1e-6


def test_only_what_the_mask_covers_moves() -> None:
    arrays, mask = block()
    field = compose([Translate(mask=arrays.add(mask), offset=(5, 1))], SIZE, masks=arrays)
    assert (field.moving == (mask != 0)).all()
    assert (field.flow[mask == 0] == 0).all()
    assert (field.flow[mask != 0] == (5, 1)).all()


@pytest.mark.parametrize(
    ("edit", "point", "half"),
    [
        (Translate(offset=(4, 2)), (3, 3), (2, 1)),
        (Rotate(angle=np.pi), (25, 16), (-5, 5)),
        (Scale(factor=4), (22, 16), (2, 0)),
        (Homography(corners=((2, 4), (0, 0), (0, 0), (0, 0))), (10, 6), (1, 2)),
    ],
)
def test_amount_grows_the_edit(
    edit: ElementaryFlow, point: tuple[float, float], half: tuple[float, float]
) -> None:
    np.testing.assert_allclose(displaced(edit, point, 0.5), half, atol=1e-9)
    np.testing.assert_allclose(displaced(edit, point, 0.0), 0, atol=1e-9)


@pytest.mark.parametrize(
    "corners",
    [
        ((0, 0), (-40, 0), (0, 0), (0, 0)),  # crossed
        ((20, 0), (-20, 0), (-20, 0), (20, 0)),  # seen from behind
        ((20, 20), (0, 0), (0, 0), (0, 0)),  # folded onto the opposite corner
    ],
)
def test_corners_that_turn_the_plane_over_are_refused(
    corners: tuple[tuple[float, float], ...],
) -> None:
    with pytest.raises(ShotError, match="convex"):
        displaced(Homography(corners=corners), (12, 12))


def test_bad_masks_and_numbers_are_refused() -> None:
    arrays = ArraySet()
    other = arrays.add(np.ones((4, 4), np.uint8))
    empty = arrays.add(np.zeros((32, 48), np.uint8))
    with pytest.raises(ShotError, match=r"expected \(height, width\) \(32, 48\)"):
        compose([Translate(mask=other)], SIZE, masks=arrays)
    with pytest.raises(ShotError, match="covers nothing"):
        compose([Translate(mask=empty)], SIZE, masks=arrays)
    with pytest.raises(ShotError, match="finite"):
        compose([Rotate(angle=float("nan"))], SIZE, masks={})
    with pytest.raises(ShotError, match="growing heights"):
        compose([StretchRows(factors=((0.5, 1), (0.5, 2)))], SIZE, masks={})
