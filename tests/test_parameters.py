"""Parameters, frozen ones above all, and containers of them made again."""

import copy
import dataclasses
import functools
import pickle
from typing import Any

import numpy as np

import tapegrad as tg


def test_containers_keep_what_is_not_computed_from_their_parts():
    @dataclasses.dataclass
    class Weights:
        w: Any

        @functools.cached_property
        def square(self):
            return self.w * self.w

    class Attributes(dict):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.__dict__ = self

    weights = Weights(tg.tensor([2.0, 3.0]))
    assert weights.square.tolist() == [4.0, 9.0]
    found = tg.grad(lambda p: p.square.sum())(weights)
    assert (found.w.tolist(), found.square.tolist()) == ([4.0, 6.0], [16.0, 36.0])
    found = tg.grad(lambda p: (p.w * p["w"]).sum())(Attributes(w=tg.tensor([2.0, 3.0])))
    assert found.w.tolist() == [4.0, 6.0]


def test_copies_of_frozen_parameters_are_frozen():
    p = tg.parameter(np.ones(3))
    assert copy.deepcopy(p).requires_grad
    p.requires_grad = False
    for q in copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p)):
        assert type(q) is tg.Parameter
        assert not q.requires_grad


def test_views_of_frozen_parameters_keep_their_values(backend):
    p = tg.parameter([0.0, 1.0, 2.0])
    p.requires_grad = False
    views = p.detach(), p[::-1]
    p.assign([9.0, 9.0, 9.0])
    assert [v.tolist() for v in views] == [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]


def test_gradients_are_not_the_memory_of_cotangents():
    w, p = tg.parameter(np.ones(3)), tg.parameter(np.zeros(3))
    with tg.tape():
        y = p + 1.0
    y.backward(w)
    w.assign(w * 0.5)
    assert p.grad.tolist() == [1.0, 1.0, 1.0]


def test_a_field_of_one_row_is_an_array_like_any(backend):
    rows = np.zeros(4, dtype=[("flag", "u1"), ("v", "f4", 3)])
    rows["v"] = np.arange(12).reshape(4, 3)
    for part in rows["v"], rows[2:3]["v"], rows[:0]["v"]:
        np.testing.assert_array_equal(tg.tensor(part).numpy(), part)
