"""Curves are what metrics.csv says, whatever it says."""

import pytest

from dltrain.errors import RunError
from dltrain.runs.curves import curves, metrics
from dltrain.runs.listing import entry


def test_columns_are_curves_and_what_is_not_finite_is_left_out(make_run):
    run = make_run("a-001")
    run.metrics.write_text("epoch,step,seconds,loss,val_loss\n1,1,1,nan,\n2,2,2,0.5,nan\n4,4,4,0.25,inf\n")
    found = curves(entry(run))
    assert found.keys() == {"loss"}
    assert (found["loss"].epochs, found["loss"].values) == ([2, 4], [0.5, 0.25])


@pytest.mark.parametrize(("accuracies", "status"), [([], "failed"), ([], "interrupted")])
def test_a_run_without_metrics_is_refused_with_how_it_goes(make_run, accuracies, status):
    with pytest.raises(RunError, match=f"has no metrics: it is {status} and has finished no epoch"):
        curves(entry(make_run("a-001", accuracies, status=status)))


def test_a_metric_is_asked_for_by_its_name(make_run):
    found = [curves(entry(make_run("a-001")))]
    assert metrics(found) == ["loss", "accuracy", "learning_rate"]
    assert metrics(found, ["val_accuracy", "accuracy"]) == ["accuracy"]
    with pytest.raises(RunError, match="no metric 'acuracy', did you mean \"accuracy\""):
        metrics(found, ["acuracy"])
