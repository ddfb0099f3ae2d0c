from contextlib import contextmanager

import pytest

from dltrain.training.engine import Engine


class Killed(BaseException):
    """What nothing expects."""


@pytest.fixture
def killed_after(monkeypatch):
    """Returns a context that ends where the engine is asked for more than some steps; nothing is saved then."""

    @contextmanager
    def killed_after(step):
        original = Engine.train

        def train(self, feed, done, count):
            if done + count > step:
                raise Killed
            return original(self, feed, done, count)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Engine, "train", train)
            yield

    return killed_after
