"""Optimizers with their options, and parameters to give them, for every test that goes over all."""

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import optim

SHAPES = [(3,), (2, 5), (1, 1), (), (0, 3), (40, 7)]

RULES = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (optim.SGD, {"lr": 0.1, "maximize": True, "weight_decay": 0.1}),
    (optim.Adam, {}),
    (optim.Adam, {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.1}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True}),
    (optim.Adam, {"lr": 0.1, "maximize": True}),
    (optim.AdamW, {"lr": 0.1}),
    (optim.AdamW, {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True}),
]


def rule_name(value):
    return value.__name__ if isinstance(value, type) else ",".join(value) or "defaults"


every_rule = pytest.mark.parametrize(("rule", "options"), RULES, ids=rule_name)


def make(shapes=SHAPES, dtype="f4"):
    rng = np.random.default_rng(0)
    return [tg.parameter(rng.normal(size=s).astype(dtype)) for s in shapes]


def give_gradients(params, k):
    rng = np.random.default_rng(100 + k)
    for p in params:
        p.grad = rng.normal(size=p.shape).astype(p.dtype)


def values(params):
    return [np.array(p.numpy()) for p in params]
