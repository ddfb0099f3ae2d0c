"""Figures as SVG and PNG files, and inline in a page with light and dark colours."""

from __future__ import annotations

import base64
import io
import re
from html import escape

import numpy as np

from dltrain.data.showing import Sound
from dltrain.data.wav import wav
from dltrain.figures.sheet import ACCENT, FAINT, FRAME, INK, PAPER, SHADES, Box, paper
from dltrain.report.parts import Figure

VARIABLES = {
    INK: "--ink", FAINT: "--faint", FRAME: "--frame", PAPER: "--paper", ACCENT: "--accent",
    **{shade: f"--shade{index}" for index, shade in enumerate(SHADES, 1)},
}  # fmt: skip
"""The page's names of the colours that figures are drawn in."""

MARGIN = 8
SIDE = 176
"""Pixels: an image's longer side, at most."""
LONGEST_SOUND = 2**16
"""Samples of a sound that a page holds, 4 s at 16,000 a second: a page of 25 stays below 5 MB, one of 25
pairs below 9."""
_HEARD_RATE = 16_000
"""Samples a second that a page plays, at most."""
SMALL = 64
"""Pixels: images up to this side are kept as they are, and enlarged without being blurred."""


def drawn(figure: Figure) -> tuple[str, bytes]:
    """Returns a figure as SVG and as PNG."""
    height = round(figure.panel.height) + 2 * MARGIN
    with paper(figure.width, height) as sheet:
        figure.panel.draw(sheet, Box(MARGIN, MARGIN, figure.width - 2 * MARGIN, height - 2 * MARGIN))
        return sheet.svg(figure.name), sheet.png()


def inline(svg: str, words: str) -> str:
    """Returns a drawing as a part of an HTML page, in the page's colours.

    Args:
        svg: the drawing.
        words: what it shows, for those who do not see it.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    used = set(re.findall(r"""(?:url\(|href=")#([\w-]+)""", body))
    body = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", body)
    colours = "|".join(VARIABLES)
    # Within style attributes alone: what is written comes from the data.
    body = re.sub(
        r'style="[^"]*"',
        lambda style: re.sub(colours, lambda colour: f"var({VARIABLES[colour[0]]})", style[0]),
        body,
    )
    body = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1), count=1
    )
    return body.replace("<svg ", f'<svg role="img" aria-label="{escape(words)}" ', 1).strip()


def image(pixels: np.ndarray) -> tuple[str, bool]:
    """Returns an image as the address of itself, and whether it is so small that it must not be blurred.

    Args:
        pixels: (height, width) or (height, width, 3), uint8.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    is_small = max(pixels.shape[:2]) <= SMALL
    file = io.BytesIO()
    if is_small:
        picture.save(file, "PNG", optimize=True)
    else:
        picture.thumbnail((SIDE, SIDE))
        picture.save(file, "JPEG", quality=85)
    kind = "png" if is_small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", is_small


def heard(sound: Sound) -> str:
    """Returns the beginning of a sound as the address of itself, a WAV file of one channel and 16 bits."""
    samples = np.asarray(sound.samples)
    single = samples if samples.ndim == 1 else samples.mean(axis=1)
    every = -(-sound.rate // _HEARD_RATE)  # means of neighbours: what a page plays is for the ear alone
    single = single[: len(single) // every * every].reshape(-1, every).mean(axis=1)[:LONGEST_SOUND]
    return f"data:audio/wav;base64,{base64.b64encode(wav(single, sound.rate // every)).decode()}"


def overlaid(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns an image in grey, orange where there is heat.

    Args:
        pixels: (height, width) or (height, width, 3), uint8.
        heat: 0 to 1, (height, width).
    """
    grey = pixels if pixels.ndim == 2 else pixels.mean(axis=-1)
    shares = np.clip(heat, 0, 1)[..., None] * 0.75
    colour = np.array([int(ACCENT[start : start + 2], 16) for start in (1, 3, 5)])
    return np.round(grey[..., None] * (1 - shares) + colour * shares).astype(np.uint8)
