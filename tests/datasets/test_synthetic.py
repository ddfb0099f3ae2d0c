import numpy as np
import pytest

from dltrain.datasets.synthetic import Synthetic


@pytest.mark.parametrize("shape", [(16, 16, 1), (32, 32, 3), (5, 7, 2), (20,)])
def test_classes_can_be_told_apart_on_unseen_examples(shape):
    splits = Synthetic(shape=shape, num_classes=5, train_examples=200).load()
    train, test = (part.inputs.reshape(len(part), -1).astype(float) for part in (splits.train, splits.test))
    centres = np.array([train[splits.train.targets == label].mean(axis=0) for label in range(5)])
    nearest = ((test[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == splits.test.targets).mean() > 0.95


def test_images_are_bytes_and_vectors_are_floats():
    assert Synthetic(shape=(4, 4, 1)).load().train.inputs.dtype == np.uint8
    assert Synthetic(shape=(4,)).load().train.inputs.dtype == np.float32


def test_no_examples_means_no_part():
    splits = Synthetic(shape=(2,), validation_examples=0, test_examples=0).load()
    assert (len(splits.train), splits.validation, splits.test) == (1024, None, None)


def test_the_test_part_does_not_depend_on_the_other_parts():
    tests = [Synthetic(shape=(4, 4, 1), train_examples=count).load().test for count in (10, 50)]
    np.testing.assert_array_equal(tests[0].inputs, tests[1].inputs)


def test_a_shape_of_two_numbers_is_refused():
    with pytest.raises(ValueError, match=r"^shape must be .*, got \[28, 28\]$"):
        Synthetic(shape=(28, 28))
