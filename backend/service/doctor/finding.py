"""One line of what `impetus doctor` finds."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "slow", "bad", "info"]


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what is so, what to make of it."""

    topic: str
    value: str
    verdict: Verdict = "good"
    advice: str = ""
