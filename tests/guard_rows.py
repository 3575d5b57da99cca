"""The table of things a function reads and that change behind its back: test_replay_guards.py.

A row is a function that returns (function to guard, change, part of the sentence): `change` is
called, and changed() must say so; a sentence of None means that it must notice nothing.
"""

import dataclasses

from tapegrad import nn


@dataclasses.dataclass
class Config:
    depth: int = 2
    inner: list = dataclasses.field(default_factory=lambda: [1, [2, 3]])


class Base:
    scale = 2.0

    def rate(self):
        return self.base_rate

    @property
    def width(self):
        return self.hidden

    def __call__(self, x):
        return x * self.factor


class Thing(Base):
    base_rate = 1.0

    def __init__(self):
        self.hidden = 3
        self.factor = 4
        self.unread = 5
        self.parts = {"a": [1]}

    def step(self, x):
        return x * self.scale * super().rate()

    def indirect(self, x):
        me = self
        return [x * part for part in me.parts["a"]]


class Net(nn.Module):
    depth = 1

    def __init__(self):
        self.layers = [nn.Linear(2, 2), nn.Dropout(0.5)]
        self.beta = 0.5
        self.best = 0.0

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x * self.beta if self.depth else x


def setting(target, name, value):
    return lambda: setattr(target, name, value)


ROWS = {}


def row(make, name=None):
    ROWS[name or make.__name__.removeprefix("_")] = make
    return make
