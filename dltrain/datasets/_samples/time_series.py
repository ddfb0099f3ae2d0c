"""Series to forecast: two that were measured, and one that is invented, whose truth is known."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dltrain.datasets._samples.samples import Sample
from dltrain.errors import DataError
from dltrain.lazy import np
from dltrain.registry import SAMPLES

DISTRICTS, DAYS = 20, 140
PERSISTENCE, NOISE = 0.8, 0.05
"""How much of a disturbance is left an hour later, and the deviation of what is added each hour, in shares of a level.
"""


@SAMPLES.register("co2")
class CarbonDioxide(Sample):
    """523 months of carbon dioxide in the air over Mauna Loa, ppm: co2.csv (statsmodels; C. D. Keeling, public domain).

    The mean of the weeks of each month, 1958 to 2001; months without a measurement have no row.
    """

    def write(self, folder: Path) -> None:
        """Writes co2.csv with month and co2."""
        weeks: dict[str, list[float]] = {}
        for date, value in _rows("co2"):
            if value:
                weeks.setdefault(f"{date[:4]}-{date[4:6]}-01", []).append(float(value))
        months = [[month, round(sum(values) / len(values), 4)] for month, values in sorted(weeks.items())]
        _write(folder / "co2.csv", ["month", "co2"], months)


@SAMPLES.register("sunspots")
class Sunspots(Sample):
    """309 years of sunspots, 1700 to 2008: sunspots.csv (statsmodels; National Geophysical Data Center, public)."""

    def write(self, folder: Path) -> None:
        """Writes sunspots.csv with year and sunspots."""
        _write(folder / "sunspots.csv", ["year", "sunspots"], [[int(year), value] for year, value in _rows("sunspots")])


@SAMPLES.register("energy")
class Energy(Sample):
    """20 invented districts' load by the hour for 140 days, by clock, weather and holidays: energy.csv, and its truth.

    A load is its district's level times a day's shape, heating and cooling, less on Sundays and holidays, and noise of
    which four fifths are left an hour later. truth.csv has the load without noise; truth.json the error of those who
    know all that but the noise to come, by step of the forecast.
    """

    def write(self, folder: Path) -> None:
        """Writes energy.csv with time, district, load, temperature and holiday; truth.csv; and truth.json."""
        random = np.random.RandomState(self.seed)
        hours = np.arange(24 * DAYS)
        times = [str(time) for time in np.datetime64("2024-01-01T00") + hours]
        clock, day = hours % 24, hours // 24
        is_holiday = np.isin(day, random.choice(DAYS, 8, replace=False))
        is_quiet = is_holiday | (day % 7 == 6)
        warmth = 6 + 14 * np.sin(np.pi * day / DAYS) + 4 * np.sin(2 * np.pi * (clock - 9) / 24)
        rows, truth, levels = [], [], np.exp(random.uniform(np.log(20), np.log(500), DISTRICTS))
        for number, level in enumerate(levels):
            temperature = warmth + np.repeat(_disturbed(random, DAYS, 0.7, 2.5), 24)
            evening = 0.5 * random.uniform(0.7, 1.3) * np.exp(-(((clock - 19) / 3) ** 2))
            morning = 0.35 * random.uniform(0.7, 1.3) * np.exp(-(((clock - 8 - 2 * is_quiet) / 2) ** 2))
            heating = 0.03 * np.maximum(0, 15 - temperature) + 0.02 * np.maximum(0, temperature - 22)
            expected = level * (0.6 + morning + evening + heating) * np.where(is_quiet, 0.85, 1.0)
            load = expected + level * _disturbed(random, len(hours), PERSISTENCE, NOISE)
            name = f"district{number + 1:02}"
            columns = zip(times, load, temperature, is_holiday, expected, strict=True)
            for time, of_load, degrees, holiday, of_truth in columns:
                rows.append([f"{time}:00", name, f"{of_load:.3f}", f"{degrees:.1f}", int(holiday)])
                truth.append([f"{time}:00", name, f"{of_truth:.3f}"])
        _write(folder / "energy.csv", ["time", "district", "load", "temperature", "holiday"], rows)
        _write(folder / "truth.csv", ["time", "district", "load"], truth)
        deviations = NOISE * np.sqrt(np.cumsum(PERSISTENCE ** (2 * np.arange(24))))
        errors = (np.sqrt(2 / np.pi) * deviations * levels.mean()).tolist()
        words = json.dumps({"mae_by_step": errors, "mae": float(np.mean(errors)), "seed": self.seed}, indent=2)
        (folder / "truth.json").write_text(f"{words}\n")


def _disturbed(random: np.random.RandomState, count: int, persistence: float, deviation: float) -> np.ndarray:
    """Returns a random walk that is drawn back to 0: each value is a share of the one before and something new."""
    drawn = random.normal(0, deviation, count)
    drawn[0] /= np.sqrt(1 - persistence**2)
    for place in range(1, count):
        drawn[place] += persistence * drawn[place - 1]
    return drawn


def _rows(name: str) -> list[list[str]]:
    """Returns the rows of a file of the package statsmodels, which is not imported.

    Raises:
        DataError: if it is not installed.
    """
    place = find_spec("statsmodels")
    if place is None or place.origin is None:
        raise DataError(f"{name} needs the package statsmodels: pip install 'dltrain[samples]'")
    with (Path(place.origin).parent / "datasets" / name / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return [*csv.reader(file)][1:]


def _write(path: Path, header: list[str], rows: Iterable[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
