"""The verdict is that of SciPy's own tests, and says what it cannot tell."""

import pytest

from dltrain.runs.seed_noise import judge

A = {0: 0.978, 1: 0.981, 2: 0.975, 3: 0.983, 4: 0.979}
B = {0: 0.986, 1: 0.987, 2: 0.985, 3: 0.991, 4: 0.988}


def test_the_same_seeds_on_both_sides_are_paired():
    from scipy.stats import ttest_rel

    verdict, theirs = judge(A, B), ttest_rel(list(B.values()), list(A.values()))
    assert (verdict.test, verdict.n, verdict.is_larger) == ("paired t-test", (5, 5), True)
    assert verdict.p == pytest.approx(theirs.pvalue)
    assert verdict.interval == pytest.approx(theirs.confidence_interval())


def test_other_seeds_are_compared_by_welchs_test():
    from scipy.stats import ttest_ind

    other = {seed + 3: value for seed, value in list(B.items())[:4]}
    verdict, theirs = judge(A, other), ttest_ind(list(other.values()), list(A.values()), equal_var=False)
    assert (verdict.test, verdict.n) == ("Welch's t-test", (5, 4))
    assert verdict.p == pytest.approx(theirs.pvalue)
    assert verdict.interval == pytest.approx(theirs.confidence_interval())


def test_a_difference_within_the_noise_is_none():
    verdict = judge(A, {seed: value + (0.004 if seed % 2 else -0.003) for seed, value in A.items()})
    assert verdict.is_larger is False
    assert verdict.p > 0.05


@pytest.mark.parametrize(
    ("first", "second", "is_larger", "reason"),
    [
        ({0: 0.9}, B, None, "--seeds 5"),
        ({0: 0.9}, {0: 0.8}, None, "--seeds 5"),
        ({0: 1.0, 1: 1.0}, {2: 1.0, 3: 1.0}, False, "the same in every run"),
        ({0: 0.1, 1: 0.2}, {0: 0.2, 1: 0.3}, None, "the seeds do not differ"),  # apart by 0.1 but for rounding
        ({0: 1.0, 1: 1.0}, {2: 0.5, 3: 0.5}, None, "the seeds do not differ"),
        ({0: 0.0, 1: 0.0}, {2: 0.0, 3: 0.0}, False, "the same in every run"),
    ],
)
def test_what_a_t_test_cannot_tell_is_said(first, second, is_larger, reason):
    verdict = judge(first, second)
    assert (verdict.p, verdict.is_larger) == (None, is_larger)
    assert reason in verdict.reason
