"""A finished take at a glance: preview.mp4 and the contact sheet, made from its PNG files."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image, ImageDraw, ImageFont

from ...contract.arrays import Array
from .landing import landing

QUALITY = 18
"x264's constant rate factor."
BEHIND = (46, 46, 46)
"What a transparent film is shown on."
PAPER, INK = (22, 22, 24), (176, 176, 180)
SHEET_FRAMES, SHEET_COLUMNS, THUMBNAIL_WIDTH, GUTTER, CAPTION = 12, 4, 320, 12, 22
BT709 = 1


def write_preview(path: Path, pictures: Sequence[Path], fps: float) -> None:
    """Write an H.264 film that every player shows: even sizes, 4:2:0, index first, BT.709."""
    rate = Fraction(fps).limit_denominator(1001)
    options = {"movflags": "+faststart"}
    with landing(path) as temporary, av.open(str(temporary), "w", "mp4", options=options) as film:
        stream = film.add_stream("libx264", rate=rate, options={"crf": str(QUALITY)})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = _even(load_rgb(pictures[0])).shape[:2]
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = BT709
        for picture in pictures:
            film.mux(stream.encode(_video_frame(_even(load_rgb(picture)))))
        film.mux(stream.encode(None))


def write_contact_sheet(path: Path, pictures: Sequence[tuple[int, Path]]) -> None:
    """Write up to twelve frames, evenly chosen, in rows of four, each with its number."""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SHEET_FRAMES).round().astype(int))
    thumbnails = [(pictures[i][0], _thumbnail(pictures[i][1])) for i in chosen]
    width, height = thumbnails[0][1].size
    columns = min(SHEET_COLUMNS, len(thumbnails))
    rows = -(-len(thumbnails) // columns)
    step_x, step_y = width + GUTTER, height + CAPTION + GUTTER
    sheet = Image.new("RGB", (columns * step_x + GUTTER, rows * step_y + GUTTER), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for place, (number, thumbnail) in enumerate(thumbnails):
        x = GUTTER + place % columns * step_x
        y = GUTTER + place // columns * step_y
        sheet.paste(thumbnail, (x, y))
        draw.text((x, y + height + 4), f"{number:04d}", INK, font)
    with landing(path) as temporary:
        sheet.save(temporary, "PNG")


def load_rgb(path: Path) -> Array:
    """Return a picture as u1 (h, w, 3), a transparent one on grey."""
    with Image.open(path) as image:
        if image.mode != "RGBA":
            return np.asarray(image.convert("RGB"))
        paper = Image.new("RGBA", image.size, (*BEHIND, 255))
        return np.asarray(Image.alpha_composite(paper, image).convert("RGB"))


def _video_frame(image: Array) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )


def _thumbnail(path: Path) -> Image.Image:
    image = Image.fromarray(load_rgb(path))
    height = max(1, round(image.height * THUMBNAIL_WIDTH / image.width))
    return image.resize((THUMBNAIL_WIDTH, height), Image.Resampling.LANCZOS)


def _even(image: Array) -> Array:
    """4:2:0 needs even sizes: the last row and column are doubled where they are odd."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
