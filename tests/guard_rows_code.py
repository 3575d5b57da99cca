"""Rows: code changes: functions, methods, defaults, wrappers."""

import functools

from guard_rows import Thing, row, setting

import tapegrad as tg


@row
def _method_replaced():
    class Local(Thing):
        def rate(self):
            return 1

    thing = Local()
    return lambda x: x * thing.rate(), setting(Local, "rate", lambda self: 2), "Local.rate was"


@row
def _method_replaced_on_the_instance():
    thing = Thing()
    return lambda x: x * thing.rate(), setting(thing, "rate", lambda: 2), ".rate is new"


@row
def _what_a_constructor_reads():
    n = 1

    class Local:
        def __init__(self):
            self.n = n

    def change():
        nonlocal n
        n = 2

    return lambda x: x * Local().n, change, "'n' was 1, is 2"


@row
def _default_mutated():
    def step(x, factors=[1]):  # noqa: B006 - what is tested
        return x * factors[0]

    return step, lambda: step.__defaults__[0].append(2), "'factors') was 1, is 2"


@row
def _default_replaced():
    def step(x, n=1):
        return x * n

    return step, setting(step, "__defaults__", (2,)), "argument 'n' was 1, is 2"


@row
def _keyword_default():
    def step(x, *, n=1):
        return x * n

    return step, lambda: step.__kwdefaults__.update(n=2), "argument 'n' was 1, is 2"


@row
def _function_replaced():
    act = tg.relu  # both are made by one def of tapegrad's

    def change():
        nonlocal act
        act = tg.sigmoid

    return lambda x: act(x), change, "'act' was"


@row
def _code_replaced():
    def step(x):
        return x

    change = setting(step, "__code__", (lambda x: x * 2).__code__)
    return step, change, "the code of step was that of line"


@row
def _code_of_a_helper_replaced():
    def helper(x):
        return x

    change = setting(helper, "__code__", (lambda x: x * 2).__code__)
    return lambda x: helper(x), change, "the code of closure variable 'helper' was that"


@row
def _partial():
    n = [1]
    return functools.partial(lambda k, x: x, n), lambda: n.append(2), ".args[0]) was 1, is 2"


@row
def _wrapped():
    n = [1]

    @functools.lru_cache
    def helper():
        return n[0]

    @functools.wraps(helper)
    def wrapper(x):
        return helper()

    return wrapper, lambda: n.append(2), "'n') was 1, is 2"


@row
def _another_class():
    class Other(Thing):
        def step(self, x):
            return x

    thing = Thing()
    change = setting(thing, "__class__", Other)
    return lambda x: thing.step(x), change, "'thing' was type Thing, is type"


@row
def _dispatch_by_type():
    @functools.singledispatch
    def helper(x):
        return x

    return lambda x: helper(x), lambda: helper.register(int, lambda x: 2 * x), "registry) was ("


@row
def _partial_method():
    class Thing:
        rate = 1

        def scaled(self, x, by):
            return x * self.rate * by

        doubled = functools.partialmethod(scaled, by=2)

    thing = Thing()
    return lambda x: thing.doubled(x), setting(thing, "rate", 2), "'thing'.rate"


@row
def _attribute_of_a_function():
    def helper(x):
        return x * helper.rate

    helper.rate = 1
    return lambda x: helper(x), setting(helper, "rate", 2), "'helper'.rate was 1, is 2"


@row
def _attribute_that_a_function_has_later():
    def helper(x):
        return x * getattr(helper, "rate", 1)

    return lambda x: helper(x), setting(helper, "rate", 2), "'helper'.rate is new: 2"


@row
def _transformed_by_tapegrad():
    n = [1]

    @tg.no_grad()
    def step(x):
        return x * n[0]

    return step, lambda: n.append(2), "'n') was 1, is 2"


# --- derivative rules


def _own_vjp(n, fwd, bwd):
    f = tg.custom_vjp(lambda x: x * x)
    f.defvjp(fwd, bwd)
    return lambda x: f(x), lambda: n.append(2), "'n') was 1, is 2"


@row
def _forward_rule_of_a_custom_vjp():
    n = [1]
    return _own_vjp(n, lambda x: (x * n[0], x), lambda r, ct: (ct,))


@row
def _backward_rule_of_a_custom_vjp():
    n = [1]
    return _own_vjp(n, lambda x: (x, x), lambda r, ct: (ct * n[0],))


@row
def _rule_of_a_custom_jvp():
    n = [1]
    f = tg.custom_jvp(lambda x: x * x)

    @f.defjvp
    def rule(primals, tangents):
        return f(*primals), tangents[0] * n[0]

    return tg.grad(lambda x: f(x).sum()), lambda: n.append(2), "'n') was 1, is 2"


@row
def _rules_by_argument_of_a_custom_jvp():
    n = [1]
    f = tg.custom_jvp(lambda x, y: x * y)
    f.defjvps(None, lambda t, ans, x, y: t * n[0])
    return lambda x: f(x, x), lambda: n.append(2), "'n') was 1, is 2"


def _taught(define, rule, change, sentence):
    f = tg.primitive(lambda x: x * x)
    define(f, rule)
    return lambda x: f(x), lambda: change(f), sentence


@row
def _rule_of_a_primitive():
    n = [1]
    rule = lambda ans, x: lambda g: g * n[0]  # noqa: E731
    return _taught(tg.defvjp, rule, lambda f: n.append(2), "'n') was 1, is 2")


@row
def _forward_rule_of_a_primitive():
    n = [1]
    rule = lambda t, ans, x: t * n[0]  # noqa: E731
    return _taught(tg.defjvp, rule, lambda f: n.append(2), "'n') was 1, is 2")


@row
def _rule_given_anew():
    define = lambda f: tg.defvjp(f, lambda ans, x: lambda g: g * 2)  # noqa: E731
    return _taught(tg.defvjp, lambda ans, x: lambda g: g, define, "'f'.vjps[0] was")


@row
def _rule_of_the_other_mode_given_later():
    define = lambda f: tg.defjvp(f, lambda t, ans, x: t * 2)  # noqa: E731
    return _taught(tg.defvjp, lambda ans, x: lambda g: g, define, "'f'.jvps")


@row
def _rules_of_a_custom_vjp_given_anew():
    f = tg.custom_vjp(lambda x: x * x)
    f.defvjp(lambda x: (x, x), lambda r, ct: (ct,))
    change = lambda: f.defvjp(lambda x: (x, x), lambda r, ct: (ct * 2,))  # noqa: E731
    return lambda x: f(x), change, "'f'.fwd was"


# --- what is nobody's business


@row
def _function_made_again():
    def make(n):
        return lambda x: x * n

    act = make(1)

    def change():
        nonlocal act
        act = make(1)

    return lambda x: act(x), change, None
