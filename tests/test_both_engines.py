"""Programs that use both engines: Tensors of either work under the other, and stay one thing."""

import gc
import weakref

import numpy as np
import pytest

import tapegrad as tg
from tapegrad import nn, optim, tape

pytestmark = pytest.mark.skipif(not tg.info()["native"], reason="the C core is not built")

ENGINES = ["native", "numpy"]
made_on = pytest.mark.parametrize("home", ENGINES)


def parameter(home, values=(1.0, 2.0)):
    with tg.use_backend(home):
        return tg.parameter(np.array(values))


def add_gradient(engine, p, factor=1.0):
    with tg.use_backend(engine):
        with tape():
            loss = (p * factor).sum()
        loss.backward()


def test_tensors_of_one_engine_work_under_the_other():
    with tg.use_backend("native"):
        a, p = tg.tensor([1.0, 2.0]), tg.parameter([3.0, 4.0])
    with tg.use_backend("numpy"):
        b = a * 2
        with tape() as t:
            y = (p * b).sum()
        g = t.gradient(y, p)
        p.assign([5.0, 6.0])
    with tg.use_backend("native"):
        assert (b + g).tolist() == [4.0, 8.0]
        assert p.tolist() == [5.0, 6.0]
        with tape() as t:
            y = (p * b * g).sum()
        assert t.gradient(y, p).tolist() == [4.0, 16.0]


@made_on
@pytest.mark.parametrize("order", [ENGINES, ENGINES[::-1], ENGINES + ENGINES])
def test_gradients_of_both_engines_add_up(home, order):
    p = parameter(home)
    for k, engine in enumerate(order):
        add_gradient(engine, p, factor=10.0**k)
    want = sum(10.0**k for k in range(len(order)))
    for engine in ENGINES:
        with tg.use_backend(engine):
            assert p.grad.tolist() == [want, want]
    p.grad = None
    for engine in ENGINES:
        with tg.use_backend(engine):
            assert p.grad is None


@made_on
@pytest.mark.parametrize("engine", ENGINES)
def test_a_gradient_of_one_engine_serves_a_step_of_the_other(home, engine):
    p = parameter(home)
    for k in ENGINES:
        add_gradient(k, p)
    optimizer = optim.SGD([p], lr=0.5)
    with tg.use_backend(engine):
        optimizer.step()
        optimizer.zero_grad()
    assert p.tolist() == [0.0, 1.0]
    assert p.grad is None


@made_on
def test_a_network_trains_on_the_engines_in_turn(home):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)).astype("f4"), rng.normal(size=(8, 2)).astype("f4")

    def trained(engines):
        with tg.use_backend(home):
            tg.manual_seed(0)
            net = nn.MLP(3, [4, 2], activation="tanh")
            optimizer = optim.Adam(net.parameters(), lr=0.1)
        for engine in engines:
            with tg.use_backend(engine):
                with tape():
                    loss = nn.mse_loss(net(x), y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return list(net.state_dict().values())

    for a, b in zip(trained([home] * 6), trained(ENGINES * 3)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@made_on
def test_a_write_under_one_engine_is_seen_by_tapes_of_the_other(home):
    for record, write in (ENGINES, ENGINES[::-1]):
        p = parameter(home)
        with tg.use_backend(record):
            with tape() as t:
                y = (p * p).sum()
            with tg.use_backend(write):
                p.assign([5.0, 6.0])
            with pytest.raises(tg.StaleValueError, match="written"):
                t.gradient(y, p)
            assert p.tolist() == [5.0, 6.0]


@made_on
@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_compiles_whichever_engine_made_its_network(home, engine):
    x, y = np.ones((4, 3), "f4"), np.zeros((4, 2), "f4")

    def losses(compiled):
        with tg.use_backend(home):
            tg.manual_seed(0)
            net = nn.MLP(3, [4, 2], activation="tanh")
            optimizer = optim.Adam(net.parameters(), lr=0.1)

        def step(x, y):
            with tape():
                loss = nn.mse_loss(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        with tg.use_backend(engine):
            run = tg.compile(step) if compiled else step
            return [run(x, y).item() for _ in range(5)]

    np.testing.assert_allclose(losses(compiled=True), losses(compiled=False), rtol=1e-5)


DERIVATIVES = {
    "gradient": lambda t, y, p: t.gradient(y, p),
    "jvp": lambda t, y, p: t.jvp(y, p, p),
    "tape.backward": lambda t, y, p: t.backward(y) or p.grad,
    "loss.backward": lambda t, y, p: y.backward() or p.grad,
}


@pytest.mark.parametrize("ask", DERIVATIVES.values(), ids=DERIVATIVES)
@pytest.mark.parametrize(("record", "then"), [ENGINES, ENGINES[::-1]])
def test_a_tape_is_swept_by_its_own_engine(record, then, ask):
    from tapegrad import _core

    _core.lib.tg_templates_clear()  # so that rules run in Python
    with tg.use_backend(record):
        p = tg.parameter(np.arange(6.0).reshape(2, 3))
        with tape() as t:
            y = (p @ p.T).sum()
        with tg.use_backend(then):
            got = ask(t, y, p)
            assert tg.backend() == then
            with pytest.raises(tg.TapeError, match="swept already"):
                ask(t, y, p)
        with tape() as t:
            y = (p @ p.T).sum()
        p.grad = None
        assert got.tolist() == ask(t, y, p).tolist()


def test_a_parameter_may_move_to_the_core_while_a_tape_holds_it():
    with tg.use_backend("numpy"):
        p = tg.parameter([1.0, 2.0])
        p.assign([3.0, 4.0])
        with tape() as t:
            y = (p * p).sum()
        with tg.use_backend("native"):
            assert (p + 1).tolist() == [4.0, 5.0]
        assert t.gradient(y, p).tolist() == [6.0, 8.0]


def test_a_parameter_with_a_writable_view_does_not_move_to_the_core():
    p = parameter("numpy")
    with tg.use_backend("numpy"):
        view = p.data
    with tg.use_backend("native"), pytest.raises(tg.EngineError, match="writable view"):
        p * 2
    del view
    with tg.use_backend("native"):
        assert (p * 2).tolist() == [2.0, 4.0]


@made_on
def test_a_tensor_used_by_both_engines_is_freed(home):
    p = parameter(home)
    for engine in ENGINES:
        add_gradient(engine, p)
    gone = weakref.ref(p)
    gc.disable()
    try:
        del p
        assert gone() is None
    finally:
        gc.enable()


@made_on
def test_a_compiled_step_does_not_change_the_engine(home):
    other = ENGINES[home == "native"]

    def enters(x):
        with tg.use_backend(other):
            return x * 2

    def leaves(x):
        switch.__exit__()
        return x * 2

    def stays(x):
        with tg.use_backend(home):
            return x * 2

    with tg.use_backend(other):
        switch = tg.use_backend(home)
        for step in enters, leaves:
            with pytest.raises(tg.ReplayError, match=f"the engine from {home} to {other}"):
                tg.compile(step)(np.ones(3))
            assert tg.backend() == home
        assert tg.compile(stays)(np.ones(2)).tolist() == [2.0, 2.0]
