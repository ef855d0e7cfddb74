"""The command `impetus`: serve, render, jobs, doctor, evaluate.

Each part imports what it needs when it runs, so that `serve` loads neither torch nor taichi.
"""

import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from .contract.errors import ImpetusError
from .contract.keys import user_folder

FATAL = 1

app = typer.Typer(
    help="Impetus: physics, Gaussian splats and diffusion for Blender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Home = Annotated[
    Path | None, typer.Option(help="Folder of the backend; your own user folder if not given.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, vulkan or metal.")]


@app.command()
def serve(
    home: Home = None,
    idle_minutes: Annotated[
        float, typer.Option(help="End after this many minutes without a client and a job.")
    ] = 15.0,
    device: Device = "auto",
) -> None:
    """Serve Blender, and make the shots that it submits. Ctrl+C ends; jobs go on next time."""
    from .service.server import Server

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    server = Server(home or user_folder(), idle_seconds=60 * idle_minutes, device=device)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: server.stop())
    server.run()


def main() -> None:
    """Run the command; an error is one sentence and a remedy, on stderr."""
    try:
        app()
    except ImpetusError as err:
        print(f"impetus: {err}", file=sys.stderr)  # noqa: T201
        sys.exit(FATAL)


if __name__ == "__main__":
    main()
