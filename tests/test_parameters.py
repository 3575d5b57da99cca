"""Parameters, frozen ones above all, and containers of them made again."""

import copy
import dataclasses
import functools
import pickle
from typing import Any

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp


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


def set_by_hand(w, cotangent):
    w.grad = cotangent()
    return lambda: w.grad


def given_to_backward(w, cotangent):
    with tg.tape():
        y = w[:]
    y.backward(cotangent())
    return lambda: w.grad


def summed(w, cotangent):
    """A number whose derivative by w is what cotangent() gives when it is asked for."""
    total = tg.primitive(np.sum)
    tg.defvjp(total, lambda ans, x: lambda g: cotangent())
    return total(w)


def made_by_a_rule(w, cotangent):
    with tg.tape():
        y = summed(w, cotangent)
    y.backward()
    return lambda: w.grad


def returned(w, cotangent):
    with tg.tape() as t:
        y = summed(w, cotangent)
    found = t.gradient(y, w)
    return lambda: found


@pytest.mark.parametrize("ask", [set_by_hand, given_to_backward, made_by_a_rule, returned])
@pytest.mark.parametrize(
    "of",
    [lambda p: p, lambda p: p[::-1], lambda p: p.detach(), lambda p: tnp.broadcast_to(p[1], (3,))],
    ids=["itself", "reversed", "detached", "broadcast"],
)
def test_gradients_stay_when_a_parameter_is_written(of, ask, backend):
    p, w = tg.parameter([1.0, 2.0, 3.0]), tg.parameter(np.zeros(3))
    expected = of(p).tolist()
    gradient = ask(w, lambda: of(p))  # not looked at: that would give it memory of its own
    p.assign(p * 2.0)
    assert gradient().tolist() == expected
    assert not gradient().requires_grad


# Of ones: what the gradient is afterwards, wherever the step runs.
OWN = {
    "parameter": lambda: tg.parameter(np.ones(3)),
    "frozen parameter": lambda: tg.parameter(np.ones(3)).requires_grad_(False),
    "variable": lambda: tg.tensor(np.ones(3), requires_grad=True),
    "constant": lambda: tg.tensor(np.ones(3)),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", OWN)
def test_a_value_as_its_own_gradient_is_copied(kind, compiled, backend):
    for of in (lambda p: p, tg.Tensor):
        p = OWN[kind]()

        def set_it(x, p=p, of=of):
            p.grad = of(p)
            return x * 1.0

        step = tg.compile(set_it) if compiled else set_it
        for _ in range(4):
            step(np.ones(1))
        if isinstance(p, tg.Parameter):
            p.assign(p * 2.0)
        assert type(p.grad) is tg.Tensor
        assert p.grad.tolist() == [1.0, 1.0, 1.0]
        assert not p.grad.requires_grad
        assert p.grad.grad is None


def test_a_field_of_one_row_is_an_array_like_any(backend):
    rows = np.zeros(4, dtype=[("flag", "u1"), ("v", "f4", 3)])
    rows["v"] = np.arange(12).reshape(4, 3)
    for part in rows["v"], rows[2:3]["v"], rows[:0]["v"]:
        np.testing.assert_array_equal(tg.tensor(part).numpy(), part)
