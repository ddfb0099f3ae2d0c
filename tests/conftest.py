import os

import pytest

from dltrain.importing import import_tensorflow

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow, started as the command starts it."""
    import_tensorflow()
    import tensorflow

    return tensorflow
