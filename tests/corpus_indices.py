"""Cases: positions that a step computes or is given."""

import numpy as np
from corpus import batch, case

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, optim, tape

X = batch(5, features=3)
LINES = np.arange(5)
ACTIONS = [np.array(a) for a in ([0, 1, 2, 0, 1], [2, 2, 2, -3, -1], [1, 0, 0, 2, 2])]

# Of x, 5 by 3, and actions, 5 integers in [-3, 3).
GATHERS = {
    "action_of_each_row": lambda x, a: x[np.arange(5), a],
    "action_of_each_row_by_a_captured_array": lambda x, a: x[LINES, a],
    "actions_that_broadcast": lambda x, a: x[np.arange(5)[:, None], a],
    "actions_of_one_row": lambda x, a: x[2, a],
    "actions_of_rows_that_are_no_neighbours": lambda x, a: x[None][0, 1:, None, a],
    "computed_actions": lambda x, a: x[tnp.arange(5), (a + 1) % 3],
    "action_of_the_largest_value": lambda x, a: x[np.arange(5), (x * 2).argmax(1)] * a,
    "one_action": lambda x, a: x[a[0], a[1]],
    "one_action_and_a_slice": lambda x, a: x[a[0], 1:],
    "row_of_the_largest_value": lambda x, a: x[(x[:, 0] * a).argmax()],
    "list_of_actions": lambda x, a: x[[a[0], a[2], 1]],
    "actions_along_an_axis": lambda x, a: tnp.take_along_axis(x, a[:, None], axis=1),
    "actions_along_an_axis_by_numpy": lambda x, a: np.take_along_axis(x, a[:, None] % 3, 1),
    "actions_along_the_flat_array": lambda x, a: np.take_along_axis(x, a, None),
    "actions_taken": lambda x, a: np.take(x, a, axis=1),
}


def gather(name, function):
    def make():
        def step(x, a):
            with tape() as t:
                t.watch(x)
                y = function(x, a)
                loss = (y * y).sum()
            return y, t.gradient(loss, x)

        script = [(k * X, a) for k in (1, 2) for a in ACTIONS]
        return step, [*script, (X, ACTIONS[0] + 90), *script]

    make.__name__ = name
    case()(make)


for _name, _function in GATHERS.items():
    gather(_name, _function)


@case()
def learning_of_action_values():
    net, aim = nn.MLP(3, [4, 3], "tanh"), nn.MLP(3, [4, 3], "tanh")
    optimizer = optim.Adam(net.parameters(), lr=0.05)

    def step(x, a, reward, following):
        with tape():
            best = aim(following).max(axis=1)
            value = net(x)[np.arange(5), a]
            loss = nn.smooth_l1_loss(value, tg.stop_gradient(reward + 0.9 * best))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    script = [
        (batch(seed=k), ACTIONS[k % 3], batch(seed=k)[:, 0], batch(seed=k + 1)) for k in range(6)
    ]
    return step, script, lambda: [*net.parameters()]


@case(error="computed mask of shape (5, 3)")
def mask():
    return lambda x: (x[x > 0] * 2).sum(), [(X,), (X,), (-2 * X,)]


@case(error="computed mask of shape ()")
def mask_of_a_number():
    return lambda x: x[x.sum() > 0] * 2, [(X,), (X,), (-2 * X,)]
