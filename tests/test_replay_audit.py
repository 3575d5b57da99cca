"""Audits: a replay beside the Python it stands for, from one state, bit for bit."""

import itertools
import os

import numpy as np
import pytest
from corpus import training

import tapegrad as tg
from tapegrad import nn, optim
from tapegrad.errors import ReplayError

X = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")
Y = np.array([0, 1, 2, 0, 1, 2])


class Config:
    value = 1.0


def make(audit):
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))
    adam = optim.Adam(net.parameters(), lr=0.01)

    return tg.compile(training(net, adam), audit=np.int64(audit)), net  # or an int


def test_an_audited_step_trains_as_one_that_is_not(backend):
    found = []
    for audit in (0, 2):
        step, net = make(audit)
        losses = [step(X, Y).item() for _ in range(9)]
        found.append((losses, tg.get_rng_state(), [p.numpy().copy() for p in net.parameters()]))
    assert found[0][:2] == found[1][:2]
    for a, b in zip(found[0][2], found[1][2], strict=True):
        np.testing.assert_array_equal(a, b)


def test_results_of_audited_calls_are_fresh(backend):
    w = tg.parameter(np.zeros(2))

    def step(x):
        w.assign(w + x)
        return w, [w * 1]

    compiled = tg.compile(step, audit=1)
    kept = [compiled(np.ones(2)) for _ in range(6)]
    assert [(a.tolist(), b.tolist()) for a, [b] in kept] == [([k, k],) * 2 for k in range(1, 7)]


@pytest.mark.parametrize("is_written", [False, True])
def test_an_audit_finds_what_no_guard_sees(is_written, backend):
    config, p = Config(), tg.parameter(np.ones(4, "f4"))
    parts = ["val", "ue"]  # a name that is nowhere in the code

    def step(x):
        scale = getattr(config, "".join(parts))
        if is_written:
            p.assign(p + x * scale)
            return x * 1.0
        return x * scale

    compiled = tg.compile(step, audit=2)
    x = np.ones(4, "f4")
    for _ in range(4):  # two recordings, two replays
        compiled(x)
    config.value = 2.0
    before = p.numpy().copy()
    with pytest.raises(ReplayError, match=r"audit of step: (result of|p\d+).* differs"):
        compiled(x)
    # what the audit leaves is the Python's doing, not the replay's
    np.testing.assert_array_equal(p.numpy(), before + 2.0 if is_written else before)


@pytest.mark.parametrize("kind", [str, float, np.asarray, list])
def test_an_audit_compares_what_is_no_tensor(kind, backend, monkeypatch):
    monkeypatch.setenv("RATE", "12")
    f = tg.compile(lambda x: {"y": x * 2, "rate": kind(os.environ["RATE"])}, audit=1)
    for _ in range(5):
        f(np.ones(3))
    monkeypatch.setenv("RATE", "123" if kind is list else "13")
    with pytest.raises(ReplayError, match="other parts" if kind is list else r"result\['rate'\]"):
        f(np.ones(3))


@pytest.mark.parametrize("audit", [1, 2, 3])
def test_an_audit_of_the_other_branch_is_that_ones(audit, backend):
    found = []
    for transform in (lambda f: f, tg.compile(audit=audit)):
        p = tg.parameter(np.zeros(4, "f4"))

        def step(x, p=p):
            if x.sum() > 0:
                p.assign(p + x)
                return x * 2.0
            p.assign(p - 2.0 * x)
            return x * 3.0

        step = transform(step)
        signs = [1, 1, 1, 1, -1, -1, -1, 1, -1, 1, -1, -1, 1, 1, -1, 1, 1]
        found.append([(np.asarray(step(sign * X[0])).tolist(), p.tolist()) for sign in signs])
    assert found[0] == found[1]
    assert "2 programs, 2 replaying" in step.explain()


@pytest.mark.parametrize(
    ("function", "options", "error", "message"),
    [
        (3, {}, TypeError, "need a function, got int"),
        (len, {"audit": -1}, ValueError, "audit.* is -1; it must be at least 0"),
        (len, {"audit": 0.5}, TypeError, r"audit.* is 0\.5; it must be a whole number"),
        (len, {"audit": True}, TypeError, "audit.* is True; it must be a whole number"),
        (None, {"audit": -1}, ValueError, "audit.* is -1; it must be at least 0"),
    ],
)
def test_bad_options_of_compile(function, options, error, message):
    with pytest.raises(error, match=message):
        tg.compile(function, **options)


def test_compiled_functions_say_what_they_are():
    assert repr(tg.compile(np.sin)) == "<tapegrad.compile of sin>"


def test_an_audit_that_fails_gives_the_program_up():
    seen = itertools.count()

    @tg.compile(audit=1)
    def step(x):
        return x * (1.0 if next(seen) < 3 else 2.0)  # what no guard sees

    for _ in range(4):
        step(np.ones(2))
    with pytest.raises(ReplayError, match="the next call is recorded"):
        step(np.ones(2))
    for _ in range(4):
        np.testing.assert_array_equal(step(np.ones(2)), [2.0, 2.0])
