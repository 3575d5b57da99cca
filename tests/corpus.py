"""Running a step eagerly and compiled, side by side: what test_replay_corpus.py does to each case.

A case is a function without arguments that returns (step, script) or (step, script, state). The
script is what the training loop does: a tuple calls the step with those arguments, a dict with
those keywords, anything else is called itself and changes the world. `state()` gives arrays that
must agree after every call.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import tapegrad as tg
from tapegrad import nn, optim


@dataclasses.dataclass(frozen=True)
class Case:
    """A step that a naive tracer gets wrong.

    Attributes:
        runs: how often Python runs the step when it is compiled: twice to record each program.
        error: part of the message if the compiled step must refuse; up to then it agrees.
    """

    make: Callable[[], tuple]
    runs: int
    error: str | None


CASES: dict[str, Case] = {}


def case(runs: int = 2, error: str | None = None) -> Callable[[Callable], Callable]:
    def add(make: Callable) -> Callable:
        name = make.__name__
        assert name not in CASES, name
        CASES[name] = Case(make, runs, error)
        return make

    return add


def play(make: Callable, transform: Callable) -> Any:
    """Run a case's script; yields one record a call, then the number of Python runs.

    A record is ("value", the result's bits, the state's bits) or ("raised", exception).
    """
    tg.manual_seed(0)
    step, script, *rest = make()
    state = rest[0] if rest else list
    ticks = itertools.count()

    @functools.wraps(step)
    def counted(*args: Any, **kwargs: Any) -> Any:
        next(ticks)  # an iterator's state is nothing a guard can see
        return step(*args, **kwargs)

    run = transform(counted)
    kept = []
    for action in script:
        if not isinstance(action, (tuple, dict)):
            action()
            continue
        try:
            found = run(**action) if isinstance(action, dict) else run(*action)
        except Exception as error:
            yield "raised", error
            continue
        kept.append((found, bits(found)))
        yield "value", kept[-1][1], [bits(x) for x in state()], tg.get_rng_state()
    yield "runs", next(ticks), [(first, bits(found)) for found, first in kept]


def eager(step: Callable) -> Callable:
    """The step as it is, but for what tg.compile promises: ndarray arguments are Tensors in it."""

    def tensors(tree: Any, made: dict) -> Any:
        if isinstance(tree, (np.ndarray, np.generic)):
            if id(tree) not in made:
                made[id(tree)] = tg.tensor(tree)
            return made[id(tree)]
        if isinstance(tree, nn.Module) or not has_arrays(tree):
            return tree  # whose constructors must not run again
        if isinstance(tree, dict):
            return {key: tensors(x, made) for key, x in tree.items()}
        if isinstance(tree, (list, tuple)):
            return type(tree)([tensors(x, made) for x in tree])
        if dataclasses.is_dataclass(tree):
            return type(tree)(*[tensors(x, made) for x in vars(tree).values()])
        return tree

    def run(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tensors((args, kwargs), {})
        return step(*args, **kwargs)

    return run


def has_arrays(tree: Any) -> bool:
    if dataclasses.is_dataclass(tree):
        tree = vars(tree)
    parts = tree.values() if isinstance(tree, dict) else tree
    if isinstance(tree, (dict, list, tuple)):
        return any(map(has_arrays, parts))
    return isinstance(tree, (np.ndarray, np.generic))


def bits(tree: Any) -> Any:
    """A nesting with each array as (dtype, shape, bytes)."""
    if isinstance(tree, dict):
        return {key: bits(x) for key, x in tree.items()}
    if isinstance(tree, (list, tuple)):
        return (type(tree).__name__, [bits(x) for x in tree])
    if isinstance(tree, (tg.Tensor, np.ndarray, np.generic)):
        array = np.asarray(tree)
        return array.dtype.str, array.shape, array.tobytes()
    if dataclasses.is_dataclass(tree):
        return type(tree).__name__, bits(vars(tree))
    return type(tree).__name__, repr(tree)


def batch(n: int = 5, seed: int = 0, features: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, features)).astype(np.float32)


def labels(n: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, n)


def network() -> nn.MLP:
    return nn.MLP(3, [4, 2], "tanh")


def numbers(net: nn.Module) -> Callable[[], list]:
    """The state of a case: copies of a network's parameters and their gradients."""
    return lambda: [part for p in net.parameters() for part in (p.numpy().copy(), p.grad)]


def training(net: nn.Module, optimizer: optim.Optimizer, loss_of: Callable | None = None):
    """The plain training step."""
    loss_of = loss_of or nn.cross_entropy

    def step(x, y):
        with tg.tape():
            loss = loss_of(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step
