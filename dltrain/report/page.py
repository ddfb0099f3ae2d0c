"""Renders a report as one self-contained HTML file, for wide and narrow screens, light and dark.

All that comes from data is escaped; there is no script, and the page forbids itself any request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template

from dltrain.errors import printable
from dltrain.figures.mosaic import Pictures
from dltrain.figures.reading import Marked, Pieced
from dltrain.report.drawing import drawn, heard, image, inline
from dltrain.report.parts import WIDE, Chapter, Figure, Gallery, Part, Picture, Table
from dltrain.runs import folder
from dltrain.runs.folder import Run

LONGEST = 200
"""Letters of a name that are shown; the middle of a longer one is left out."""

WRAPPED = 20
"""Letters from which on a cell of words may take several lines."""


@dataclass(frozen=True)
class Claim:
    """A headline number: a result, or the baseline beside it.

    Args:
        name: what was measured.
        value: what came out.
        words: of what, or how.
        is_lesser: it is there to be compared with.
    """

    name: str
    value: str
    words: str
    is_lesser: bool = False


FOR, AGAINST, FAINTEST = "235 125 20", "60 125 215", 0.05
"""The colours of words that spoke for an answer and against it, and the least share that is coloured."""


HUES = ("120 120 120", "235 125 20", "60 125 215", "40 160 80", "200 60 120", "150 90 200", "20 160 170", "190 160 20")
"""The colours of kinds of words that belong together, the first for those that are nothing."""


@dataclass(frozen=True)
class Report:
    """The content of a page.

    Args:
        title: the run's name.
        lead: what was trained on what, in a line.
        claims: the result, and its baselines.
        warnings: what must be known before anything else is believed.
        chapters: in their order.
    """

    title: str
    lead: str
    claims: Sequence[Claim]
    warnings: Sequence[str]
    chapters: Sequence[Chapter]


def render(report: Report) -> tuple[str, dict[str, bytes]]:
    """Returns the page, and the content of each figure's files by their names."""
    files: dict[str, bytes] = {}
    chapters, links = [], []
    for chapter in report.chapters:
        anchor = re.sub(r"\W+", "-", chapter.title.lower())
        links.append(f'<a href="#{anchor}">{text(chapter.title)}</a>')
        chapters.append(f'<section id="{anchor}">\n<h2>{text(chapter.title)}</h2>{_note(chapter.note)}')
        chapters += [_parts(chapter.parts, files), "</section>"]
    claims = "".join(_claim(claim) for claim in report.claims)
    warnings = "".join(f'<p class="warning">{text(words, 2000)}</p>\n' for words in report.warnings)
    here = Path(__file__).parent
    page = Template((here / "page.html").read_text(encoding="utf-8")).substitute(
        title=text(report.title),
        style=(here / "page.css").read_text(encoding="utf-8"),
        lead=text(report.lead, 500),
        headline=(f'<div class="headline">{claims}</div>\n' if claims else "") + warnings,
        links="\n".join(links),
        chapters="\n".join(chapters),
    )
    return page, files


def write(run: Run, page: str, files: Mapping[str, bytes]) -> None:
    """Puts a page and its figures' files into a folder, each whole or as it was.

    Raises:
        OSError: if they cannot be written.
    """
    run.figures.mkdir(exist_ok=True)
    for name, content in files.items():
        with folder.replacing(run.figures / name) as aside:
            aside.write_bytes(content)
    folder.write_text(run.report, page)


def text(words: str, longest: int = LONGEST) -> str:
    """Returns words as HTML: what is no letter as an escape, what is too long without its middle."""
    shown = printable(words)
    if len(shown) > longest:
        shown = f"{shown[: longest // 2]}…{shown[-longest // 2 :]}"
    return escape(shown)


def _claim(claim: Claim) -> str:
    kind = ' class="lesser"' if claim.is_lesser else ""
    return f"<div{kind}>{text(claim.name)}<b>{text(claim.value)}</b><span>{text(claim.words)}</span></div>"


def _note(words: str) -> str:
    return f'\n<p class="note">{text(words, 1000)}</p>' if words else ""


def _parts(parts: Iterable[Part], files: dict[str, bytes]) -> str:
    """Returns parts as HTML: figures that follow each other side by side, a narrow one beside the tables after it."""
    found: list[str] = []
    lone = ""
    for kind, members in groupby(parts, type):
        group = list(members)
        content = "\n".join(_part(part, files) for part in group)
        if kind is Table and lone:
            found.append(f'<div class="beside">{lone}<div>\n{content}</div></div>')
        elif isinstance(group[0], Figure) and len(group) == 1 and not _is_wide(group[0]):
            lone = content
            continue
        else:
            found += [_row(lone)] if lone else []
            found.append(_row(content) if kind is Figure else content)
        lone = ""
    return "\n".join([*found, *([_row(lone)] if lone else [])])


def _row(figures: str) -> str:
    return f'<div class="figures">\n{figures}\n</div>'


def _part(part: Part, files: dict[str, bytes]) -> str:
    match part:
        case Figure():
            return _figure(part, files)
        case Table():
            return _table(part)
        case Gallery():
            return _gallery(part, files)


def _is_wide(figure: Figure) -> bool:
    return figure.width >= WIDE * 0.7


def _figure(figure: Figure, files: dict[str, bytes]) -> str:
    svg = _file(figure, files)
    wide = ' class="wide"' if _is_wide(figure) else ""
    title = printable(str(getattr(figure.panel, "title", figure.name)))
    size = f'style="max-width: {figure.width}px"'
    return f'<figure{wide} id="figure-{figure.name}" {size}>{inline(svg, title)}</figure>'


def _file(figure: Figure, files: dict[str, bytes]) -> str:
    """Draws a figure into its files; returns the SVG."""
    svg, png = drawn(figure)
    files[f"{figure.name}.svg"], files[f"{figure.name}.png"] = svg.encode(), png
    return svg


def _table(table: Table) -> str:
    kinds = [' class="word"' if index < table.words else "" for index in range(len(table.columns))]

    def lines(rows: Sequence[Sequence[str]]) -> str:
        written = [
            "<tr>"
            + "".join(_cell(cell, index < table.words, table.longest) for index, cell in enumerate(row))
            + "</tr>"
            for row in rows
        ]
        head = "".join(
            f"<th{kind}>{text(name, table.longest)}</th>" for kind, name in zip(kinds, table.columns, strict=True)
        )
        head = f"<thead><tr>{head}</tr></thead>\n" if any(table.columns) else ""
        return f'<div class="scroll"><table>{head}<tbody>\n' + "\n".join(written) + "\n</tbody></table></div>"

    first, others = table.rows[: table.shown], table.rows[table.shown :]
    more = f"\n<details><summary>{len(others):,} more</summary>{lines(others)}</details>" if others else ""
    return f"<h3>{text(table.title)}</h3>{_note(table.note)}\n{lines(first) if first else ''}{more}"


def _cell(words: str, is_word: bool, longest: int) -> str:
    kind = "" if not is_word else ' class="word"' if len(words) > WRAPPED else ' class="word short"'
    whole = f' title="{text(words, 500)}"' if len(words) > longest else ""
    match words:
        case Marked():
            shown = _marked(words, longest)
        case Pieced():
            shown = _pieced(words, longest)
        case _:
            shown = text(words, longest)
    return f"<td{kind}{whole}>{shown}</td>"


def _marked(words: Marked, longest: int) -> str:
    """Returns words whose pieces are coloured by their weight: orange for, blue against."""
    found, letters = [], 0
    for piece, weight in words.marks:
        letters += len(piece) + 1
        if letters > longest:
            found.append("…")
            break
        colour = FOR if weight > 0 else AGAINST
        share = round(abs(weight), 2)
        style = f' style="background: rgb({colour} / {share})"' if share >= FAINTEST else ""
        found.append(f'<span{style} title="{weight:.2f}">{text(piece)}</span>')
    return " ".join(found)


def _pieced(words: Pieced, longest: int) -> str:
    """Returns words of which those that belong together are coloured by what they are."""
    found, letters = [], 0
    for piece in words.pieces:
        letters += len(piece.words) + 1
        if letters > longest:
            found.append("…")
            break
        if not piece.kind:
            found.append(text(piece.words))
            continue
        style = f"background: rgb({HUES[piece.hue % len(HUES)]} / 0.3)"
        style += "; text-decoration: underline" if piece.is_wrong else ""
        found.append(f'<span style="{style}">{text(piece.words)} <small>{text(piece.kind)}</small></span>')
    return " ".join(found)


def _gallery(gallery: Gallery, files: dict[str, bytes]) -> str:
    images = [picture.images for picture in gallery.pictures]
    panel = Pictures(gallery.title, gallery.note, images, [picture.lines for picture in gallery.pictures])
    _file(Figure(gallery.name, panel, WIDE), files)
    pictures = "\n".join(_picture(picture) for picture in gallery.pictures)
    return f'<h3>{text(gallery.title)}</h3>{_note(gallery.note)}\n<div class="gallery">\n{pictures}\n</div>'


def _picture(picture: Picture) -> str:
    images = []
    for pixels in picture.images:
        address, is_small = image(pixels)
        kind = ' class="small"' if is_small else ""
        images.append(f'<img{kind} alt="" src="{address}">')
    images += [f'<audio controls preload="none" src="{heard(sound)}"></audio>' for sound in picture.sounds]
    lines = [f"<b>{text(line, 48)}</b>" if index == 0 else text(line, 80) for index, line in enumerate(picture.lines)]
    place = f' title="{text(picture.place, 500)}"' if picture.place else ""
    return f"<figure{place}>{''.join(images)}<figcaption>{'<br>'.join(lines)}</figcaption></figure>"
