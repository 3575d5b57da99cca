"""Memory plans: values that live at once do not overlap, and a step needs no more than eager."""

import numpy as np
import pytest
from corpus import training
from recorded import FUNCTIONS, X, mlp_gradient, recorded

import tapegrad as tg
from tapegrad import nn, optim
from tapegrad.engine import select
from tapegrad.replay import passes
from tapegrad.replay import plan as plan_module
from tapegrad.replay.plan import plan_memory


def training_with_dropout():
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))
    adam = optim.Adam(net.parameters())

    def step(x):
        with tg.tape():
            loss = nn.cross_entropy(net(x), np.array([0, 2, 1]))
        adam.zero_grad()
        loss.backward()
        nn.clip_grad_norm_(list(net.parameters()), 1.0)
        adam.step()
        return loss

    return step


@pytest.mark.parametrize(
    "function", [*FUNCTIONS, training_with_dropout()], ids=lambda f: f.__name__
)
def test_planned_memory_never_overlaps(function, monkeypatch):
    program = passes.optimise(recorded(function, X))
    for many in (0, 100):  # by time, by size
        monkeypatch.setattr(plan_module, "MANY", many)
        check_plan(program, plan_memory(program))


def check_plan(program, plan):
    made = {v: at for at, e in enumerate(program.entries) for v in e.outputs}
    assert plan.lower_bound <= plan.peak
    for i, (v, offset, size, first, last) in enumerate(plan.lifetimes):
        host = plan.hosts.get(v)
        assert first == made[v]
        assert offset % 64 == 0
        assert offset + size <= (plan.bytes if host is None else program.values[host].nbytes)
        assert host is None or (host in program.results and last < made[host])
        for w, other, n, begin, end in plan.lifetimes[:i]:
            if host == plan.hosts.get(w) and offset < other + n and other < offset + size:
                # one may take the other's place at the entry where that one dies
                assert last <= begin or end <= first
    assert str(plan).startswith(f"{plan.bytes} bytes")


NETWORKS = [
    ([2, 16, 16, 1], "tanh", 32),
    ([8, 64, 64, 4], "tanh", 64),
    ([64, 128, 64, 10], "relu", 64),
    ([64, 128, 64, 10], "gelu", 64),
    ([32] * 21 + [10], "relu", 64),
    ([30, 128, 10], "elu", 64),
    ([1, 100, 64, 50, 1], "sigmoid", 200),
    ([2, 32, 200, 128, 256, 10], "sigmoid", 512),
    ([100, 128, 64, 32, 4, 8, 1], "relu", 200),
]


@pytest.mark.skipif(tg.backend() != "native", reason="memory is planned for the C core")
@pytest.mark.parametrize(("sizes", "activation", "batch"), NETWORKS, ids=str)
def test_a_step_needs_no_more_memory_than_eager(sizes, activation, batch):
    """Beside parameters, what belongs to them, and gradients: those there are from step to step."""
    model = nn.MLP(sizes[0], sizes[1:], activation)
    optimizer = optim.Adam(model.parameters())
    rng = np.random.default_rng(0)
    x = tg.tensor(rng.normal(size=(batch, sizes[0])).astype("f4"))
    y = tg.tensor(rng.normal(size=(batch, sizes[-1])).astype("f4"))

    step = training(model, optimizer, nn.mse_loss)
    step(x, y)
    lib = select._core.lib
    lib.tg_pool_peak_bytes()
    before = lib.tg_pool_live_bytes()
    step(x, y)
    eager = lib.tg_pool_peak_bytes() - before
    compiled = tg.compile(step)
    for _ in range(3):
        compiled(x, y)
    plan = compiled.memory_plan()
    check_plan(compiled.program, plan)
    assert plan.lower_bound <= plan.bytes <= eager
    assert not plan.hosts or " of v" in str(plan)


def test_the_plan_is_known_before_the_first_replay():
    compiled = tg.compile(mlp_gradient)
    plans = []
    for _ in range(4):
        compiled(X)
        plans.append(str(compiled.memory_plan()))
    assert plans == plans[:1] * 4
