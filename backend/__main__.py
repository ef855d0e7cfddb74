"""The command `impetus`: serve, render, fit, export, lift, jobs, doctor, inspect, evaluate, train.

Each part imports what it needs when it runs, so that `serve` loads neither torch nor taichi.
"""

import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .contract.errors import ImpetusError
from .contract.keys import read_connection, user_folder
from .service.endings import DONE, EXIT_CODES, FATAL
from .training.command import train_app

if TYPE_CHECKING:
    from .contract.client import Client

app = typer.Typer(
    help="Impetus: physics, Gaussian splats and diffusion for Blender.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
jobs_app = typer.Typer(help="List, cancel, resume and remove jobs of the running backend.")
app.add_typer(jobs_app, name="jobs")
app.add_typer(train_app, name="train")

Home = Annotated[
    Path | None, typer.Option(help="The backend's folder; that of your user if not given.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, vulkan or metal.")]
Job = Annotated[str, typer.Argument(help="The job's id, or its first letters.")]


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


@app.command(epilog=EXIT_CODES)
def render(
    shot: Annotated[Path, typer.Argument(help="A .shot file.")],
    out: Annotated[Path, typer.Option(help="Folder of the take.")],
    cache: Annotated[
        Path | None, typer.Option(help="Folder of what is kept between shots.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with a take that is there.")] = True,
    device: Device = "auto",
    method: Annotated[
        str | None, typer.Option(help="none, motioncraft or motion_guidance; the shot's if absent.")
    ] = None,
    method_preset: Annotated[
        str | None, typer.Option(help="Its settings: paper or fast; the paper's if absent.")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What the pictures show.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What they do not.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of a folder among the user's models, or tiny.")
    ] = None,
    leaving: Annotated[
        str | None,
        typer.Option(help="What matter does at an open domain's side: clip, grow or stop."),
    ] = None,
) -> None:
    """Make one shot in the foreground, without a server. Run again, it goes on where it was."""
    from .service.foreground import render_shot
    from .service.method_options import MethodOptions, ShotOptions

    folder = cache or user_folder() / "cache"
    options = ShotOptions(
        MethodOptions(method, method_preset, prompt, negative_prompt, model), leaving
    )
    sys.exit(render_shot(shot, out, folder, device=device, resume=resume, options=options))


@app.command(epilog=EXIT_CODES)
def fit(
    views: Annotated[Path, typer.Argument(help="A .views file, as Blender renders it.")],
    out: Annotated[Path, typer.Option(help="The .fit file to write.")],
    splats: Annotated[
        int, typer.Option(min=100, max=1_000_000, help="Splats to begin with; up to three times.")
    ] = 20_000,
    steps: Annotated[int, typer.Option(min=1, max=100_000, help="Steps of the fit.")] = 3000,
    seed: Annotated[int, typer.Option(min=0, help="Changes every random choice.")] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of what is kept between fits.")] = None,
    device: Device = "auto",
) -> None:
    """Fit splats to the views of an object. Ended, it goes on where it was; done, it is kept."""
    from .service.fitting import FitOrder, fit_views

    folder = cache or user_folder() / "cache"
    sys.exit(fit_views(FitOrder(views, out, folder, splats, steps, seed), device=device))


@app.command()
def lift(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG or other picture.")],
    out: Annotated[Path, typer.Option(help="Folder of the body.")],
    mask: Annotated[Path | None, typer.Option(help="The object painted white.")] = None,
    box: Annotated[
        str | None, typer.Option(help="LEFT,TOP,RIGHT,BOTTOM around the object, in pixels or %.")
    ] = None,
    sam: Annotated[Path | None, typer.Option(help="Folder of a Segment Anything model.")] = None,
    depth: Annotated[Path | None, typer.Option(help="Depth: .npy, .exr or a grey picture.")] = None,
    depth_kind: Annotated[
        str, typer.Option(help="metric, depth (larger is farther) or disparity.")
    ] = "depth",
    depth_model: Annotated[
        Path | None, typer.Option(help="Folder of a monocular depth model.")
    ] = None,
    lgm: Annotated[Path | None, typer.Option(help="LGM's weights, as safetensors.")] = None,
    view: Annotated[
        list[Path] | None, typer.Option(help="For LGM, three times: from 90, 180, 270 degrees.")
    ] = None,
    coarse: Annotated[
        Path | None,
        typer.Option(help="Splats (.ply) that something else made of it, in its camera's axes."),
    ] = None,
    length: Annotated[float, typer.Option(help="Metres of the object's longer side.")] = 1.0,
    lens: Annotated[
        float, typer.Option(help="Millimetres, as Blender's cameras have them.")
    ] = 50.0,
    roundness: Annotated[float, typer.Option(help="1 makes a ball of a disc.")] = 1.0,
    splats: Annotated[int | None, typer.Option(help="How many; by the picture if absent.")] = None,
    refine: Annotated[
        bool, typer.Option(help="By the picture's colours; LGM's and coarse ones by depth as well.")
    ] = False,
    epochs: Annotated[
        int, typer.Option(min=1, max=100_000, help="Of the refinement; the paper's are 3000.")
    ] = 300,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of what is kept between lifts.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Make a body of one picture: splats, a closed mesh, and the camera that saw it."""
    from .service.lifting import lift_in_foreground

    ways = {"mask": mask, "box": box, "sam": sam, "depth": depth, "depth_kind": depth_kind,
            "depth_model": depth_model, "lgm": lgm, "views": tuple(view or ()), "coarse": coarse,
            "length": length, "lens": lens, "roundness": roundness, "splats": splats,
            "epochs": epochs if refine else 0}  # fmt: skip
    folder = cache or user_folder() / "cache"
    typer.echo(lift_in_foreground(picture, out, ways, device=device, cache=folder))


@app.command()
def doctor(home: Home = None) -> None:
    """Tell what is here, what works, and what is slow and why."""
    from rich.console import Console

    from .service.doctor.examine import examine

    marks = {
        "good": "[green]  ok[/]",
        "slow": "[yellow]slow[/]",
        "bad": "[red] bad[/]",
        "info": "   -",
    }
    console, bad = Console(soft_wrap=True), False
    for finding in examine(home or user_folder()):
        console.print(f"{marks[finding.verdict]} ", end="")
        line = f"{finding.topic:14} {finding.value.rstrip('.')}"
        text = f"{line}. {finding.advice}" if finding.advice else line
        console.print(text, markup=False, highlight=False)
        bad |= finding.verdict == "bad"
    sys.exit(FATAL if bad else DONE)


@app.command()
def inspect(
    take: Annotated[Path, typer.Argument(help="A take's folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the plot, a text and the numbers.")],
) -> None:
    """Tell how a take's simulation went: energies, momentum, volume, substeps, body by body."""
    from .evaluation.inspection.inspect import inspect_take

    typer.echo(inspect_take(take, out), nl=False)
    typer.echo(f"plot, text and numbers in {out}", err=True)


@app.command()
def export(
    take: Annotated[Path, typer.Argument(help="A take's folder.")],
    frame: Annotated[int, typer.Option(help="Which frame, as Blender numbers it.")],
    out: Annotated[Path, typer.Option(help="The file: .ply, .spz or .splat.")],
    shot: Annotated[
        Path | None, typer.Option(help="Its .shot, where the backend does not know the take.")
    ] = None,
    home: Home = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder of what is kept between shots.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Write a frame of a take as Gaussian splats, Y down as captures are. Remade if need be."""
    from .service.frame_export import export_frame

    folder = home or user_folder()
    count = export_frame(
        take, frame, out, home=folder, cache=cache or folder / "cache", shot_file=shot,
        device=device, say=lambda text: typer.echo(text, err=True),
    )  # fmt: skip
    typer.echo(f"{count:,} splats in {out}", err=True)


@app.command()
def evaluate(
    suite: Annotated[str, typer.Argument(help="Which suite; a wrong name lists them.")],
    out: Annotated[Path, typer.Option(help="Folder for results.json and plots.")],
    shot: Annotated[Path | None, typer.Option(help="reliability: the .shot to interrupt.")] = None,
    device: Device = "auto",
    quick: Annotated[bool, typer.Option(help="Leave out what takes long.")] = False,
    blender: Annotated[
        Path | None, typer.Option(help="fit: a Blender, or a Python with bpy.")
    ] = None,
) -> None:
    """Measure Impetus against what it promises; results.json and plots go to a folder."""
    from .evaluation.suites import as_json, run_suite

    began = time.monotonic()
    results = run_suite(suite, out, shot=shot, device=device, quick=quick, blender=blender)
    text = as_json(results)
    (out / "results.json").write_bytes(text)
    typer.echo(text.decode())
    typer.echo(f"{time.monotonic() - began:.1f} s, in {out}", err=True)


@jobs_app.callback(invoke_without_command=True)
def list_jobs(context: typer.Context, home: Home = None) -> None:
    """List the jobs, newest first."""
    context.obj = home or user_folder()
    if context.invoked_subcommand is None:
        _with_client(context, _show_jobs)


@jobs_app.command()
def cancel(context: typer.Context, job: Job) -> None:
    """End a job at its next step; what is finished stays."""
    _with_client(context, lambda client: client.cancel(_find(client, job), take_over=True))


@jobs_app.command()
def resume(context: typer.Context, job: Job) -> None:
    """Queue a paused, failed or cancelled job again."""
    _with_client(context, lambda client: client.resume(_find(client, job), take_over=True))


@jobs_app.command()
def remove(context: typer.Context, job: Job) -> None:
    """Forget a job that has ended, and delete its take from the backend's folder."""
    _with_client(context, lambda client: client.remove(_find(client, job), take_over=True))


def _with_client(context: typer.Context, act: "Callable[[Client], None]") -> None:
    from .contract.client import Client

    with Client(read_connection(context.obj)) as client:
        act(client)


def _show_jobs(client: "Client") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Job", "Name", "State", "Frames", "Submitted", "")
    for info in client.jobs():
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.created))
        frames = f"{info.frames_done}/{info.frames_total}"
        table.add_row(info.job, info.name, info.state, frames, created, info.sentence)
    Console().print(table if table.row_count else "No jobs.")


def _find(client: "Client", start: str) -> str:
    """Return the one job whose id starts so. Raises UnknownJobError."""
    from .contract.errors import UnknownJobError

    found = [info.job for info in client.jobs() if info.job.startswith(start.upper())]
    if len(found) != 1:
        raise UnknownJobError(
            f"Expected one job that starts with {start!r}, got {len(found)}.", "See impetus jobs."
        )
    return found[0]


def main() -> None:
    """Run the command; an error is one sentence and a remedy, on stderr."""
    try:
        app()
    except ImpetusError as err:
        typer.echo(f"impetus: {err}", err=True)
        sys.exit(FATAL)


if __name__ == "__main__":
    main()
