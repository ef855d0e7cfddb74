"""Capture files: numbers in, the same numbers out; one sentence for what is not whole."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract.captures.files import read_capture, write_capture
from impetus.backend.contract.captures.gaussians import Gaussians, Points, logit_of
from impetus.backend.contract.captures.ply_splats import write_ply, write_point_ply
from impetus.backend.contract.captures.splat import write_splat
from impetus.backend.contract.captures.spz import write_spz
from impetus.backend.contract.errors import CaptureError

from . import reference_captures as reference

NUMBERS = ("mean", "log_scale", "quaternion", "logit", "harmonics")


def some(count: int = 500, degree: int = 3, seed: int = 0) -> Gaussians:
    rng = np.random.default_rng(seed)
    return Gaussians(
        rng.normal(0, 3, (count, 3)).astype("f4"),
        rng.uniform(-8, 0, (count, 3)).astype("f4"),
        (rng.normal(0, 1, (count, 4)) * rng.uniform(0.1, 9, (count, 1))).astype("f4"),
        rng.normal(0, 3, count).astype("f4"),
        rng.uniform(-0.9, 0.9, (count, (degree + 1) ** 2, 3)).astype("f4"),
    )


def splats_of(path: Path) -> Gaussians:
    read = read_capture(path)
    assert isinstance(read, Gaussians)
    return read


def axes(splats: Gaussians) -> np.ndarray:
    return np.array([reference.rotation(q) for q in splats.quaternion])


def covariance(splats: Gaussians) -> np.ndarray:
    half = axes(splats) * np.exp(splats.log_scale.astype(float))[:, None, :]
    return half @ half.swapaxes(1, 2)


# --- PLY


@pytest.mark.parametrize("degree", range(4))
def test_ply_comes_back_bit_for_bit(tmp_path: Path, degree: int) -> None:
    splats = some(20_000, degree)
    write_capture(tmp_path / "a.ply", splats)
    read = splats_of(tmp_path / "a.ply")
    assert read.notes == ()
    for name in NUMBERS:
        assert np.array_equal(getattr(read, name), getattr(splats, name))
    write_capture(tmp_path / "b.ply", read)
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()


@pytest.mark.parametrize("order", ["binary_little_endian", "binary_big_endian", "ascii"])
def test_ply_of_either_byte_order_and_text_is_the_same(tmp_path: Path, order: str) -> None:
    splats = some(300)
    reference.write_ply(tmp_path / "a.ply", splats, order)
    read = splats_of(tmp_path / "a.ply")
    for name in NUMBERS:
        assert np.array_equal(getattr(read, name), getattr(splats, name))


def test_ply_of_doubles_with_columns_of_others_and_an_element_before_is_read(
    tmp_path: Path,
) -> None:
    splats = some(50, 1)
    reference.write_ply(
        tmp_path / "a.ply", splats, "binary_little_endian", kind="double", extra=("label", "uchar"),
        before=b"element camera 2\nproperty float fov\n", body_before=bytes(8),
    )  # fmt: skip
    assert np.array_equal(splats_of(tmp_path / "a.ply").harmonics, splats.harmonics)


def test_harmonics_of_degree_four_are_cut_and_said(tmp_path: Path) -> None:
    splats = some(10, 3)
    more = np.concatenate([splats.harmonics, np.ones((10, 9, 3), "f4")], axis=1)
    reference.write_ply(tmp_path / "a.ply", Gaussians(*_numbers(splats)[:4], more), "ascii")
    read = splats_of(tmp_path / "a.ply")
    assert np.array_equal(read.harmonics, splats.harmonics)
    assert "degree 4" in read.notes[0]


def test_points_keep_places_and_colours(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    points = Points(rng.normal(size=(400, 3)).astype("f4"), rng.random((400, 3), "f4"))
    with (tmp_path / "a.ply").open("wb") as stream:
        write_point_ply(stream, points)
    read = read_capture(tmp_path / "a.ply")
    assert isinstance(read, Points)
    assert np.array_equal(read.position, points.position)
    assert np.abs(read.color - points.color).max() <= 0.5001 / 255


def test_points_of_a_mesh_are_read_and_its_faces_passed_over(tmp_path: Path) -> None:
    text = (
        "ply\r\nformat ascii 1.0\r\ncomment by hand\r\nelement vertex 3\r\nproperty float x\r\n"
        "property float y\r\nproperty float z\r\nproperty float r\r\nproperty float g\r\n"
        "property float b\r\nelement face 1\r\nproperty list uchar int vertex_indices\r\n"
        "end_header\r\n0 0 0 1 0 0\r\n1 0 0 0 1 0\r\n0 1 0 0 0 0.5\r\n3 0 1 2\r\n"
    )
    (tmp_path / "a.ply").write_bytes(text.encode())
    read = read_capture(tmp_path / "a.ply")
    assert isinstance(read, Points)
    assert read.position.tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    assert read.color.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0.5]]


def test_points_without_colours_are_grey_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
        "property float z\nend_header\n1 2 3\n"
    )
    read = read_capture(tmp_path / "a.ply")
    assert read.notes == ("It has no colours; its points are grey.",)


# --- SPZ


@pytest.mark.parametrize("degree", range(4))
@pytest.mark.parametrize("version", [2, 3])
def test_spz_comes_back_within_its_quantisation(tmp_path: Path, degree: int, version: int) -> None:
    splats = some(3000, degree)
    with (tmp_path / "a.spz").open("wb") as stream:
        write_spz(stream, splats, version=version)  # type: ignore[arg-type]
    read = splats_of(tmp_path / "a.spz")
    assert np.abs(read.mean - splats.mean).max() <= 0.501 / 4096
    assert np.abs(read.log_scale - splats.log_scale).max() <= 0.5001 / 16
    assert np.abs(read.opacity - splats.opacity).max() <= 0.7501 / 255
    lost = np.abs(read.harmonics - splats.harmonics)
    assert lost[:, 0].max() <= 0.501 / 255 / 0.15
    assert lost[:, 1:4].max(initial=0) <= 4.51 / 128
    assert lost[:, 4:].max(initial=0) <= 8.51 / 128
    turned = np.einsum("nij,nik->njk", axes(read), axes(splats))
    angle = np.arccos(np.clip((np.trace(turned, axis1=1, axis2=2) - 1) / 2, -1, 1))
    # three bytes lose w where it is small; ten bits each leave a quarter of a degree
    assert angle.max() <= (0.3 if version == 2 else 0.005)
    assert np.median(angle) < (0.02 if version == 2 else 0.003)


@pytest.mark.parametrize("version", [2, 3])
def test_spz_written_and_read_by_the_letter_of_its_description(
    tmp_path: Path, version: int
) -> None:
    splats = some(40, 2)
    with (tmp_path / "ours.spz").open("wb") as stream:
        write_spz(stream, splats, version=version)  # type: ignore[arg-type]
    found = reference.read_spz(tmp_path / "ours.spz")
    reference.write_spz(tmp_path / "theirs.spz", splats, version)
    read = splats_of(tmp_path / "theirs.spz")
    ours = splats_of(tmp_path / "ours.spz")
    for name in NUMBERS:
        assert np.allclose(getattr(read, name), getattr(ours, name), atol=1e-5), name
        assert np.allclose(getattr(found, name), getattr(ours, name), atol=1e-5), name


def test_spz_keeps_bytes_that_were_read(tmp_path: Path) -> None:
    write_capture(tmp_path / "a.spz", some(2000, 1))
    write_capture(tmp_path / "b.spz", splats_of(tmp_path / "a.spz"))
    one, other = (reference.body(tmp_path / name) for name in ("a.spz", "b.spz"))
    turns = slice(16 + 2000 * 16, 16 + 2000 * 20)
    same = one == other
    assert np.delete(same, np.r_[turns]).all()
    assert same[turns].mean() > 0.99  # of two components that are alike either may be left out


def test_spz_of_wide_places_keeps_fewer_bits(tmp_path: Path) -> None:
    splats = some(100, 0)
    wide = Gaussians(splats.mean * 1000, *_numbers(splats)[1:])
    write_capture(tmp_path / "a.spz", wide)
    step = 2.0 ** np.ceil(np.log2(np.abs(wide.mean).max() / (2**23 - 1)))
    assert np.abs(splats_of(tmp_path / "a.spz").mean - wide.mean).max() <= 0.51 * step


# --- .splat


def test_splat_comes_back_within_its_bytes(tmp_path: Path) -> None:
    splats = some(3000, 0)
    write_capture(tmp_path / "a.splat", splats)
    read = splats_of(tmp_path / "a.splat")
    weight = np.exp(splats.log_scale.sum(axis=1, dtype=float)) * splats.opacity
    order = np.argsort(-weight, kind="stable")
    assert np.array_equal(read.mean, splats.mean[order])
    assert np.allclose(read.log_scale, splats.log_scale[order], atol=1e-5)
    assert np.abs(read.opacity - splats.opacity[order]).max() <= 0.7501 / 255
    seen = np.clip(splats.colors[order], 0, 1)
    assert np.abs(read.colors - seen).max() <= 0.501 / 255
    unit = splats.quaternion[order] / np.linalg.norm(splats.quaternion[order], axis=1)[:, None]
    assert np.abs(read.quaternion - unit).max() <= 1.01 / 128  # 1.0 itself is one step too far


# --- what stands otherwise in the file is treated, and said


def test_rows_that_are_not_finite_are_left_out_and_said(tmp_path: Path) -> None:
    splats = some(100)
    splats.mean[3, 1], splats.logit[4], splats.harmonics[5, 7, 2] = np.nan, np.inf, -np.inf
    splats.log_scale[6, 0], splats.quaternion[7] = np.inf, 0
    write_capture(tmp_path / "a.ply", splats)
    read = splats_of(tmp_path / "a.ply")
    assert len(read) == 95
    assert np.array_equal(read.mean, np.delete(splats.mean, range(3, 8), axis=0))
    assert read.notes == ("5 of 100 hold NaN or infinity; they are left out.",)


def test_no_thickness_is_flat_and_said(tmp_path: Path) -> None:
    splats = some(10, 0)
    splats.log_scale[2, 2] = -np.inf
    write_capture(tmp_path / "a.ply", splats)
    assert "1 splats have a scale of zero" in splats_of(tmp_path / "a.ply").notes[0]
    rows = np.fromfile(_splat_file(tmp_path, some(10, 0)), "u1").reshape(10, 32)
    rows[:, 12:16] = np.frombuffer(np.float32(-1).tobytes(), "u1")
    rows.tofile(tmp_path / "b.splat")
    read = splats_of(tmp_path / "b.splat")
    assert np.isfinite(read.log_scale).all()
    assert "10 splats have a scale of zero or less" in read.notes[0]


def test_quaternions_of_any_length_turn_alike(tmp_path: Path) -> None:
    splats = some(50, 0)
    longer = Gaussians(
        splats.mean, splats.log_scale, splats.quaternion * np.float32(7.0), splats.logit,
        splats.harmonics,
    )  # fmt: skip
    assert np.allclose(covariance(splats), covariance(longer), rtol=1e-4)
    for suffix in ("spz", "splat"):
        write_capture(tmp_path / f"a.{suffix}", splats)
        write_capture(tmp_path / f"b.{suffix}", longer)
        one, other = splats_of(tmp_path / f"a.{suffix}"), splats_of(tmp_path / f"b.{suffix}")
        assert np.abs(one.quaternion - other.quaternion).max() < 0.02


# --- what cannot be read


def _numbers(splats: Gaussians) -> tuple[np.ndarray, ...]:
    return tuple(getattr(splats, name) for name in NUMBERS)


def _splat_file(folder: Path, splats: Gaussians) -> Path:
    path = folder / "made.splat"
    with path.open("wb") as stream:
        write_splat(stream, splats)
    return path


def _ply(splats: Gaussians | None = None) -> bytes:
    stream = io.BytesIO()
    write_ply(stream, splats or some(20))
    return stream.getvalue()


def _spz(*, version: int = 3, count: int | None = None, cut: int = 0) -> bytes:
    stream = io.BytesIO()
    write_spz(stream, some(20))
    return reference.changed_spz(stream.getvalue(), version=version, count=count, cut=cut)


BAD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "missing columns": ("a.ply", lambda: _ply().replace(b"property float rot_2\n", b""),
                        "columns rot_2, which its vertices lack"),
    "a harmonic too few": ("a.ply", lambda: _ply().replace(b"property float f_rest_44\n", b""),
                           "expected 0, 9, 24 or 45 columns f_rest.* got 44"),
    "no places": ("a.ply", lambda: _ply().replace(b"float x", b"float q"), "columns x, which"),
    "wrong byte order": ("a.ply", lambda: _ply().replace(b"little", b"strange"),
                         "expected a format of ascii, binary_little_endian"),
    "a billion claimed": ("a.ply", lambda: _ply().replace(b"vertex 20", b"vertex 1000000000"),
                          "expected 1 to 20,000,000 splats.* says 1,000,000,000"),
    "millions claimed": ("a.ply", lambda: _ply().replace(b"vertex 20", b"vertex 19000000"),
                         "expected 4,712.*bytes for the 19,000,000 rows .* got 6,"),
    "millions claimed in text": (
        "a.ply", lambda: b"ply\nformat ascii 1.0\nelement vertex 19000000\nproperty float x\n"
        b"property float y\nproperty float z\nend_header\n1 2 3\n",
        "bytes for the 19,000,000 rows"),
    "text of words": (
        "a.ply", lambda: b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\n"
        b"property float y\nproperty float z\nend_header\n1 2 3\n1 two 3\n", "3 numbers in each"),
    "text that ends": (
        "a.ply", lambda: b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\n"
        b"property float y\nproperty float z\nend_header\n1.0000 2.0000 3.0000\n",
        "lines for the 2 rows .* got 1"),
    "cut off": ("a.ply", lambda: _ply()[:-1], "bytes for the 20 rows"),
    "cut in its header": ("a.ply", lambda: _ply()[:100], "a PLY header up to its end_header"),
    "empty": ("a.ply", lambda: _ply().replace(b"vertex 20", b"vertex 0"), "says 0"),
    "negative": ("a.ply", lambda: _ply().replace(b"vertex 20", b"vertex -2"), "with a count"),
    "all NaN": ("a.ply", lambda: _ply(Gaussians(*(np.full_like(a, np.nan) for a in
                                                  _numbers(some(4))))),
                "got NaN or infinity in all 4 rows"),
    "compressed PLY": (
        "a.ply", lambda: _ply().replace(b"float rot_2", b"uint packed_rotation"), "compressed PLY"),
    "lists": ("a.ply", lambda: _ply().replace(b"float rot_2", b"list uchar int rot_2"),
              "vertices of numbers alone"),
    "faces first": (
        "a.ply", lambda: b"ply\nformat binary_little_endian 1.0\nelement face 3\nproperty list "
        b"uchar int i\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        b"end_header\n", "its vertices first"),
    "no vertices": ("a.ply", lambda: _ply().replace(b"vertex", b"corner"), "got none"),
    "not a splat": ("a.splat", lambda: b"x" * 33, "a multiple of 32 bytes, got 33"),
    "no splat": ("a.splat", lambda: b"", "says 0"),
    "another file": ("a.jpg", lambda: b"\xff\xd8\xff", "a file of splats"),
    "SPZ cut off": ("a.spz", lambda: _spz()[:-40], "expected a whole SPZ file"),
    "SPZ body too short": ("a.spz", lambda: _spz(cut=5), "the 20 splats .* got fewer"),
    "SPZ damaged": ("a.spz", lambda: _spz()[:60] + b"\0" * 9 + _spz()[69:], "whole SPZ file"),
    "SPZ claims a billion": ("a.spz", lambda: _spz(count=10**9), "1 to 20,000,000"),
    "SPZ claims millions": ("a.spz", lambda: _spz(count=19_000_000), "19,000,000 splats"),
    "SPZ of old": ("a.spz", lambda: _spz(version=1), "SPZ version 2 or 3, got 1"),
    "SPZ of later": ("a.spz", lambda: b"NGSP\4\0\0\0" + bytes(90), "SPZ version 2 or 3, got 4"),
    "gzip of another": ("a.spz", reference.gzip_of_text, "the header of an SPZ file"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path, what: str) -> None:
    name, make, words = BAD[what]
    (tmp_path / name).write_bytes(make())
    tracemalloc.start()
    with pytest.raises(CaptureError, match=words) as refused:
        read_capture(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.remedy
    assert len(refused.value.sentence) < 200
    assert peak < 4 << 20


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        read_capture(tmp_path / "none.ply")
    with pytest.raises(CaptureError, match="expected a file of splats"):
        read_capture(tmp_path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_capture(tmp_path / "a.spz", some(5))
    before = (tmp_path / "a.spz").read_bytes()
    far = some(5)
    far.mean[0] = 1e9
    with pytest.raises(CaptureError, match="places within 8,388,607"):
        write_capture(tmp_path / "a.spz", far)
    assert (tmp_path / "a.spz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.spz"]
    with pytest.raises(CaptureError, match=r"a name that ends in \.ply, \.spz, \.splat"):
        write_capture(tmp_path / "a.obj", far)


def test_reading_takes_little_more_than_what_is_read(tmp_path: Path) -> None:
    splats = some(100_000)
    write_capture(tmp_path / "a.ply", splats)
    size = sum(array.nbytes for array in _numbers(splats))
    tracemalloc.start()
    read_capture(tmp_path / "a.ply")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.4 * size  # a tenth of 1 GiB would be 4.5 times


def test_logits_come_back() -> None:
    splats = some()
    assert np.allclose(logit_of(splats.opacity.astype(float)), splats.logit, atol=1e-3)
