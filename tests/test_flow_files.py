"""Motion files of others: what is right is read right, what is wrong is one sentence."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from impetus.backend.contract.errors import ShotError
from impetus.backend.diffusion.flows.files import read_flow, read_frozen_mask


def field(height: int = 5, width: int = 7) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 4, (height, width, 2)).astype(np.float32)


def write_flo(path: Path, motion: np.ndarray, magic: float = 202021.25) -> None:
    height, width = motion.shape[:2]
    head = np.float32(magic).tobytes() + np.array([width, height], "<i4").tobytes()
    path.write_bytes(head + motion.astype("<f4").tobytes())


def test_middlebury(tmp_path: Path) -> None:
    motion = field()
    motion[2, 3] = 1.7e9
    write_flo(tmp_path / "a.flo", motion)
    found = read_flow(tmp_path / "a.flo")
    assert found.direction == "forward"
    assert found.motion.shape == (1, 5, 7, 2)
    assert not found.known[0, 2, 3]
    np.testing.assert_array_equal(found.motion[0][found.known[0]], motion[found.known[0]])
    assert not found.motion[0, 2, 3].any()


def test_kitti(tmp_path: Path) -> None:
    motion, known = np.round(field() * 64) / 64, np.ones((5, 7), bool)
    known[0, 1] = False
    values = np.concatenate([motion * 64 + 2**15, known[..., None]], -1).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values[..., ::-1])
    found = read_flow(tmp_path / "a.png")
    np.testing.assert_array_equal(found.known[0], known)
    np.testing.assert_array_equal(found.motion[0], motion * known[..., None])


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_numpy(tmp_path: Path, name: str) -> None:
    motion = np.stack([field(), field() + 1])
    if name.endswith("z"):
        np.savez(tmp_path / name, flow=motion, other=np.ones(3))
    else:
        np.save(tmp_path / name, motion.astype(np.float64))
    found = read_flow(tmp_path / name)
    assert found.direction == "forward"
    np.testing.assert_array_equal(found.motion, motion)


@pytest.mark.parametrize("staggered", [False, True])
def test_phiflow_is_turned_upright(tmp_path: Path, staggered: bool) -> None:
    """Fluid right of the middle that rises: x first, y up there; here up is a negative y."""
    cells = np.full((3, 1, 8, 6, 2), np.nan)
    cells[:, :, 5:, :2] = (0.0, 2.0)
    if staggered:
        cells = np.full((3, 1, 9, 7, 2), np.nan)
        cells[:, :, 5:, :3] = (0.0, 2.0)
    np.save(tmp_path / "a.npy", cells)
    found = read_flow(tmp_path / "a.npy")
    assert found.direction == "backward"
    assert found.motion.shape == (3, 6, 8, 2)
    assert found.known[0, -2:, 5:].all()
    assert not found.known[0, :3].any()
    np.testing.assert_array_equal(found.motion[0, -2:, 5:], np.tile((0.0, 2.0), (2, 3, 1)))


def test_the_reference_projects_files(tmp_path: Path) -> None:
    motion = field(16, 16)
    torch.save(torch.from_numpy(motion).permute(2, 0, 1)[None], tmp_path / "a.pth")
    found = read_flow(tmp_path / "a.pth")
    assert found.direction == "forward"
    np.testing.assert_array_equal(found.motion[0], motion)
    frozen = torch.zeros(1, 4, 8, 8, dtype=torch.bool)
    frozen[:, :, :3] = True
    torch.save(frozen, tmp_path / "a.mask.pth")
    np.testing.assert_array_equal(read_frozen_mask(tmp_path / "a.mask.pth"), frozen[0, 0].numpy())


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("run",))


def bad_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Name: the file, and a word of what is said."""
    good = field()
    write_flo(folder / "magic.flo", good, 1.0)
    write_flo(folder / "short.flo", good)
    (folder / "short.flo").write_bytes((folder / "short.flo").read_bytes()[:-4])
    head = np.float32(202021.25).tobytes() + np.array([-1, 2**30], "<i4").tobytes()
    (folder / "huge.flo").write_bytes(head)
    cv2.imwrite(str(folder / "picture.png"), np.zeros((4, 4, 3), np.uint8))
    (folder / "text.png").write_text("no picture")
    np.save(folder / "objects.npy", np.array([{}], object))
    np.save(folder / "shape.npy", np.zeros((5, 7, 3), np.float32))
    np.save(folder / "whole.npy", np.zeros((5, 7, 2), np.int32))
    np.save(folder / "empty.npy", np.zeros((0, 7, 2), np.float32))
    np.save(folder / "wild.npy", np.full((5, 7, 2), 1e9, np.float32))
    np.savez(folder / "many.npz", a=good, b=good)
    torch.save(Evil(), folder / "evil.pth")
    torch.save({"flow": torch.zeros(1)}, folder / "dictionary.pth")
    torch.save(torch.zeros(1, 4, 8, 8, dtype=torch.bool), folder / "mask.pth")
    torch.save(torch.zeros(1).half().expand(1, 2, 10**6, 10**6), folder / "vast.pth")
    (folder / "a.txt").write_text("")
    said = {
        "magic.flo": "another beginning", "short.flo": "bytes", "huge.flo": "sides",
        "picture.png": "16-bit", "text.png": "PNG", "objects.npy": "array of numbers",
        "shape.npy": "floats", "whole.npy": "floats", "empty.npy": "sides", "wild.npy": "up to",
        "many.npz": "array of numbers", "evil.pth": "a tensor", "dictionary.pth": "a tensor",
        "mask.pth": "floats", "vast.pth": "tensor", "a.txt": "one of", "missing.flo": "a file",
    }  # fmt: skip
    return {name: (folder / name, words) for name, words in said.items()}


def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, (path, words) in bad_files(tmp_path).items():
        with pytest.raises(ShotError, match=words) as caught:
            read_flow(path)
        assert caught.value.remedy, name
    assert "run" not in capfd.readouterr().out


def test_a_flow_is_no_mask(tmp_path: Path) -> None:
    torch.save(torch.zeros(1, 2, 8, 8), tmp_path / "a.pth")
    with pytest.raises(ShotError, match="booleans"):
        read_frozen_mask(tmp_path / "a.pth")
