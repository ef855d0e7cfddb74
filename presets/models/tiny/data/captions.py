"""Captions: a stage's own words in one of several phrasings, parts left out at random."""

from .world.stage import Stage

TEMPLATES = (
    "{view}{subject}{place}{sky}{light}",
    "{view}{subject}{place}{sky}{light}",
    "{view}{subject}{place}{light}",
    "{subject}{place}{sky}{light}{from_view}",
    "a 3d render of {subject}{place}{sky}{light}",
    "a picture of {subject}{place}{light}{from_view}",
)


def caption(stage: Stage) -> str:
    """Say what the picture shows."""
    rng = stage.rng
    template = rng.choice(TEMPLATES)
    light = f", {stage.light}" if stage.light and rng.random() < 0.6 else ""
    sky = f" {stage.sky}" if stage.sky and rng.random() < 0.75 else ""
    place = f" {stage.place}" if stage.place and rng.random() < 0.9 else ""
    view, after = "", ""
    if stage.view == "from above":
        view, after = "", ", seen from above"
        place += after if "from_view" not in template else ""
    elif stage.view:
        view = f"{stage.view} "
        after = f", {stage.view.removesuffix(' of').removeprefix('a ')}"
    subject = stage.subject
    if "view of" in subject or "picture of" in subject or "landscape of" in subject:
        template = TEMPLATES[0]
    if stage.view and "view" in stage.view and "view of" in subject:
        view = after = ""
    return template.format(
        view=view, subject=subject, place=place, sky=sky, light=light, from_view=after
    )
