"""Ten edits of pictures that no training saw: what moves, how, and the exact mask of it.

They lie in impetus.presets as pictures and masks of 128 x 128, so that the suite needs no training
data; `choose_cases` is how they were taken from the held-out pictures of a data set.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_opening, distance_transform_edt, label

from ...contract.arrays import ArraySet
from ...contract.edits import ElementaryFlow, Homography, Rotate, Scale, Stretch, Translate
from ...diffusion.edit_masks import grow, landing
from ...diffusion.elementary_flows import Field, compose
from ...training.data_set import DataSet, Sample

SIDE = 128
Edits = tuple[ElementaryFlow, ...]
SPECS: dict[str, Edits] = {
    "translate_right": (Translate(offset=(12.0, 1.0)),),
    "translate_left": (Translate(offset=(-10.0, 3.0)),),
    "translate_up": (Translate(offset=(3.0, -10.0)),),
    "rotate_clockwise": (Rotate(angle=0.35),),
    "rotate_back": (Rotate(angle=-0.3),),
    "grow": (Scale(factor=1.25),),
    "shrink": (Scale(factor=0.75),),
    "stretch": (Stretch(factor=1.35),),
    "homography": (Homography(corners=((-9.0, -4.0), (7.0, 5.0), (-3.0, 6.0), (4.0, -5.0))),),
    "composition": (Translate(offset=(-8.0, -3.0)), Rotate(angle=0.2), Scale(factor=1.1)),
}
ROUND = ("sphere", "ball", "cone", "cylinder", "pile", "water", "drink", "sand", "planet")
"Names of things whose turn nobody would see."
SMALLEST, LARGEST = 0.025, 0.2
"Share of the picture that a thing to edit takes."
MARGIN = 3
"Pixels that it keeps from the border, before and after."
RING, NEARER = 2.0, 0.97
"Pixels round it in which something nearer than this share of its depth would stand before it."


@dataclass(frozen=True)
class EditCase:
    """One edit: `image` u1 (128, 128, 3) of `caption`, `field` where its pixels go."""

    name: str
    caption: str
    image: NDArray[np.uint8]
    field: Field


def cases_folder() -> Path:
    """Return where the ten edits lie."""
    spec = find_spec("impetus.presets")
    places = (spec.submodule_search_locations or []) if spec else []
    return Path(*places[:1]) / "edits"


def read_cases(folder: Path) -> list[EditCase]:
    """Return the edits that `write_cases` has stored."""
    about = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    return [
        make_case(
            name,
            entry["caption"],
            imageio.imread(folder / f"{name}.png"),
            imageio.imread(folder / f"{name}_mask.png") > 0,
        )
        for name, entry in about.items()
    ]


def make_case(
    name: str, caption: str, image: NDArray[np.uint8], mask: NDArray[np.bool_]
) -> EditCase:
    """Return the edit of this name for what `mask` (h, w) covers in a picture."""
    arrays = ArraySet()
    ref = arrays.add(mask.astype(np.uint8))
    edits = [msgspec.structs.replace(edit, mask=ref) for edit in SPECS[name]]
    height, width = mask.shape
    return EditCase(name, caption, image, compose(edits, (width, height), masks=arrays))


def choose_cases(data: DataSet) -> list[EditCase]:
    """Take for each edit the largest thing for which there is room, each picture once if it can be.

    Deterministic in the data set.
    """
    samples = data.pictures(held_out=True)
    used: set[Path] = set()
    cases = []
    for name in SPECS:
        fitting = [
            (sample.folder in used, -int(case.field.moving.sum()), sample.folder, case)
            for sample in samples
            for case in _candidates(name, sample)
        ]
        if fitting:
            *_, folder, case = min(fitting, key=lambda entry: entry[:3])
            used.add(folder)
            cases.append(case)
    return cases


def write_cases(cases: Sequence[EditCase], folder: Path) -> None:
    """Store cases as `read_cases` finds them."""
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        imageio.imwrite(folder / f"{case.name}.png", case.image)
        imageio.imwrite(folder / f"{case.name}_mask.png", case.field.moving.astype(np.uint8) * 255)
    about = {case.name: {"caption": case.caption} for case in cases}
    (folder / "cases.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _candidates(name: str, sample: Sample) -> Iterator[EditCase]:
    width, height = sample.size
    side = min(width, height)
    x, y = (width - side) // 2, (height - side) // 2

    def fitted(image: NDArray[Any], how: Image.Resampling) -> NDArray[Any]:
        cut = Image.fromarray(image[y : y + side, x : x + side])
        return np.asarray(cut.resize((SIDE, SIDE), how))

    geometry = sample.geometry()
    index = fitted(geometry.index, Image.Resampling.NEAREST)
    depth = fitted(geometry.depth, Image.Resampling.NEAREST)
    image = fitted(sample.color(), Image.Resampling.LANCZOS)
    turns = name.startswith("rotate")
    for number, thing in enumerate(sample.about["objects"], 1):
        mask = index == number
        if not SMALLEST < mask.mean() < LARGEST or not _whole(mask) or not _inside(mask):
            continue
        if not _in_front(mask, depth):
            continue
        if turns and any(word in thing.lower() for word in ROUND):
            continue
        case = make_case(name, sample.caption, image, mask)
        if _inside(mask, case.field):
            yield case


def _whole(mask: NDArray[np.bool_]) -> bool:
    """Tell whether a mask is one piece and none that glass or grains riddle."""
    pieces, count = label(binary_opening(mask, np.ones((3, 3))))
    largest = max((int((pieces == n).sum()) for n in range(1, count + 1)), default=0)
    return bool(largest > 0.85 * mask.sum())


def _in_front(mask: NDArray[np.bool_], depth: NDArray[np.float32]) -> bool:
    """Tell whether hardly anything nearer borders what the mask covers, which would hide it."""
    ring = grow(mask, RING) & ~mask
    beside = distance_transform_edt(~mask, return_distances=False, return_indices=True)
    nearer = depth < NEARER * depth[tuple(beside)]
    return bool(nearer[ring].mean() < 0.08)


def _inside(mask: NDArray[np.bool_], field: Field | None = None) -> bool:
    """Tell whether what the mask covers keeps off the border, where it is or where it goes."""
    height, width = mask.shape
    covered = mask if field is None else landing(field.flow, mask)
    ring = np.ones_like(mask)
    ring[MARGIN : height - MARGIN, MARGIN : width - MARGIN] = False
    if (covered & ring).any():
        return False
    if field is None:
        return True
    y, x = np.nonzero(mask)
    there = np.stack([x, y], -1) + 0.5 + field.flow[y, x]
    return bool(((there >= 0) & (there < (width, height))).all())
