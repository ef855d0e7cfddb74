"""The suite `motion-guidance`: ten edits against unguided sampling, warping and SDEdit, with plots.

Figures as in Motion Guidance (arXiv 2401.18085, section 4.5): estimated flow error and similarity
to the source. Made pictures are kept in `out`, and taken from there when the suite is run again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from ...contract.method_presets import preset_method
from ...contract.methods import MotionGuidance as Settings
from ...diffusion.determinism import settle
from ...diffusion.flow_network import load_flow_network
from ...diffusion.model_folder import find_model
from ...diffusion.models import load_model
from ...diffusion.raft.published import find_weights
from ...stages.methods.needs import models_folder as own_models
from ..made_with import made_with
from ..measures.embedding import embedding
from .cases import SIDE, EditCase, cases_folder, read_cases
from .plots import plot_fronts, plot_sheet, plot_sweeps
from .results import (
    Make,
    Result,
    Tools,
    guided,
    result_of,
    unguided,
    warp_and_sdedit,
    warped,
)

SWEPT = ("translate_right", "grow")
PAPER = ("translate_right", "homography")
SHOWN = ("hard_warp", "sdedit_0.5", "unguided", "fast")


@dataclass(frozen=True)
class Plan:
    """How much is made: all of it takes an hour on two cores, most of that for the paper's edits.

    `strengths` of SDEdit and of the start of guidance; `weights` as factors of the preset's.
    """

    cases: int = 10
    strengths: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    shares: tuple[float, ...] = (0.2, 0.4, 0.8)
    recursions: tuple[int, ...] = (1, 2, 4, 8)
    weights: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0)
    paper: bool = True


QUICK = Plan(
    cases=4, strengths=(0.2, 0.4, 0.6, 0.8), shares=(0.3,), recursions=(1, 3), weights=(0.1, 1.0),
    paper=False,
)  # fmt: skip
FIRST = ("translate_right", "rotate_back", "grow", "homography")
"What the quick plan makes of the ten."


def run(
    out: Path, *, device: str = "auto", quick: bool = False, model: str = "tiny",
    models_folder: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Make all edits of the plan, write tables and plots into `out`, return the figures.

    Taichi must have been started.
    """
    settle()
    plan = QUICK if quick else Plan()
    name, embed = embedding(models_folder)
    opened = load_model(model, models_folder, width=SIDE, height=SIDE, device=device)
    network = load_flow_network(models_folder=models_folder, device=opened.precision.device)
    weights = find_model(model, models_folder), find_weights("flow", models_folder or own_models())
    key = made_with(weights, fast_settings(), Settings())
    tools = Tools(opened, network, embed, out / "edits" / key)
    tools.folder.mkdir(parents=True, exist_ok=True)
    cases = [case for case in read_cases(cases_folder()) if plan.cases == 10 or case.name in FIRST]
    results = {
        "edits": _per_case(tools, cases, _methods(tools, plan)),
        "sweeps": _per_case(tools, [c for c in cases if c.name in SWEPT], _sweeps(tools, plan)),
        "paper": _per_case(tools, [c for c in cases if c.name in PAPER], _paper(tools, plan)),
    }
    figures = summary(results, name)
    (out / "motion_guidance.txt").write_text(table(figures), encoding="utf-8")
    plot_fronts(results["edits"], out / "front.png")
    plot_sweeps(results["sweeps"], out / "sweeps.png")
    plot_sheet(cases, results["edits"] + results["paper"], SHOWN, out / "edits.png")
    return figures


def fast_settings() -> Settings:
    settings = preset_method("motion_guidance", "fast")
    assert isinstance(settings, Settings)
    return settings


def _methods(tools: Tools, plan: Plan) -> dict[str, Make]:
    """Return what every edit is made with; `start_` is where guidance begins, sampled without."""
    fast = fast_settings()
    made: dict[str, Make] = {
        "hard_warp": warped,
        "unguided": unguided(tools, fast),
        "fast": guided(tools, fast),
    }
    for strength in plan.strengths:
        made[f"sdedit_{strength}"] = warp_and_sdedit(tools, strength)
    for share in plan.shares:
        started = msgspec.structs.replace(fast, hard_warp_start=share)
        made[f"guided_{share}"] = guided(tools, started)
        alone = msgspec.structs.replace(started, weight=0.0, recursions=1)
        made[f"start_{share}"] = guided(tools, alone)
    return made


def _sweeps(tools: Tools, plan: Plan) -> dict[str, Make]:
    """Return the fast preset from the source's own noise: guidance does all the moving."""
    base = msgspec.structs.replace(fast_settings(), hard_warp_start=None, steps=25)
    made = {
        f"recursions_{count}": guided(tools, msgspec.structs.replace(base, recursions=count))
        for count in plan.recursions
    }
    for factor in plan.weights:
        weight = factor * base.weight
        made[f"weight_{factor}"] = guided(tools, msgspec.structs.replace(base, weight=weight))
    return made


def _paper(tools: Tools, plan: Plan) -> dict[str, Make]:
    return {"paper": guided(tools, Settings())} if plan.paper else {}


def _per_case(tools: Tools, cases: Sequence[EditCase], methods: dict[str, Make]) -> list[Result]:
    return [
        result_of(tools, case, method, make) for case in cases for method, make in methods.items()
    ]


def summary(results: dict[str, list[Result]], embedding_name: str) -> dict[str, Any]:
    """Return all figures by case and method, means by method, and what the paper's claims say."""
    every = [result for group in results.values() for result in group]
    by_case: dict[str, dict[str, Any]] = {}
    for result in every:
        by_case.setdefault(result.case, {})[result.method] = asdict(result.figures)
    methods = dict.fromkeys(result.method for result in every)
    means = {
        method: {
            key: fmean(by_case[case][method][key] for case in by_case if method in by_case[case])
            for key in ("flow", "seen", "moving", "flow_dis", "similarity", "frozen", "seconds")
        }
        for method in methods
    }
    fast, free = means["fast"], means["unguided"]
    claims: dict[str, float] = {
        f"{key}_error_of_unguided": fast[key] / free[key]
        for key in ("flow", "seen", "moving", "flow_dis")
    }
    claims["frozen"] = max(one["fast"]["frozen"] for one in by_case.values())
    both = [one for one in by_case.values() if "paper" in one]
    if both:
        paper, quick = ([one[m] for one in both] for m in ("paper", "fast"))
        claims["fast_times_faster"] = fmean(p["seconds"] for p in paper) / fmean(
            q["seconds"] for q in quick
        )
        claims["fast_error_of_paper"] = fmean(q["moving"] for q in quick) / fmean(
            p["moving"] for p in paper
        )
    return {"embedding": embedding_name, "claims": claims, "means": means, "edits": by_case}


def table(figures: dict[str, Any]) -> str:
    """Return means by method, then the fast preset's edits, as text."""
    columns = ("flow L1", "seen", "moving", "by DIS", "similar", "frozen", "s")
    head = f"{'':22}" + "".join(f"{name:>9}" for name in columns)
    lines = [f"Motion Guidance, {SIDE} x {SIDE} px; embedding: {figures['embedding']}", "", head]
    rows = list(figures["means"].items())
    rows += [("", None)]
    rows += [(case, methods["fast"]) for case, methods in figures["edits"].items()]
    for name, row in rows:
        if row is None:
            lines += ["", "The fast preset, edit by edit"]
            continue
        lines.append(
            f"{name:22}{row['flow']:9.3f}{row['seen']:9.3f}{row['moving']:9.2f}{row['flow_dis']:9.3f}"
            f"{row['similarity']:9.4f}{row['frozen']:9.4f}{row['seconds']:9.1f}"
        )
    lines += ["", *(f"{key}: {value:.4f}" for key, value in figures["claims"].items())]
    return "\n".join(lines) + "\n"
