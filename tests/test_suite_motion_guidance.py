"""The suite's parts: which edits are taken, what is measured of them, what the tables say."""

import json
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from impetus.backend.diffusion.edit_masks import landing
from impetus.backend.diffusion.elementary_flows import Field
from impetus.backend.diffusion.flow_network import FlowNetwork
from impetus.backend.diffusion.models import open_model
from impetus.backend.evaluation.measures.embedding import layout_embedding
from impetus.backend.evaluation.motion_guidance.cases import (
    SPECS,
    EditCase,
    choose_cases,
    make_case,
    read_cases,
    write_cases,
)
from impetus.backend.evaluation.motion_guidance.plots import (
    means_of,
    plot_fronts,
    plot_sheet,
    plot_sweeps,
)
from impetus.backend.evaluation.motion_guidance.results import (
    Figures,
    Result,
    Tools,
    measure,
    result_of,
    warp_and_sdedit,
    warped,
)
from impetus.backend.evaluation.motion_guidance.suite import summary, table
from impetus.backend.training.data_set import DataSet

from .tiny_model import write_model


def texture(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (height // 4, width // 4, 3), np.uint8)
    return np.kron(coarse, np.ones((4, 4, 1), np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Two held-out pictures: of a box that has room, and of one at the border."""
    for number, left in ((0, 60), (16, 0)):
        folder = tmp_path / "data" / "pictures" / f"{number:06d}"
        folder.mkdir(parents=True)
        index = np.ones((144, 192), np.uint8)
        index[50:90, left : left + 40] = 2
        np.savez(
            folder / "geometry_0001.npz",
            index=index,
            depth=np.ones((144, 192), np.float16),
            normal=np.zeros((144, 192, 3), np.int8),
            edges=np.zeros((144, 192), np.uint8),
        )
        imageio.imwrite(folder / "color_0001.png", texture(144, 192))
        about = {"caption": "a box", "seed": number, "renderer": "cycles", "frames": 1,
                 "size": [192, 144], "held_out": True, "kind": "objects",
                 "objects": ["Ground", "cube"]}  # fmt: skip
        (folder / "scene.json").write_text(json.dumps(about))
    return DataSet(tmp_path / "data")


def test_cases_are_things_with_room_for_their_edit(data: DataSet, tmp_path: Path) -> None:
    cases = choose_cases(data)
    assert [case.name for case in cases] == list(SPECS)
    for case in cases:
        assert case.image.shape == (128, 128, 3)
        covered = landing(case.field.flow, case.field.moving)
        assert not covered[:, :3].any()
        assert not covered[:3].any()
    write_cases(cases, tmp_path / "edits")
    for case, read in zip(cases, read_cases(tmp_path / "edits"), strict=True):
        assert (case.name, case.caption) == (read.name, read.caption)
        assert (case.image == read.image).all()
        assert (case.field.flow == read.field.flow).all()


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = open_model(write_model(tmp_path / "model"), device="cpu")
    network = FlowNetwork("small").eval().requires_grad_(False)
    return Tools(model, network, layout_embedding, tmp_path)


def test_figures_of_the_source_itself_and_of_a_frozen_pixel(tools: Tools) -> None:
    mask = np.zeros((96, 96), np.bool_)
    mask[40:60, 40:60] = True
    case = make_case("translate_right", "a box", texture(96, 96), mask)
    same = measure(tools, case, case.image, 2.0)
    assert (same.frozen, same.seconds) == (0.0, 2.0)
    assert same.similarity == pytest.approx(1)
    assert same.flow_dis == pytest.approx((12**2 + 1**2) ** 0.5, rel=0.02)
    changed = case.image.copy()
    changed[2, 2, 1] ^= 255
    difference = abs(int(changed[2, 2, 1]) - int(case.image[2, 2, 1])) / 255
    assert measure(tools, case, changed, 2.0).frozen == pytest.approx(difference)


def test_flow_error_falls_once_things_have_moved(tools: Tools) -> None:
    moving = np.zeros((96, 96), np.bool_)
    moving[24:72, 24:72] = True
    flow = np.where(moving[..., None], (5.0, 0.0), 0.0).astype(np.float32)
    image = np.where(moving[..., None], texture(96, 96), 90).astype(np.uint8)
    case = EditCase("shift", "a box", image, Field(flow, moving))
    same, moved = (measure(tools, case, made, 2.0) for made in (image, warped(case)))
    assert same.flow_dis == pytest.approx(5, rel=0.02)
    assert moved.flow_dis < 0.3 * same.flow_dis


def test_sdedit_of_much_noise_leaves_the_warped_picture(tools: Tools) -> None:
    mask = np.zeros((32, 64), np.bool_)
    mask[8:20, 8:20] = True
    case = make_case("translate_right", "", texture(32, 64), mask)
    little, much = (warp_and_sdedit(tools, strength)(case) for strength in (0.05, 0.9))
    assert little.shape == case.image.shape
    assert (little != much).any()
    assert (much == warp_and_sdedit(tools, 0.9)(case)).all()
    assert (much != warp_and_sdedit(tools, 0.9, seed=1)(case)).any()


def test_what_is_made_is_kept(tools: Tools) -> None:
    mask = np.zeros((96, 96), np.bool_)
    mask[40:60, 40:60] = True
    case = make_case("translate_right", "a box", texture(96, 96), mask)
    other = result_of(tools, case, "warp_0.5", lambda one: one.image)
    first = result_of(tools, case, "warp_0.25", warped)

    def fail(_: object) -> np.ndarray:
        raise AssertionError("made again")

    again = result_of(tools, case, "warp_0.25", fail)
    assert again.figures == first.figures != other.figures
    assert (again.image == first.image).all()


def fake(case: str, method: str, flow: float, seconds: float = 1.0) -> Result:
    figures = Figures(flow, flow, 2 * flow, flow, 1 - flow / 10, 0.001 * flow, seconds)
    return Result(case, method, figures, np.zeros((8, 8, 3), np.uint8))


RESULTS = {
    "edits": [
        fake("grow", "unguided", 4.0), fake("stretch", "unguided", 6.0),
        fake("grow", "fast", 1.0), fake("stretch", "fast", 0.5), fake("grow", "hard_warp", 1.0),
        fake("grow", "sdedit_0.2", 1.5), fake("stretch", "sdedit_0.2", 2.5),
        fake("grow", "sdedit_0.4", 3.0), fake("stretch", "sdedit_0.4", 5.0),
        fake("grow", "start_0.2", 3.0), fake("grow", "guided_0.2", 1.0),
    ],
    "sweeps": [fake("grow", "recursions_1", 2.0), fake("grow", "weight_0.1", 2.0)],
    "paper": [fake("grow", "paper", 0.8, seconds=20.0)],
}  # fmt: skip


def test_summary_and_table_hold_the_claims(tmp_path: Path) -> None:
    figures = summary(RESULTS, "layout")
    assert figures["claims"]["flow_error_of_unguided"] == pytest.approx(0.75 / 5)
    assert figures["claims"]["fast_times_faster"] == pytest.approx(20)
    assert figures["claims"]["fast_error_of_paper"] == pytest.approx(1 / 0.8)
    assert figures["claims"]["frozen"] == pytest.approx(0.001)
    assert figures["means"]["sdedit_0.4"]["flow"] == pytest.approx(4)
    text = table(figures)
    assert "sdedit_0.4" in text
    assert "embedding: layout" in text


def test_plots_show_families_in_order(tmp_path: Path) -> None:
    points = means_of(RESULTS["edits"], "sdedit_", "flow")
    assert points == [(0.2, pytest.approx(0.8), 2.0), (0.4, pytest.approx(0.6), 4.0)]
    plot_fronts(RESULTS["edits"], tmp_path / "front.png")
    plot_sweeps(RESULTS["sweeps"], tmp_path / "sweeps.png")
    mask = np.ones((8, 8), np.bool_)
    case = make_case("grow", "", np.zeros((8, 8, 3), np.uint8), mask)
    plot_sheet([case], RESULTS["edits"], ("hard_warp", "fast"), tmp_path / "sheet.png")
    assert imageio.imread(tmp_path / "sheet.png").shape == (12, 4 * 12, 3)
    assert (tmp_path / "front.png").stat().st_size > 10_000
