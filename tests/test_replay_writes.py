"""What a recorded function itself writes or draws is named."""

import random

import numpy as np

import tapegrad as tg
from tapegrad import optim
from tapegrad.replay.guards import Guards
from tapegrad.replay.writes import Writes


def test_writes_of_the_function_itself_are_named():
    class Trainer:
        def __init__(self):
            self.steps = 0
            self.history = []
            self.opt = optim.SGD([tg.parameter(1.0)], lr=0.1)
            self.cache = None

        def count(self):
            self.steps += 1

        def remember(self):
            self.history.append(1)

        def keep(self):
            self.last = tg.tensor(1.0)

        def schedule(self):
            self.opt.lr = 0.9 * self.opt.param_groups[0]["lr"]

        def set_rate(self):
            self.opt.lr = 0.5

        def fill(self):
            if self.cache is None:
                self.cache = 1

    trainer = Trainer()
    for function, sentence in (
        (trainer.count, ".steps was 0, is 1"),
        (trainer.remember, ".history) was 0, is 1"),
        (trainer.keep, ".last is new: Tensor of shape ()"),
        (trainer.schedule, "['lr'] was 0.1, is 0.09"),
        (trainer.set_rate, "['lr'] was 0.09"),
    ):
        writes = Writes(Guards(function))
        function()
        assert sentence in writes.found(), function
    first = Writes(Guards(trainer.fill))
    trainer.fill()
    assert ".cache was None, is 1" in first.found()
    second = Writes(Guards(trainer.fill))
    trainer.fill()
    assert second.found() is None


def test_draws_of_the_function_are_named():
    mine, theirs, old = random.Random(0), np.random.default_rng(0), np.random.RandomState(0)
    for draw, sentence in (
        (lambda: mine.random(), "closure variable 'mine' was drawn from"),
        (lambda: theirs.normal(), "closure variable 'theirs' was drawn from"),
        (lambda: old.normal(), "closure variable 'old' was drawn from"),
        (lambda: random.random(), "Python's random was drawn from"),
        (lambda: np.random.random(), "numpy.random was drawn from"),  # noqa: NPY002 - tested
        (lambda: np.random.normal(), "numpy.random was drawn from"),  # noqa: NPY002
        (lambda: np.random.normal(), "numpy.random was drawn from"),  # noqa: NPY002 - of a pair
    ):
        writes = Writes(Guards(draw))
        assert writes.found() is None
        draw()
        assert writes.found() == sentence
