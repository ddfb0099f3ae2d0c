"""Misses over false alarms, on the scales of a normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from dltrain.figures.panels import gridded, titled
from dltrain.figures.sheet import ACCENT, FAINT, INK, SHADES, SMALL, Box, Sheet

_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
_LEAST, _MOST = 0.0005, 0.9


@dataclass(frozen=True)
class DetectionErrors:
    """A detection error trade-off (DET): a straight line where the scores of both kinds are normally distributed.

    A. Martin et al., "The DET curve in assessment of detection task performance", 1997.

    Args:
        title: of what.
        note: what else there is to say.
        false_alarms: rising, (points,).
        misses: at these, falling.
        equal: the rate at which both are alike, marked.
    """

    title: str
    note: str
    false_alarms: np.ndarray
    misses: np.ndarray
    equal: float

    @property
    def height(self) -> float:
        """In pixels."""
        return 400

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the curve, the line of equal rates, and where they meet."""
        box = titled(sheet, box, self.title, self.note)
        axes = sheet.axes(Box(box.left + 50, box.top + 4, box.width - 62, box.height - 44))
        gridded(axes)
        ends = _normal(np.array([_LEAST, _MOST]))
        axes.plot(ends, ends, color=FAINT, linewidth=1, linestyle=(0, (2, 3)))
        axes.plot(_normal(self.false_alarms), _normal(self.misses), color=SHADES[0], linewidth=2)
        (place,) = _normal(np.array([self.equal]))
        axes.plot(place, place, marker="o", markersize=6, color=ACCENT)
        axes.text(place, place, f"  {self.equal:.2%}", size=SMALL, color=INK, va="bottom")
        axes.set(xlim=ends, ylim=ends)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(_normal(np.array(_TICKS)), [f"{each:.3g}" for each in _TICKS])
        axes.set_xlabel("false alarms", fontsize=SMALL, color=FAINT, labelpad=2)
        axes.set_ylabel("misses", fontsize=SMALL, color=FAINT, labelpad=3)


def _normal(rates: np.ndarray) -> np.ndarray:
    """Returns the number of deviations below which such a share of a normal distribution lies."""
    within = np.clip(rates, _LEAST / 4, 1 - _LEAST / 4)
    return np.array([NormalDist().inv_cdf(each) for each in within.tolist()])
