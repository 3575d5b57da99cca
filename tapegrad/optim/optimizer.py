"""Optimizer: parameter groups with hyper-parameters and state; a step is one engine call a group.

A rule (sgd.py, adam.py) says which state a parameter has and which numbers an update reads; the
arithmetic is in engine/numpy_optim.py, the specification, and csrc/optim.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import is_
from typing import Any

import numpy as np

from ..engine import select
from ..engine.recording import here, is_number
from ..errors import StateDictError
from ..nn.module import clear_grad
from ..parameter import Parameter
from ..tensor import Tensor, tensor


class Slots:
    """The parameters of one group with their state, laid out as an engine reads them."""

    __slots__ = ("params", "hyper", "given", "states", "steps", "native", "owner", "group")

    def __init__(
        self,
        params: tuple[Parameter, ...],
        given: tuple,
        states: dict[str, list[Tensor]],
        steps: np.ndarray,
    ):
        self.params = params
        self.read(given)
        self.states = states  # name: one Tensor a parameter
        self.steps = steps  # updates each parameter has had, int64; engines count
        self.native: Any = None  # the native engine's pointers, made at first use
        self.owner: Any = None  # the optimizer, and the number of its group
        self.group = 0

    def read(self, given: tuple) -> None:
        """Take these numbers for the next updates."""
        self.given = given
        self.hyper = tuple(map(float, given))  # a new object when they change

    def read_anew(self) -> None:
        """Take the numbers that the group has now."""
        self.read(self.owner._hyper(self.owner.param_groups[self.group]))

    def is_like(self, other: Slots) -> bool:
        """Whether both are of the same parameters, with states of the same names."""
        return self.params is other.params and self.states.keys() == other.states.keys()

    def take(self, other: Slots) -> None:
        """Become equal to another one that is like it."""
        engine = select.engine()
        for mine, theirs in zip(self.states.values(), other.states.values()):
            for state, value in zip(mine, theirs):
                engine.assign(engine.adopt(state), value)
        self.steps[...] = other.steps
        self.read(other.given)

    def __reduce__(self) -> tuple:
        return Slots, (self.params, self.given, self.states, self.steps)


class Optimizer:
    """Base of the optimizers.

    Args:
        params: Parameters, or dicts {"params": Parameters, name: value, ...} that override
            defaults for a group.
        defaults: hyper-parameters by name; every one is read from its group at each step.
    Attributes:
        param_groups: list of dicts, as PyTorch's; their "params" are tuples.
    Raises:
        TypeError, ValueError: for no parameters, a parameter given twice, values out of range.
    """

    kind = ""  # the rule's name in the engines
    states: tuple[str, ...] = ()  # names of the arrays it may keep for a parameter, in its order

    def __init__(self, params: Iterable, defaults: dict[str, Any]):
        if isinstance(params, Tensor):
            raise TypeError("params: give a list of Parameters, not one; write [parameter]")
        try:
            groups = list(params)
        except TypeError:
            raise TypeError(
                f"params: give Parameters, model.parameters() for example; got "
                f"{type(params).__name__}"
            ) from None
        if not groups:
            raise ValueError("params: the optimizer got an empty parameter list")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._slots: list[Slots | None] = []
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # --- what a rule defines

    def _check(self, group: dict[str, Any]) -> None:
        """Raise ValueError for hyper-parameters out of range."""
        raise NotImplementedError

    def _n_states(self, group: dict[str, Any]) -> int:
        """How many of `states`, the first ones, an update reads. What a group has it keeps, as
        PyTorch does: for a momentum that is 0 for a while."""
        raise NotImplementedError

    def _hyper(self, group: dict[str, Any]) -> tuple:
        """The numbers an update reads, in the order of the engines' rule."""
        raise NotImplementedError

    # --- groups

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add parameters with their own hyper-parameters.

        Args:
            param_group: {"params": Parameter or Parameters, name: value, ...}; the defaults
                fill in the rest.
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise TypeError("a parameter group is a dict with the key 'params'")
        unknown = set(param_group) - set(self.defaults) - {"params"}
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no {', '.join(sorted(unknown))}; "
                f"it has {', '.join(self.defaults)}"
            )
        params = param_group["params"]
        params = (params,) if isinstance(params, Tensor) else tuple(params)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Parameter):
                raise TypeError(
                    f"params: an optimizer writes Parameters, got {type(p).__name__}; "
                    "make one with tapegrad.parameter(data)"
                )
            if id(p) in known:
                raise ValueError("params: a parameter is given more than once")
            known.add(id(p))
        group = {"params": params, **self.defaults, **param_group}
        group["params"] = params
        self._check(group)
        self.param_groups.append(group)
        self._slots.append(None)

    @property
    def lr(self) -> float:
        """The learning rate of all groups; assigning writes it into every group.

        Raises:
            ValueError: when read while groups have different ones.
        """
        rates = [group["lr"] for group in self.param_groups]
        if any(rate != rates[0] for rate in rates):
            raise ValueError(f"the groups' learning rates are {rates}; read param_groups[i]['lr']")
        return rates[0]

    @lr.setter
    def lr(self, value: float) -> None:
        check_range("lr", value, low=0.0)
        for group in self.param_groups:
            group["lr"] = value

    # --- steps

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a `.grad`; the others are left alone.

        Args:
            closure: computes the loss and the gradients; called first.
        Returns:
            What closure returned.
        """
        loss = None if closure is None else closure()
        update = select.engine().optimizer_step
        for i, group in enumerate(self.param_groups):
            slots = self._slots[i]
            given = self._hyper(group)
            if (
                slots is None
                or slots.params is not group["params"]
                # equal is not enough: 0.02 == np.float32(0.02)
                or not all(map(is_, slots.given, given))
            ):
                slots = self._lay_out(i, group)
            slots.owner, slots.group = self, i
            update(self.kind, slots)
        return loss

    def hyper(self, group: int) -> tuple:
        """The numbers an update of that group reads now; a replayed step asks before it runs."""
        return tuple(map(float, self._hyper(self.param_groups[group])))

    def is_laid_out(self, group: int, slots: Slots) -> bool:
        """Whether a group's parameters and state still are those of slots, its numbers in range."""
        if group >= len(self._slots) or self._slots[group] is not slots:
            return False
        current = self.param_groups[group]
        try:
            self._check(current)
            n = self._n_states(current)
        except (TypeError, ValueError, LookupError):
            return False  # step() says what is wrong
        return slots.params is current["params"] and len(slots.states) >= n

    def keeps_alike(self, group: dict[str, Any], other: dict[str, Any]) -> bool:
        """Whether a group, and another that may be out of range, need the same states."""
        try:
            self._check(other)
            return self._n_states(group) == self._n_states(other)
        except (TypeError, ValueError, LookupError):
            return False

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear every parameter's `.grad`: to None, or to zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none and p._node is None:
                    p._grad = None  # as p.grad = None, in a third of the time
                else:
                    clear_grad(p, set_to_none)

    def _lay_out(self, i: int, group: dict[str, Any]) -> Slots:
        """The Slots of a group that is new or has changed; state is carried over."""
        old = self._slots[i]
        self._check(group)  # it may have been written since
        given = self._hyper(group)
        if old is not None and self.is_laid_out(i, old):
            old.read(given)
            return old
        n = max(self._n_states(group), len(old.states) if old else 0)
        params = group["params"] = tuple(group["params"])
        known = self._state_of(old)
        states: dict[str, list[Tensor]] = {name: [] for name in self.states[:n]}
        steps = np.zeros(len(params), np.int64)
        for k, p in enumerate(params):
            own = known.get(id(p), {"step": 0})
            steps[k] = own["step"]
            for name, tensors in states.items():
                tensors.append(own[name] if name in own else tensor(np.zeros(p.shape, p.dtype)))
        slots = self._slots[i] = Slots(params, given, states, steps)
        return slots

    @staticmethod
    def _state_of(slots: Slots | None) -> dict[int, dict[str, Any]]:
        """By parameter id: its step count and state Tensors."""
        if slots is None:
            return {}
        return {
            id(p): {"step": int(slots.steps[k])}
            | {name: tensors[k] for name, tensors in slots.states.items()}
            for k, p in enumerate(slots.params)
        }

    # --- state

    def state_dict(self) -> dict[str, Any]:
        """A picklable copy of everything: PyTorch's layout, arrays as ndarrays.

        Returns:
            {"state": {parameter's number: {"step": int, name: ndarray}}, "param_groups":
            [{name: value, "params": [numbers]}]}; parameters are numbered through all groups.
        """
        state: dict[int, dict[str, Any]] = {}
        groups = []
        number = 0
        for group, slots in zip(self.param_groups, self._slots):
            known = self._state_of(slots)
            numbers = []
            for p in group["params"]:
                own = known.get(id(p))
                if own is not None and own["step"]:
                    state[number] = {
                        name: np.array(value.numpy()) if isinstance(value, Tensor) else value
                        for name, value in own.items()
                    }
                numbers.append(number)
                number += 1
            groups.append({**group, "params": numbers})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over hyper-parameters, step counts and state from state_dict().

        Raises:
            StateDictError: if groups, parameters or shapes do not fit. Nothing has changed then.
        """
        if not isinstance(state_dict, Mapping) or not {"param_groups", "state"} <= set(state_dict):
            raise StateDictError(
                "load_state_dict: need what state_dict() gives, a dict with 'state' and "
                f"'param_groups'; got {type(state_dict).__name__}"
            )
        given, state = state_dict["param_groups"], state_dict["state"]
        ours = [len(group["params"]) for group in self.param_groups]
        theirs = [len(group["params"]) for group in given]
        if ours != theirs:
            raise StateDictError(
                f"load_state_dict: the state has groups of {theirs} parameters, this optimizer "
                f"of {ours}; make it over the same parameters in the same order"
            )
        groups, loaded = [], []
        for group, new, old in zip(self.param_groups, given, self._slots):
            group = {**group, **{name: new[name] for name in self.defaults if name in new}}
            self._check(group)
            groups.append(group)
            found = [state.get(k, {}) for k in new["params"]]
            loaded.append(self._load_slots(group, found, len(old.states) if old else 0))
        for group, new in zip(self.param_groups, groups):
            group.update(new)
        for i, (old, slots) in enumerate(zip(self._slots, loaded)):
            # programs read the slots that they were recorded with; a load inside of a step, which
            # they would not repeat, must show as others
            if here.recorder is None and old is not None and old.is_like(slots):
                old.take(slots)
            else:
                self._slots[i] = slots

    def _load_slots(self, group: dict[str, Any], found: list[Mapping[str, Any]], n: int) -> Slots:
        """The state that was found for each parameter; n: how many states it has at least."""
        params, needed = group["params"], self._n_states(group)
        there = [any(own.get(name) is not None for own in found) for name in self.states]
        while n < len(there) and (n < needed or there[n]):
            n += 1
        states: dict[str, list[Tensor]] = {}
        for k, name in enumerate(self.states[:n]):
            states[name] = []
            for p, own in zip(params, found):
                array = np.zeros(p.shape, p.dtype)
                value = own.get(name)
                if value is not None or (own and k < needed):
                    if value is None or np.shape(value) != p.shape:
                        got = "nothing" if value is None else np.shape(value)
                        raise StateDictError(f"load_state_dict: {name} needs {p.shape}, got {got}")
                    array[...] = value
                states[name].append(tensor(array))
        # PyTorch's SGD keeps a buffer and no count: it has stepped.
        steps = np.array([int(own.get("step", bool(own))) for own in found], np.int64)
        return Slots(params, self._hyper(group), states, steps)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(self.defaults)]
        return "\n".join(lines + [")"])


def check_range(name: str, value: Any, low: float, below: float = np.inf) -> None:
    """Raise ValueError unless low <= value < below."""
    if not is_number(value) or not low <= value < below:
        limit = f"at least {low:g}" + ("" if below == np.inf else f" and below {below:g}")
        if isinstance(value, Tensor):  # whose repr() no compiled step may read
            raise ValueError(
                f"{name} is a Tensor: it must be a finite number, {limit}, set outside of a "
                "compiled step"
            )
        raise ValueError(f"{name}={value!r}: it must be a finite number, {limit}")
