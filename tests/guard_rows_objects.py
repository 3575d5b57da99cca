"""Rows: plain data changes: attributes of objects, namespaces and classes."""

import functools
import types
from contextvars import ContextVar

from guard_rows import Config, Thing, row, setting


class Slotted:
    __slots__ = ("rate",)

    def __init__(self):
        self.rate = 0.5


@row
def _dataclass():
    config = Config()
    return lambda x: config.depth, setting(config, "depth", 3), ".depth was 2, is 3"


@row
def _dataclass_list():
    config = Config()
    return lambda x: config, lambda: config.inner[1].append(4), ".inner[1]) was 2, is 3"


@row
def _namespace():
    config = types.SimpleNamespace(model=types.SimpleNamespace(depth=2))
    change = setting(config.model, "depth", 3)
    return lambda x: config.model.depth, change, "'config'.model.depth was 2, is 3"


@row
def _namespace_by_string():
    config = types.SimpleNamespace(depth=2)
    return lambda x: getattr(config, "depth", 1), setting(config, "depth", 3), "was 2, is 3"


@row
def _namespace_by_a_string_of_its_own():
    config, name = types.SimpleNamespace(depth=2), "depth"
    return lambda x: getattr(config, name), setting(config, "depth", 3), "was 2, is 3"


@row
def _namespace_by_a_list_of_strings():
    config = types.SimpleNamespace(names=["depth"], depth=2)

    def step(x):
        return [getattr(config, name) for name in config.names]

    return step, setting(config, "depth", 3), "was 2, is 3"


@row
def _namespace_by_formatted_strings():
    config = types.SimpleNamespace(w0=2, w1=2)

    def step(x):
        return [getattr(config, f"w{i}") for i in range(2)]

    return step, setting(config, "w1", 3), "'config'.w1 was 2, is 3"


def by_name(step):
    config = types.SimpleNamespace(w_1=2, w_2=2)
    return lambda x: step(config, 1), setting(config, "w_1", 3), "w_1 was 2, is 3"


for _name, _step in {
    "added": lambda config, i: getattr(config, "w_" + str(i)),
    "added_before": lambda config, i: getattr(config, ("w" if i else "v") + "_1"),
    "of_percent": lambda config, i: getattr(config, "w_%d" % i),  # noqa: UP031
    "of_percent_at_the_end": lambda config, i: getattr(config, "%s_1" % "vw"[i]),  # noqa: UP031
    "formatted_by_a_method": lambda config, i: getattr(config, "w_{}".format(i)),  # noqa: UP032
    "joined": lambda config, i: getattr(config, "_".join(["w", str(i)])),
}.items():
    row(functools.partial(by_name, _step), f"namespace_by_strings_{_name}")


@row
def _slot_and_class_attribute_by_formatted_strings():
    class Rates(Slotted):
        rate_of_class = 1

    rates, kind = Rates(), "of_class"
    change = setting(Rates, "rate_of_class", 2)
    return lambda x: getattr(rates, f"rate_{kind}"), change, "rate_of_class was 1, is 2"


@row
def _context_variable():
    rate = ContextVar("rate", default=1)
    return lambda x: x * rate.get(), lambda: rate.set(2), "'rate'.get() was 1, is 2"


@row
def _namespace_whole():
    config = types.SimpleNamespace(depth=2)
    return lambda x: sum(vars(config).values()), setting(config, "depth", 3), "was 2, is 3"


@row
def _new_attribute_shadows_the_class():
    thing = Thing()
    return thing.step, setting(thing, "scale", 3.0), ".scale is new: 3.0"


@row
def _slots():
    thing = Slotted()
    return lambda x: thing.rate, setting(thing, "rate", 0.6), ".rate was 0.5, is 0.6"


@row
def _bound_method():
    thing = Thing()
    return thing.step, setting(thing, "base_rate", 3.0), "base_rate is new: 3.0"


@row
def _through_a_property():
    thing = Thing()
    return lambda x: x * thing.width, setting(thing, "hidden", 7), ".hidden was 3, is 7"


@row
def _callable_object():
    thing = Thing()
    return thing, setting(thing, "factor", 7), ".factor was 4, is 7"


@row
def _through_an_alias():
    thing = Thing()
    return thing.indirect, lambda: thing.parts["a"].append(2), ".parts['a']) was 1, is 2"


@row
def _class_attribute():
    class Local(Thing):
        scale = 1.0

    return Local().step, setting(Local, "scale", 2.0), "Local.scale was 1.0, is 2.0"


@row
def _class_as_a_namespace():
    class Settings:
        depth = 1

    return lambda x: x * Settings.depth, setting(Settings, "depth", 2), "was 1, is 2"


@row
def _object_replaced_in_a_list():
    things = [Thing()]

    def step(x):
        return [x * thing.factor for thing in things]

    return step, lambda: things.__setitem__(0, object()), "'things'[0] was"


@row
def _attribute_of_objects_in_a_list():
    things = [Thing(), Thing()]

    def step(x):
        return [x * thing.factor for thing in things]

    return step, setting(things[1], "factor", 8), "'things'[1].factor was 4, is 8"


@row
def _unread_attribute():
    thing = Thing()
    return thing.step, setting(thing, "unread", 6), None


@row
def _unread_new_attribute():
    thing = Thing()
    return thing.step, setting(thing, "brand_new", 6), None


@row
def _equal_dataclass():
    config = Config()

    def change():
        nonlocal config
        config = Config()

    return lambda x: config.depth, change, None


@row
def _attributes_replaced():
    thing = Thing()
    change = setting(thing, "__dict__", vars(thing) | {"scale": 3.0})
    return thing.step, change, ".scale is new: 3.0"
