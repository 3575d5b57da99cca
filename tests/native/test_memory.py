"""What the C core holds on to: nothing it should not, and no more than it says."""

import gc

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp

core = pytest.importorskip("tapegrad._core", reason="the C core is not built")

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="looks at the C core's memory: native engine only"
)


def live_bytes():
    gc.collect()
    return core.lib.tg_pool_live_bytes()


def train(n_steps, parameters, x):
    for _ in range(n_steps):
        with tg.tape() as t:
            loss = (tnp.tanh(x @ parameters[0] + parameters[1]) ** 2).sum()
        for p, g in zip(parameters, t.gradient(loss, parameters), strict=True):
            p.assign(p - 0.01 * g)


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    parameters = [tg.parameter(rng.normal(size=s).astype("f4")) for s in ((6, 5), (5,))]
    return parameters, tg.tensor(rng.normal(size=(9, 6)).astype("f4"))


def test_training_leaves_nothing_behind(network):
    train(3, *network)
    before = live_bytes()
    train(20, *network)
    assert live_bytes() == before


def test_steady_state_asks_the_system_for_nothing(network):
    train(5, *network)
    before = core.lib.tg_pool_system_calls()
    train(20, *network)
    assert core.lib.tg_pool_system_calls() == before


def test_a_tape_that_is_never_swept_gives_its_memory_back(network):
    (w, b), x = network
    before = live_bytes()
    with tg.tape() as t:
        loss = tnp.tanh(x @ w + b).sum()
    assert live_bytes() > before
    del t, loss
    assert live_bytes() == before


def test_a_tensor_keeps_its_tape_and_nothing_else_does(network):
    (w, b), x = network
    before = live_bytes()
    with tg.tape():
        loss = tnp.tanh(x @ w + b).sum()
    loss.backward()
    assert w.grad.shape == w.shape
    w.grad = b.grad = None
    del loss
    assert live_bytes() == before


def test_an_error_in_a_sweep_leaves_nothing_behind(network):
    (w, b), x = network
    before = live_bytes()
    with tg.tape() as t:
        t.watch(x)
        loss = tnp.tanh(x @ w + b).sum()
    w.assign(w * 2)
    with pytest.raises(tg.StaleValueError):
        t.gradient(loss, [x, w])
    del t, loss
    assert live_bytes() == before


def test_a_value_no_rule_reads_is_dropped_when_it_is_recorded():
    x = tg.parameter(np.ones(100_000, "f4"))
    before = live_bytes()
    with tg.tape() as t:
        y = x + 1.0
        for _ in range(10):
            y = y + 1.0
    assert live_bytes() - before < 2 * 4 * 100_000 + 10_000  # y's values, not eleven of them
    assert t.gradient(y, x).shape == x.shape


def test_a_scalar_entry_takes_at_most_256_bytes():
    a, b = tg.parameter(np.float32(0.5)), tg.parameter(np.float32(0.25))
    n = 20_000

    def resident():
        with open("/proc/self/statm") as f:
            return int(f.read().split()[1]) * 4096

    try:
        before = resident()
    except OSError:
        pytest.skip("no /proc here to read the resident size from")
    tapes = []
    for _ in range(10):  # 200,000 entries
        with tg.tape() as t:
            x = a
            for _ in range(n // 2):
                x = x * a + b
        tapes.append((t, x))
    assert (resident() - before) / (10 * n) <= 256


def test_a_numpy_view_outlives_its_tensor_and_its_tape():
    x = tg.parameter(np.arange(1000.0))
    with tg.tape():
        view = (x * 2.0).numpy()
    del x
    junk = [tg.tensor(np.full(1000, 7.0)) for _ in range(50)]
    assert view[999] == 1998.0
    assert not view.flags.writeable
    del junk


def test_empty_and_enormous_shapes():
    assert tg.tensor(np.zeros((0, 3), "f4")).sum().item() == 0.0
    with pytest.raises(MemoryError):
        tnp.broadcast_to(tg.tensor(np.ones((1, 1), "f4")), (1 << 40, 1 << 20)) + 1.0
