"""no_grad, enable_grad, detach and stop_gradient: what a tape does not see."""

import pytest
from closeness import close

import tapegrad as tg
from tapegrad import no_grad, tape

pytestmark = pytest.mark.usefixtures("backend")


def test_no_grad_as_a_block_and_as_a_decorator(w):
    @no_grad()
    def square(x):
        return x * x

    with tape() as t:
        with no_grad():
            a = w * 2
            with tg.enable_grad():
                b = w * 3
        c = square(w)
    assert len(t) == 1
    y = (a + b + c).sum()
    assert isinstance(y, tg.Tensor)


def test_one_no_grad_object_may_be_entered_twice(w):
    off = no_grad()
    with tape() as t:
        with off:
            with off:
                w * 2
            w * 2
        w * 2
    assert len(t) == 1


def test_no_grad_of_a_generator_covers_what_it_runs_and_nothing_between(w):
    @no_grad
    def doubles():
        sent = 0
        while sent is not None:
            try:
                sent = yield w * 2
            except KeyError:
                w * 3
        return w * 4

    with tape() as t:
        items = doubles()
        next(items)
        w * 2
        items.send(1)
        items.throw(KeyError())
        w * 2
        with pytest.raises(StopIteration):
            items.send(None)
        items.close()
    assert len(t) == 2


def test_no_grad_refuses_functions_that_wait():
    async def step():
        pass

    with pytest.raises(TypeError, match="step is async"):
        no_grad()(step)


def test_no_grad_is_undone_after_an_error(w):
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    with tape() as t:
        w * 2
    assert len(t) == 1


def test_detach_and_stop_gradient_let_nothing_through(w):
    for cut in (tg.stop_gradient, tg.Tensor.detach):
        with tape() as t:
            y = (cut(w) * w).sum()
        close(t.gradient(y, w), w.numpy())
        assert cut(w).requires_grad is False


def test_stop_gradient_takes_nestings(w):
    with tape() as t:
        stopped = tg.stop_gradient({"a": w * 2.0, "b": [w, 3, None]})
        y = (stopped["a"] * w + stopped["b"][0]).sum()
    assert stopped["b"][1:] == [3, None]
    close(t.gradient(y, w), 2 * w.numpy())
