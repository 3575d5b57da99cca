"""Cases: positions that a step computes or is given, and orders."""

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
    "share_of_largest_values_at_the_action": lambda x, a: x * (x.argmax(1) == a).mean(),
    "large_values_counted": lambda x, a: x * np.count_nonzero(x > a[:, None], axis=0),
    "integers_of_actions": lambda x, a: x * np.where(a < 0, -a, a * a + 1).sum(),
    "places_among_sorted_numbers": lambda x, a: x * np.searchsorted(LINES - 2.5, x, "right"),
    "all_or_any_truths": lambda x, a: x * np.logical_and(np.any(x * a[:, None], 0), np.all(x, 0)),
    "windows": lambda x, a: np.convolve(x[:, 0], x[1]) + np.copysign(a[0], np.sum(x)),
}


# Of the same and y, a copy of x. Some positions come twice: the last one counts.
SCATTERS = {
    "value_at_the_action_of_each_row": lambda x, a, y: y.__setitem__((LINES, a), x[:, 0] * 9),
    "number_at_actions_of_some_rows": lambda x, a, y: y.__setitem__((a[:2], slice(1, None)), 7),
    "row_at_an_action": lambda x, a, y: y.__setitem__(a[0], x[1] * x[2]),
    "values_at_actions_of_rows_that_repeat": lambda x, a, y: y.__setitem__((a % 2, a), x.sum(1)),
    "added_at_the_largest_value": lambda x, a, y: y.__setitem__(
        (LINES, x.argmax(1)), y[LINES, x.argmax(1)] + a
    ),
    "rows_added_at_actions": lambda x, a, y: np.add.at(y, a, x * 2),
    "numbers_subtracted_at_computed_actions": lambda x, a, y: np.subtract.at(y, (a + 1) % 5, 0.5),
    "columns_and_rows": lambda x, a, y: [
        y.__setitem__((slice(None, None, -2), i), x[2:, i] * 2) or y.__setitem__(i - 3, i)
        for i in range(3)
    ],
    "number_where_negative": lambda x, a, y: y.__setitem__(x < 0, -1e9),
    "number_where_equal": lambda x, a, y: y.__setitem__((~(a == 2),), x[0, 0]),
    "row_where_equal": lambda x, a, y: y.__setitem__(a == 2, x[:1] * 3),
    "values_along_an_axis": lambda x, a, y: np.put_along_axis(y, a[:, None], x[:, :1] + 1, 1),
    "values_put_by_a_mask": lambda x, a, y: np.putmask(y, x > 0, x[0]),
}


def scatter(function):
    def written(x, a):
        y = x * 1
        function(x, a, y)
        return y

    return written


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
for _name, _function in SCATTERS.items():
    gather(_name, scatter(_function))


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


@case(error="computed mask of shape (5,)")
def mask_written_with_a_row_for_each():
    def step(x, rows):
        y = x * 1
        y[x[:, 0] > 0] = rows
        return y

    return step, [(X, X[: (X[:, 0] > 0).sum()])] * 3


@case(error="computed mask of shape (3,)")
def mask_written_along_another_axis():
    def step(x):
        y = x * 1
        y[:, x[0] > 0] = 1
        return y

    return step, [(X,)] * 3


@case(error="(tg.asarray(a)[index] for a[index] of an ndarray, tg.numpy.array of a list")
def value_as_an_index_of_an_array():
    table = np.arange(3.0)
    return lambda x: x * table[x.argmax(axis=1)].sum(), [(X,), (X,), (-X,)]


@case()
def percentiles():
    def step(x):
        with tape() as t:
            t.watch(x)
            y = np.percentile(x, [10, 60.0], axis=1).sum() * np.nanpercentile(x, 30)
        return y, t.gradient(y, x)

    return step, [(batch(seed=k),) for k in range(5)]
