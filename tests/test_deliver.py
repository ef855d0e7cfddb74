"""Files of a take: conventions of the EXR, the PNG's values, landing whole or not at all."""

import io
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from impetus.backend.contract.errors import DiskFullError, ShotError
from impetus.backend.stages.images.rendered import RenderedFrame
from impetus.backend.stages.takes.deliver import close_take, deliver
from impetus.backend.stages.takes.exr import read_channels, read_depth
from impetus.backend.stages.takes.finished import FinishedFrames
from impetus.backend.stages.takes.landing import land_bytes, landing
from impetus.backend.stages.takes.picture import decode_srgb, encode_png, encode_srgb
from impetus.backend.stages.takes.take import Take, read_record

from . import shots

WIDTH, HEIGHT = 33, 17


def rendered(frame: int, seed: int = 0) -> RenderedFrame:
    """Random passes with an empty corner."""
    rng = np.random.default_rng([seed, abs(frame)])

    def field(*channels: int) -> np.ndarray:
        return rng.normal(size=(HEIGHT, WIDTH, *channels)).astype(np.float32)

    depth, median = 5 + field() ** 2, 5 + field() ** 2
    index = rng.integers(0, 3, (HEIGHT, WIDTH), np.int32)
    depth[:4, :4], median[:4, :4], index[:4, :4] = np.inf, np.inf, -1
    beauty = np.concatenate([np.abs(field(3)), np.ones((HEIGHT, WIDTH, 1), np.float32)], -1)
    normal = field(3)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return RenderedFrame(
        frame=frame, beauty=beauty, depth=depth, normal=normal, index=index,
        median=median, coverage=rng.uniform(0, 1, (HEIGHT, WIDTH)).astype(np.float16).astype("f4"),
        forward=8 * field(2), backward=8 * field(2),
        valid_forward=field() > 0, valid_backward=field() > 0,
    )  # fmt: skip


def made(folder: Path, frames: tuple[int, int] = (-1, 3), **fields: object) -> tuple:
    shot, _ = shots.falling_cube(frames=frames, size=(WIDTH, HEIGHT), **fields)
    take = Take(folder / "take", shot)
    finished = FinishedFrames(folder / "cache", shot)
    images = (rendered(n) for n in shot.frames.numbers)
    assert list(deliver(shot, images, take, finished)) == list(shot.frames.numbers)
    return shot, take, finished


def test_exr_has_blenders_names_types_and_conventions(tmp_path: Path) -> None:
    _, take, _ = made(tmp_path)
    frame, found = rendered(2), read_channels(take.path("passes", 2))
    layer = {name.removeprefix("ViewLayer."): value for name, value in found.items()}
    assert sorted(layer) == sorted(
        [f"Combined.{c}" for c in "RGBA"] + [f"Normal.{c}" for c in "XYZ"] + ["Depth.Z"]
        + [f"Vector.{c}" for c in "XYZW"] + ["IndexOB.X", "Motion Valid.X", "Motion Valid.Y"]
        + ["Depth Median.Z", "Coverage.X"]
    )  # fmt: skip
    half = {name for name, value in layer.items() if value.dtype == np.float16}
    halves = ("Combined", "Normal", "Motion Valid", "Coverage")
    assert half == {n for n in layer if n.split(".")[0] in halves}
    for i, c in enumerate("RGBA"):
        np.testing.assert_array_equal(
            layer[f"Combined.{c}"], frame.beauty[..., i].astype(np.float16)
        )
    assert (layer["Depth.Z"][:4, :4] == 1e10).all()
    np.testing.assert_array_equal(layer["Depth.Z"][4:], frame.depth[4:])
    assert (layer["Depth Median.Z"][:4, :4] == 1e10).all()
    np.testing.assert_array_equal(layer["Depth Median.Z"][4:], frame.median[4:])
    np.testing.assert_array_equal(layer["Coverage.X"], frame.coverage)
    np.testing.assert_array_equal(layer["IndexOB.X"], frame.index + 1)
    # Blender: XY = previous - now, ZW = now - next, y up; ours point to the other frame, y down.
    np.testing.assert_array_equal(layer["Vector.X"], frame.backward[..., 0])
    np.testing.assert_array_equal(layer["Vector.Y"], -frame.backward[..., 1])
    np.testing.assert_array_equal(layer["Vector.Z"], -frame.forward[..., 0])
    np.testing.assert_array_equal(layer["Vector.W"], frame.forward[..., 1])
    np.testing.assert_array_equal(layer["Motion Valid.X"] > 0.5, frame.valid_backward)
    np.testing.assert_array_equal(layer["Motion Valid.Y"] > 0.5, frame.valid_forward)
    np.testing.assert_array_equal(read_depth(take.path("passes", 2)), frame.depth)


def test_bright_pixels_stay_finite_in_half(tmp_path: Path) -> None:
    shot, _ = shots.falling_cube(frames=(1, 1), size=(WIDTH, HEIGHT))
    bright = rendered(1)
    bright.beauty[0, 0] = 1e9
    take = Take(tmp_path / "take", shot)
    list(deliver(shot, iter([bright]), take, FinishedFrames(tmp_path / "cache", shot)))
    assert np.isfinite(read_channels(take.path("passes", 1))["ViewLayer.Combined.R"]).all()


def test_frames_are_numbered_as_blender_numbers_them(tmp_path: Path) -> None:
    shot, _ = shots.falling_cube()
    take = Take(tmp_path, shot)
    names = [take.path("beauty", n).name for n in (-12, -1, 0, 7, 12345)]
    assert names == ["-0012.png", "-0001.png", "0000.png", "0007.png", "12345.png"]
    assert take.path("passes", 1) == tmp_path / "passes" / "0001.exr"


def test_png_shows_linear_light_as_srgb() -> None:
    """Values of IEC 61966-2-1; above one is clipped, as in Blender's Standard view."""
    linear = np.array([0.0, 0.0025, 0.18, 0.21586, 0.5, 1.0, 7.0], np.float32)
    beauty = np.ones((1, 7, 4), np.float32)
    beauty[0, :, :3] = linear[:, None]
    image = Image.open(io.BytesIO(encode_png(beauty, transparent=False)))
    assert image.mode == "RGB"
    assert [image.getpixel((x, 0))[0] for x in range(7)] == [0, 8, 118, 128, 188, 255, 255]
    values = np.linspace(0, 1, 101)
    np.testing.assert_allclose(decode_srgb(encode_srgb(values)), values, atol=1e-6)


def test_transparent_png_has_straight_alpha() -> None:
    beauty = np.zeros((1, 3, 4), np.float32)
    beauty[0, 1] = (0.25, 0.0, 0.0, 0.5)  # half covered by linear red 0.5
    beauty[0, 2] = (1.0, 1.0, 1.0, 1.0)
    image = Image.open(io.BytesIO(encode_png(beauty, transparent=True)))
    assert image.mode == "RGBA"
    assert [image.getpixel((x, 0)) for x in range(3)] == [
        (0, 0, 0, 0), (188, 0, 0, 128), (255, 255, 255, 255)
    ]  # fmt: skip


def test_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    folders = [made(tmp_path / name)[1].folder for name in "ab"]
    for path in sorted(folders[0].glob("*/*.*")):
        assert path.read_bytes() == (folders[1] / path.relative_to(folders[0])).read_bytes(), path


def test_a_file_lands_whole_or_not_at_all(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with landing(tmp_path / "a") as temporary:
            temporary.write_bytes(b"half")
            raise KeyError

    land_bytes(tmp_path / "a", b"before")
    with pytest.raises(KeyError):
        fail_half_way()
    assert (tmp_path / "a").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    def link_to_full(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        half.symlink_to("/dev/full")
        return half

    shot, _ = shots.falling_cube(frames=(1, 1), size=(WIDTH, HEIGHT))
    for file in ("passes", "beauty"):
        take = Take(tmp_path / file, shot)
        half = link_to_full(take.path(file, 1))
        with pytest.raises(DiskFullError, match="MiB"):
            list(deliver(shot, iter([rendered(1)]), take, FinishedFrames(tmp_path / "c", shot)))
        assert not half.is_symlink()
        assert not take.is_whole(1)


def test_finished_frames_are_taken_again_unless_someone_changed_them(tmp_path: Path) -> None:
    shot, take, finished = made(tmp_path)
    again = Take(tmp_path / "again", shot)
    assert all(finished.adopt(again, n) for n in shot.frames.numbers)
    assert again.path("passes", 3).read_bytes() == take.path("passes", 3).read_bytes()
    take.path("beauty", 2).write_bytes(b"painted over")
    third = Take(tmp_path / "third", shot)
    assert [finished.adopt(third, n) for n in shot.frames.numbers] == [True] * 3 + [False, True]
    renamed = FinishedFrames(tmp_path / "cache", shots.changed(shot, name="Other name"))
    assert renamed.adopt(Take(tmp_path / "d", shot), 1)
    reseeded = FinishedFrames(tmp_path / "cache", shots.changed(shot, seed=5))
    assert not reseeded.adopt(Take(tmp_path / "e", shot), 1)


def test_take_of_another_shot_is_left_alone(tmp_path: Path) -> None:
    shot, take, _ = made(tmp_path)
    take.seconds = {"render": 2.5}
    take.record()
    before = (take.folder / "take.json").read_bytes()
    assert Take(take.folder, shot).seconds == {"render": 2.5}
    with pytest.raises(ShotError, match="never overwritten"):
        Take(take.folder, shots.changed(shot, seed=1))
    assert (take.folder / "take.json").read_bytes() == before


def test_record_tells_what_is_whole(tmp_path: Path) -> None:
    shot, take, _ = made(tmp_path)
    take.path("beauty", 0).unlink()
    half = take.folder / "beauty" / "0000.png.77.tmp"
    half.write_bytes(b"killed here")
    take = Take(take.folder, shot)
    assert not half.exists()
    take.record()
    record = read_record(take.folder)
    assert record.frames == {
        "-1": "whole", "0": "missing", "1": "whole", "2": "whole", "3": "whole",
    }  # fmt: skip
    assert record.bodies == ("Cube", "Floor")
    assert {"impetus", "taichi", "OpenEXR", "python"} <= set(record.versions)


def test_preview_plays_and_the_sheet_shows_the_frames(tmp_path: Path) -> None:
    shot, take, _ = made(tmp_path, (1, 14))
    close_take(shot, take)
    preview = (take.folder / "preview.mp4").read_bytes()
    with av.open(io.BytesIO(preview)) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height) == (34, 18), "odd sizes are filled up"
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == 24.0
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
    assert len(frames) == 14
    assert _boxes(preview).index(b"moov") < _boxes(preview).index(b"mdat"), "faststart"
    with Image.open(take.folder / "contact_sheet.png") as sheet:
        assert sheet.width == 4 * 320 + 5 * 12
    stamp = (take.folder / "preview.mp4").stat().st_mtime_ns
    close_take(shot, take)
    assert (take.folder / "preview.mp4").stat().st_mtime_ns == stamp


def _boxes(data: bytes) -> list[bytes]:
    """Return the types of an MP4 file's top-level boxes."""
    found, at = [], 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        found.append(kind)
        at += size
    return found


def test_preview_keeps_colours(tmp_path: Path) -> None:
    from impetus.backend.stages.takes.preview import write_preview

    paths = []
    for n, color in enumerate([(200, 40, 40), (40, 180, 60), (60, 60, 200), (128, 128, 128)]):
        paths.append(tmp_path / f"{n}.png")
        Image.new("RGB", (64, 36), color).save(paths[-1])
    write_preview(tmp_path / "film.mp4", paths, 29.97)
    with av.open(str(tmp_path / "film.mp4")) as film:
        for frame, path in zip(film.decode(video=0), paths, strict=True):
            shown = frame.reformat(src_colorspace="ITU709").to_ndarray(format="rgb24")
            wanted = np.asarray(Image.open(path))
            assert np.abs(shown.astype(int) - wanted).max() <= 6
