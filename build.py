#!/usr/bin/env python3
"""The one entry to Impetus: demo, examples, test, check and more. Standard library only."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (people start this with what they have)
    sys.exit(
        f"build.py needs Python 3.11 or newer; this is Python {sys.version.split()[0]}.\n"
        "  Install Python 3.11 and run: python3.11 build.py ..."
    )

import argparse
import subprocess
from pathlib import Path

from tools import checking, testing
from tools.console import BuildError, Console
from tools.demo import demo
from tools.environments import BACKEND, BLENDERS, ROOT, ensure, main_blender
from tools.examples import examples
from tools.extension import PLATFORMS, build_extension, this_platform


def run_demo(arguments: argparse.Namespace, rest: list[str]) -> int:
    demo(arguments.out.resolve(), Console(), diffused=not arguments.plain)
    return 0


def run_examples(arguments: argparse.Namespace, rest: list[str]) -> int:
    examples(arguments.name, arguments.out.resolve(), Console())
    return 0


def run_test(arguments: argparse.Namespace, rest: list[str]) -> int:
    console = Console()
    runs = testing.run_tests(rest, console, arguments.blender)
    return 0 if testing.summarise(runs, console) else 1


def run_check(arguments: argparse.Namespace, rest: list[str]) -> int:
    console = Console()
    failed = checking.check_code(console)
    if arguments.code_only:
        console.plain(f"check FAILED: {', '.join(failed)}" if failed else "check passed")
        return 1 if failed else 0
    good = testing.summarise(testing.run_tests(rest, console, arguments.blender), console)
    failed += [] if good else ["tests"]
    console.plain(f"check FAILED: {', '.join(failed)}" if failed else "check passed")
    return 1 if failed else 0


def run_dev(arguments: argparse.Namespace, rest: list[str]) -> int:
    console = Console()
    wanted = [BACKEND, *(BLENDERS[version] for version in arguments.blender)]
    if not arguments.blender:
        wanted.append(main_blender())
    for environment in wanted:
        ensure(environment, console)
    checking.link_packages()
    console.say("ready")
    for environment in wanted:
        console.plain(f"  {environment.name:16} {environment.python}")
    return 0


def run_extension(arguments: argparse.Namespace, rest: list[str]) -> int:
    platforms = tuple(PLATFORMS) if arguments.all_platforms else (this_platform(),)
    build_extension(arguments.out.resolve(), platforms, Console())
    return 0


def run_bench(arguments: argparse.Namespace, rest: list[str]) -> int:
    python = ensure(BACKEND, Console(sys.stderr))
    command = [str(python), "-P", "-m", "impetus.backend.evaluation.bench", *arguments.case]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="build.py", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: object, summary: str, *, epilog: str = "") -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=summary, description=summary, epilog=epilog)
        command.set_defaults(run=run)
        return command

    command = add("demo", run_demo, "Make a scene in Blender, render it, put it on its timeline.")
    command.add_argument("--out", type=Path, default=ROOT / "out" / "demo", metavar="DIR")
    command.add_argument("--plain", action="store_true", help="leave the diffused take out")
    command = add("examples", run_examples, "Make the example scenes' takes.")
    command.add_argument("name", nargs="*", help="scenes to make; all without any")
    command.add_argument("--out", type=Path, default=ROOT / "out" / "examples", metavar="DIR")
    for_pytest = "Other arguments go to pytest: paths, -k WORD, -x."
    command = add(
        "test", run_test, "Run all tests, in the backend and in Blender.", epilog=for_pytest
    )
    add_blender_option(command)
    command = add("check", run_check, "Format, lint, types, then all tests.", epilog=for_pytest)
    add_blender_option(command)
    command.add_argument("--code-only", action="store_true", help="leave the tests out")
    command = add("dev", run_dev, "Make the environments and the links for type checkers.")
    add_blender_option(command)
    command = add("extension", run_extension, "Build the extension's zip for Blender into dist/.")
    command.add_argument("--all-platforms", action="store_true", help=f"for {', '.join(PLATFORMS)}")
    command.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR")
    command = add("bench", run_bench, "Measure speed: one JSON object per line on stdout.")
    command.add_argument("case", nargs="*", help="cases to run; all without any")
    return top


def add_blender_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--blender",
        action="append",
        default=[],
        choices=list(BLENDERS),
        metavar="VERSION",
        help=f"only this Blender, of {', '.join(BLENDERS)}; may be given again",
    )


def main() -> int:
    top = parser()
    arguments, rest = top.parse_known_args()
    if rest and arguments.command not in ("test", "check"):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        return int(arguments.run(arguments, rest))
    except BuildError as error:
        print(f"build.py {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
