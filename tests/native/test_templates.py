"""Rules run in Python once per signature: from then on C has a template of them."""

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape
from tapegrad.ops.table import Rule

pytestmark = pytest.mark.usefixtures("native")

X = np.array([[0.5, 1.5, 2.0], [1.25, 0.75, 3.0], [1.0, 2.5, 0.25]])


@pytest.fixture
def rules_run(monkeypatch):
    """A list that grows by each rule that runs in Python; no templates at first."""
    from tapegrad import _core

    _core.lib.tg_templates_clear()
    found = []
    call = Rule.__call__

    def counted(rule, op, *args):
        found.append(op.name)
        return call(rule, op, *args)

    monkeypatch.setattr(Rule, "__call__", counted)
    return found


def derivatives(f):
    """Value, gradient, gradient of the gradient, and tangent of f at X."""
    x = tg.tensor(X)
    with tape(persistent=True) as outer:
        outer.watch(x)
        with tape() as inner:
            inner.watch(x)
            y = f(x)
        g = inner.gradient(y, x)
    return y, g, outer.gradient(g, x, x), outer.jvp(y, x, x)


CASES = {
    "both factors one Tensor": lambda x: x * x,
    "a quotient by itself": lambda x: x / x,
    "a power by itself": lambda x: tnp.power(x, x),
    "a tie": lambda x: tnp.maximum(x, x) * x,
    "a product with itself": lambda x: x @ x,
    "a product with its own transpose": lambda x: x @ x.T,
    "one Tensor many times": lambda x: tnp.concatenate([x] * 12) ** 2,
    "many Tensors": lambda x: tnp.stack([x * k for k in range(40)]) ** 2,
}


@pytest.mark.parametrize("case", CASES)
def test_the_second_sweep_runs_no_rule_in_python(rules_run, case):
    first = derivatives(CASES[case])
    assert rules_run
    rules_run.clear()
    second = derivatives(CASES[case])
    assert rules_run == []
    with tg.use_backend("numpy"):
        want = derivatives(CASES[case])
    for a, b, c in zip(first, second, want):
        assert a.numpy().tobytes() == b.numpy().tobytes()
        np.testing.assert_allclose(a.numpy(), c.numpy(), rtol=1e-12, atol=1e-12)


def test_a_cotangent_may_be_an_operand(rules_run):
    def gradient_along_itself():
        w, b = tg.parameter(X), tg.parameter(X + 1)
        with tape():
            with tape() as inner:
                y = w @ b
            return inner.gradient(y, [w, b], w)

    for _ in range(2):
        dw, db = gradient_along_itself()
        np.testing.assert_allclose(dw.numpy(), X @ (X + 1).T, rtol=1e-12)
        np.testing.assert_allclose(db.numpy(), X.T @ X, rtol=1e-12)
    assert rules_run.count("matmul") == 2  # one for each operand


@pytest.mark.parametrize("op", [tnp.multiply, tnp.divide, tnp.matmul])
def test_a_template_made_from_equal_operands_serves_different_ones(rules_run, op):
    derivatives(lambda x: op(x, x))
    rules_run.clear()
    a, b, ct = tg.parameter(X), tg.parameter(X[::-1] + 1), tg.tensor(X - 2)

    def gradients():
        with tape():
            with tape() as inner:
                y = op(a, b)
            return inner.gradient(y, [a, b], ct)

    got = gradients()
    assert rules_run == []
    with tg.use_backend("numpy"):
        want = gradients()
    for g, w in zip(got, want):
        np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=1e-12)


def test_rules_first_met_in_a_recording_become_templates(rules_run):
    def step(x):
        with tape() as t:
            t.watch(x)
            y = (tnp.cumsum(x @ x, axis=0) * x.T).mean(axis=0).sum()
        return t.gradient(y, x)

    compiled = tg.compile(step)
    recorded = [compiled(X)]
    run = sorted(rules_run)
    recorded += [compiled(X), compiled(X)]  # recorded again, and replayed
    eager = step(tg.tensor(X))
    assert sorted(rules_run) == run == ["cumsum", "matmul", "matmul", "mean", "sum", "transpose"]
    for gradient in recorded:
        np.testing.assert_array_equal(gradient.numpy(), eager.numpy())
