"""Runs the tests in the backend's environment and in each Blender's; `build.py test`, `check`."""

import os
import re
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .console import BuildError, Console
from .environments import BACKEND, BLENDERS, ROOT, Environment, ensure, main_blender
from .pythons import find_python

MAY_SKIP = re.compile(r"\b(gpu|cuda|window)\b", re.IGNORECASE)
BLENDER_TESTS = "tests/blender"
NO_TESTS = 5  # pytest's exit status when it collected none


@dataclass
class Run:
    """What one pytest process did."""

    name: str
    status: int
    seconds: float
    counts: Counter[str] = field(default_factory=Counter)
    skips: list[str] = field(default_factory=list)

    def wrong_skips(self) -> list[str]:
        return [reason for reason in self.skips if not MAY_SKIP.search(reason)]

    def passed(self) -> bool:
        whole = self.counts["tests"] > 0 or self.status == NO_TESTS
        return self.status == 0 and whole and not self.wrong_skips()


def run_tests(arguments: Sequence[str], console: Console, blenders: Sequence[str]) -> list[Run]:
    """Run the tests that `arguments` (pytest's) ask for; without any, all of them everywhere."""
    paths = [a for a in arguments if not a.startswith("-") and (ROOT / a.split("::")[0]).exists()]
    options = [a for a in arguments if a not in paths]
    for_blender = [path for path in paths if path.startswith(BLENDER_TESTS)]
    for_backend = [path for path in paths if path not in for_blender]
    backend_python = ensure(BACKEND, console)
    runs = []
    if for_backend or not paths:
        targets = for_backend or ["tests"]
        ignore = f"--ignore={BLENDER_TESTS}"
        runs.append(run_pytest(BACKEND, [*targets, ignore, *options], console, backend_python))
    if for_blender or not paths:
        for environment in blender_environments(blenders, console):
            ensure(environment, console)
            targets = for_blender or [BLENDER_TESTS]
            runs.append(run_pytest(environment, [*targets, *options], console, backend_python))
    if arguments and any(run.status == 0 for run in runs):  # a selection may be empty on one side
        runs = [run for run in runs if run.status != NO_TESTS]
    return runs


def blender_environments(versions: Sequence[str], console: Console) -> list[Environment]:
    """Return the Blenders to test in: those named, or all whose Python is on this machine."""
    unknown = set(versions) - set(BLENDERS)
    if unknown:
        raise BuildError(f"There is no Blender {', '.join(sorted(unknown))} here.",
                         f"Known: {', '.join(BLENDERS)}.")  # fmt: skip
    if versions:
        return [BLENDERS[version] for version in versions]
    first = main_blender()
    chosen = [first]
    for version, environment in BLENDERS.items():
        if environment is first:
            continue
        if environment.python.exists() or find_python(environment.pythons):
            chosen.append(environment)
        else:
            console.say(f"Blender {version} is left out: no Python {environment.pythons[0]} here")
    return chosen


def run_pytest(
    environment: Environment, arguments: Sequence[str], console: Console, backend_python: Path
) -> Run:
    """Run pytest in one environment, its output as it comes; count from its own XML report."""
    report = ROOT / ".cache" / "tests" / f"{environment.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command = [str(environment.python), "-P", "-m", "pytest", f"--junitxml={report}", *arguments]
    console.say(f"{environment.name}: pytest {' '.join(arguments)}")
    started = time.monotonic()
    variables = {"IMPETUS_BACKEND_PYTHON": str(backend_python), "PYTHONNOUSERSITE": "1"}
    status = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, check=False
    ).returncode
    run = Run(environment.name, status, time.monotonic() - started)
    if report.exists():
        count(run, ElementTree.parse(report).getroot())
    return run


def count(run: Run, root: ElementTree.Element) -> None:
    for case in root.iter("testcase"):
        run.counts["tests"] += 1
        kinds = {child.tag for child in case}
        skip = case.find("skipped")
        if kinds & {"failure", "error"}:
            run.counts["failed"] += 1
        elif skip is None:
            run.counts["passed"] += 1
        elif skip.get("type") == "pytest.xfail":
            run.counts["expected to fail"] += 1
        else:
            run.counts["skipped"] += 1
            run.skips.append(skip.get("message", ""))


def summarise(runs: Sequence[Run], console: Console) -> bool:
    """Print one line per environment, then one that is true of all; say whether all passed."""
    console.plain("")
    for run in runs:
        told = ", ".join(f"{n} {what}" for what, n in run.counts.items() if what != "tests")
        console.plain(f"  {run.name:16} {told or 'no report'} in {run.seconds:.0f} s{why(run)}")
        for reason, n in Counter(run.skips).items():
            console.plain(f"  {'':16} skipped {n}: {reason}")
    total: Counter[str] = sum((run.counts for run in runs), Counter())
    good = bool(runs) and all(run.passed() for run in runs)
    told = ", ".join(f"{total[what]} {what}" for what in ("passed", "failed", "skipped"))
    state = "passed" if good else "FAILED"
    console.plain(f"tests {state}: {told} in {len(runs)} environments, {console.seconds():.0f} s")
    return good


def why(run: Run) -> str:
    """Name what is wrong with a run beside failed tests."""
    if run.status == NO_TESTS:
        return "  << no test was collected"
    if run.status not in (0, 1):
        return f"  << pytest ended with {run.status}"
    if not run.counts:
        return "  << a test hung, see the stack above"
    if run.wrong_skips():
        return "  << only tests that need a GPU or a window may be skipped"
    return ""
