"""Pictures, masks and depth that cannot be meant: one clear sentence, and nothing written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impetus.backend.contract.errors import LiftError
from impetus.backend.stages.lifts.depth_maps import read_depth
from impetus.backend.stages.lifts.lift import LiftOptions, lift

from .lift_cases import disc, painted, save


@pytest.fixture
def opaque(tmp_path: Path) -> Path:
    return save(tmp_path / "opaque.png", painted(disc()))


def mask_file(tmp_path: Path, values: np.ndarray) -> Path:
    Image.fromarray((255 * values).astype(np.uint8)).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def test_no_picture(tmp_path: Path) -> None:
    with pytest.raises(LiftError, match="found nothing"):
        lift(tmp_path / "none.png", LiftOptions())
    (tmp_path / "text.png").write_text("this is no picture")
    with pytest.raises(LiftError, match="expected a picture"):
        lift(tmp_path / "text.png", LiftOptions())


def test_a_picture_that_was_cut_off(opaque: Path) -> None:
    opaque.write_bytes(opaque.read_bytes()[:600])
    with pytest.raises(LiftError, match=r"opaque.png: expected a picture"):
        lift(opaque, LiftOptions(box=(6, 6, 90, 90)))


def test_a_picture_that_claims_to_be_huge(tmp_path: Path, opaque: Path) -> None:
    data = bytearray(opaque.read_bytes())
    data[16:24] = (200_000).to_bytes(4, "big") * 2
    (tmp_path / "huge.png").write_bytes(bytes(data))
    with pytest.raises(LiftError):
        lift(tmp_path / "huge.png", LiftOptions())


def test_a_picture_too_small(tmp_path: Path) -> None:
    Image.new("RGB", (8, 300)).save(tmp_path / "small.png")
    with pytest.raises(LiftError, match="at least 16"):
        lift(tmp_path / "small.png", LiftOptions())


def test_a_picture_without_object(tmp_path: Path, opaque: Path) -> None:
    with pytest.raises(LiftError, match="alpha channel, got an opaque one"):
        lift(opaque, LiftOptions())
    clear = save(tmp_path / "clear.png", painted(disc()), np.zeros((96, 96), np.float32))
    with pytest.raises(LiftError, match="at least 64 pixels in the mask, got 0"):
        lift(clear, LiftOptions())


@pytest.mark.parametrize(("value", "words"), [(0.0, "got 0"), (1.0, "the whole picture")])
def test_a_mask_with_nothing_in_it_or_outside(
    tmp_path: Path, opaque: Path, value: float, words: str
) -> None:
    path = mask_file(tmp_path, np.full((96, 96), value))
    with pytest.raises(LiftError, match=words):
        lift(opaque, LiftOptions(mask=path))


def test_a_mask_of_another_picture(tmp_path: Path, opaque: Path) -> None:
    with pytest.raises(LiftError, match="proportions"):
        lift(opaque, LiftOptions(mask=mask_file(tmp_path, np.ones((50, 96)))))


@pytest.mark.parametrize(
    "box", [(0, 0, 96, 96), (50, 50, 51, 90), (90, 90, 10, 10), (200, 200, 300, 300)]
)
def test_a_box_that_cannot_be_meant(opaque: Path, box: tuple[int, int, int, int]) -> None:
    with pytest.raises(LiftError, match="Expected a box"):
        lift(opaque, LiftOptions(box=box))


def test_a_box_around_one_colour(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), (90, 90, 90)).save(tmp_path / "grey.png")
    with pytest.raises(LiftError, match="Expected an object"):
        lift(tmp_path / "grey.png", LiftOptions(box=(10, 10, 50, 50)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (LiftOptions(length=0.0), "a length of"),
        (LiftOptions(lens=float("nan")), "a lens of"),
        (LiftOptions(roundness=-1.0), "a roundness of"),
        (LiftOptions(splats=3), "a number of splats"),
    ],
)
def test_numbers_out_of_range(opaque: Path, options: LiftOptions, words: str) -> None:
    with pytest.raises(LiftError, match=words):
        lift(opaque, options)


def test_depth_that_does_not_fit(tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.ones((50, 96)))
    with pytest.raises(LiftError, match="96 x 96"):
        read_depth(tmp_path / "other.npy", "metric", (96, 96))
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY and no more")
    with pytest.raises(LiftError, match="expected depth"):
        read_depth(tmp_path / "bad.npy", "depth", (96, 96))
    (tmp_path / "bad.exr").write_bytes(b"v/1\x01 and no more")
    with pytest.raises(LiftError, match="expected depth"):
        read_depth(tmp_path / "bad.exr", "depth", (96, 96))
    with pytest.raises(LiftError, match="no unit"):
        read_depth(mask_file(tmp_path, disc()), "metric", (96, 96))


def test_depth_that_holds_objects_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(LiftError, match="expected depth"):
        read_depth(tmp_path / "objects.npy", "depth", (96, 96))
