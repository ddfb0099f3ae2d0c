"""Real tables: `python tests/bench/tables.py [--tables iris ...] [--splits 5] [--set model.name=tabm ...]`.

For each split a fifth of a table's rows is the test part. `dltrain init` writes a config for the whole table, `fit`
trains as it says, with that split and with what --set changes; scikit-learn's gradient boosting (histograms), a
perceptron of two layers of 64 and a linear model, all with their defaults, learn from the rows that dltrain has in its
train and validation parts. Printed are mean and deviation of the test part's accuracy, or r2 of numbers, seconds of
`fit` without TensorFlow's start, and each one's mean rank, one figure for a table. The tables are scikit-learn's,
statsmodels' and, where it is installed, vega_datasets'.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pandas as pd

MARKS = ("boosting", "perceptron", "linear")


def of_scikit(name):
    """Returns a table that scikit-learn ships."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = bunch.data.copy()
    names = getattr(bunch, "target_names", None)
    frame["target"] = bunch.target if names is None or name == "digits" else np.asarray(names)[bunch.target]
    return frame, "target"


def of_statsmodels(name, target, without=()):
    """Returns a table that statsmodels ships."""
    import statsmodels.api

    return getattr(statsmodels.api.datasets, name).load_pandas().data.drop(columns=list(without)), target


def of_vega(name, target, without=()):
    """Returns a table that vega_datasets ships."""
    from vega_datasets import local_data

    frame = getattr(local_data, name.replace("-", "_"))()
    return frame.drop(columns=list(without)).dropna(subset=[target]), target


TABLES = {
    "iris": lambda: of_scikit("iris"),
    "wine": lambda: of_scikit("wine"),
    "breast_cancer": lambda: of_scikit("breast_cancer"),
    "digits": lambda: of_scikit("digits"),
    "weather": lambda: of_vega("seattle-weather", "weather"),
    "modechoice": lambda: of_statsmodels("modechoice", "choice", ["individual"]),
    "vote": lambda: of_statsmodels("anes96", "vote"),
    "party": lambda: of_statsmodels("anes96", "PID"),
    "diabetes": lambda: of_scikit("diabetes"),
    "randhie": lambda: of_statsmodels("randhie", "mdvis"),
    "fair": lambda: of_statsmodels("fair", "affairs"),
    "cars": lambda: of_vega("cars", "Miles_per_Gallon"),
}


def of_dltrain(folder, path, target, split, changes):
    """Returns the test part's figure, seconds, and which rows are for training and for the test."""
    from dltrain.config import experiment, starter
    from dltrain.console import Reporter
    from dltrain.training import trainer

    config = folder / "table.yaml"
    if not config.exists():
        starter.write(config, *starter.propose(path, target))
    made = experiment.load(config, [f"dataset.split_seed={split}", "report=false", *changes])
    splits = made.experiment.dataset.load()
    parts = [part.provenance.rows for part in (splits.train, splits.validation) if part]
    start = time.perf_counter()
    trainer.fit(made, Reporter(quiet=True), folder / "runs")
    seconds = time.perf_counter() - start
    newest = max((folder / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
    found = json.loads((newest / "summary.json").read_text())["test"]
    figure = found["accuracy"] if "accuracy" in found else found["r2"]
    return figure, seconds, np.concatenate(parts), splits.test.provenance.rows


def of_marks(frame, target, train, test):
    """Returns the test part's figure of each mark."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    y = frame[target]
    is_classes = not pd.api.types.is_numeric_dtype(y) or y.nunique() <= 20
    x = frame.drop(columns=target)
    for name in x.columns:
        if pd.api.types.is_datetime64_any_dtype(x[name]):
            times = x.pop(name)
            for part in ("year", "month", "day", "dayofyear"):
                x[f"{name}_{part}"] = getattr(times.dt, part)
    words = [name for name in x.columns if not pd.api.types.is_numeric_dtype(x[name])]
    numbers = [name for name in x.columns if name not in words]
    coded = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), words), ("passthrough", numbers)
    )
    wide = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
    )
    kinds = (
        (HistGradientBoostingClassifier(), MLPClassifier((64, 64)), LogisticRegression())
        if is_classes
        else (HistGradientBoostingRegressor(), MLPRegressor((64, 64)), LinearRegression())
    )
    found = {}
    for name, kind in zip(MARKS, kinds, strict=True):
        model = make_pipeline(coded if name == "boosting" else wide, kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[name] = model.fit(x.iloc[train], y.iloc[train]).score(x.iloc[test], y.iloc[test])
    return found


def main():
    """Prints a line for each table, and the mean ranks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=[*TABLES])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes of what init proposes")
    given = parser.parse_args()
    from dltrain.engine.device import import_tensorflow

    import_tensorflow()
    ranks = []
    for table in given.tables:
        frame, target = TABLES[table]()
        frame = frame.reset_index(drop=True)
        figures, seconds = {name: [] for name in ("dltrain", *MARKS)}, []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            frame.to_csv(path, index=False)
            for split in range(given.splits):
                figure, took, train, test = of_dltrain(Path(folder), path, target, split, given.set)
                figures["dltrain"].append(figure)
                seconds.append(took)
                for name, value in of_marks(frame, target, train, test).items():
                    figures[name].append(value)
        means = {name: statistics.mean(values) for name, values in figures.items()}
        best = sorted(means.values(), reverse=True)
        places = {name: [place for place, each in enumerate(best, 1) if each == means[name]] for name in means}
        ranks.append({name: statistics.mean(each) for name, each in places.items()})
        cells = [f"{name} {means[name]:.3f} ({statistics.stdev(values):.3f})" for name, values in figures.items()]
        print(f"{table:14} {len(frame):>6,} rows  {'  '.join(cells)}  {statistics.median(seconds):.1f} s", flush=True)
    print("mean rank", {name: round(statistics.mean(each[name] for each in ranks), 2) for name in ranks[0]})


if __name__ == "__main__":
    main()
