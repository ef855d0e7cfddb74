"""What the suite's figures come to, and whether that is what lifts promise."""

from collections.abc import Mapping
from typing import Any

LEAST_MATCH = 28.0
"dB of a front view, over the object."
MOST_FLOATERS = 0.5
"Alpha beside the object that the hard-depth loss leaves, as a share of what colour alone does."
LEAST_ORDER = 0.95
"Share of pairs of pixels whose depth is in the right order, where depth is given."


def summary_of(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the worst of what was measured, and `holds`: which promises that keeps.

    `figures` of each picture: `inflated` and `depth` as LiftFigures, where it was lifted so;
    `coarse` and `own` where splats were refined. `order_inflated` promises nothing.
    """
    lifts = [one[way] for one in figures.values() for way in ("inflated", "depth") if way in one]
    refined = {name: one["coarse"] for name, one in figures.items() if "coarse" in one}
    gains = [one["own"]["after"] - one["own"]["before"] for one in figures.values() if "own" in one]
    floaters = {
        name: ways["hard depth"]["floaters"] / ways["colour"]["floaters"]
        for name, ways in refined.items()
    }
    least_match = min(one["match"] for one in lifts)
    least_order = min(one["depth"]["order"] for one in figures.values() if "depth" in one)
    known = {name: one for name, one in figures.items() if "depth" in one}
    return {
        "least_match": least_match,
        "least_order": least_order,
        "order_inflated": {name: one["inflated"]["order"] for name, one in known.items()},
        "floaters": floaters,
        "own_gains": {"least": min(gains), "mean": sum(gains) / len(gains)},
        "holds": {
            "match": least_match > LEAST_MATCH,
            "order": least_order >= LEAST_ORDER,
            "floaters": max(floaters.values()) <= MOST_FLOATERS,
            "own": min(gains) >= 0 < sum(gains),
        },
    }
