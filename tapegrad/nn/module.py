"""Module: a tree of parameters, buffers and submodules with a forward function.

Parameters, buffers and submodules are plain attributes: reading one costs a dictionary lookup,
and nothing is registered. Whatever asks for them (parameters(), state_dict(), repr) walks the
attributes, and the lists, tuples and dicts in them, in the order they were set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, NamedTuple

import numpy as np

from .. import changes
from ..engine.recording import is_number
from ..errors import StateDictError
from ..parameter import Parameter
from ..tensor import Tensor, asarray


class Keys(NamedTuple):
    """What load_state_dict(strict=False) left alone."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of every layer and network: define `forward`, set parameters and modules as attributes.

    Unlike PyTorch's, a module needs no super().__init__(), and modules in a plain list, tuple or
    dict attribute are found too, under the names ModuleList and ModuleDict would give them.
    """

    training = True
    # Numbers that recorded steps read anew at each call; of some whether they are zero is guarded.
    _live: frozenset[str] = frozenset()
    _zero_counts: frozenset[str] = frozenset()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What a call computes: each module defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # tapegrad's own layers say `__call__ = forward`, which saves 0.2 us a call; a class
        # derived from one goes through Module.__call__, so that its own forward is found.
        parent: Any = super(cls, cls)
        if cls.__call__ is parent.forward:
            cls.__call__ = Module.__call__  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "forward" and type(self).__call__ is type(self).forward:
            raise AttributeError(
                f"{type(self).__name__} calls its class's forward, so that a forward set on the "
                f"instance would not be called; derive a class from {type(self).__name__} instead"
            )
        old = self.__dict__.get(name, changes)  # no module has that as an attribute
        if isinstance(old, Parameter) and not (value is None or isinstance(value, Parameter)):
            raise TypeError(
                f"{type(self).__name__}.{name} is a Parameter, and {type(value).__name__} would "
                f"take its place; write its values by .{name}.assign(value), or set a "
                "tapegrad.parameter(value). (m.weight -= x makes a Tensor: m.weight.data -= x)"
            )
        object.__setattr__(self, name, value)
        if old is not value and not (name in self._live and self._are_alike(name, old, value)):
            changes.config[0] += 1

    def _are_alike(self, name: str, a: Any, b: Any) -> bool:
        """Whether a program recorded with one value of a live number is right for another."""
        both = is_number(a) and is_number(b)
        return both and (name not in self._zero_counts or bool(a) == bool(b))

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        changes.config[0] += 1

    # --- the tree

    def _members(self) -> Iterator[tuple[str, Any]]:
        """(name, parameter, buffer or module) of this module alone, in the order they were set."""
        for name, value in vars(self).items():
            if name != "_buffers":
                yield from _leaves(name, value)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules one level down; one that occurs twice is given once."""
        seen: set[int] = set()
        for name, value in self._members():
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules one level down."""
        return (module for _, module in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module, named prefix, and all below; each once."""
        seen: set[int] = set()
        for name, module in self._walk(prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def _walk(self, prefix: str, above: tuple[Module, ...] = ()) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module and all below, each as often as it occurs; but a module
        does not lie below itself."""
        yield prefix, self
        above = (*above, self)
        for name, value in self._members():
            if isinstance(value, Module) and not any(value is module for module in above):
                yield from value._walk(f"{prefix}.{name}" if prefix else name, above)

    def _bottom_up(self, above: tuple[Module, ...]) -> Iterator[Module]:
        above = (*above, self)
        for child in self.children():
            if not any(child is module for module in above):
                yield from child._bottom_up(above)
        yield self

    def _own(self, kind: str) -> Iterator[tuple[str, Tensor]]:
        """(name, Tensor) of this module's own "parameters", "buffers" or saved "state"."""
        buffers = vars(self).get("_buffers", {})
        if kind != "buffers":
            for name, value in self._members():
                if isinstance(value, Parameter) and name not in buffers:
                    yield name, value
        if kind != "parameters":
            for name, persistent in buffers.items():
                value = getattr(self, name)
                if value is not None and (persistent or kind == "buffers"):
                    yield name, value

    def _all(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        for path, module in self._walk(prefix):
            for name, value in module._own(kind):
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """(dotted name, Parameter) of this module and all below; a shared one is given once."""
        return _once(self._all("parameters", prefix))

    def parameters(self) -> Iterator[Parameter]:
        """The Parameters of this module and all below; a shared one is given once."""
        return (p for _, p in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """(dotted name, Tensor) of the buffers of this module and all below."""
        return _once(self._all("buffers", prefix))

    def buffers(self) -> Iterator[Tensor]:
        """The buffers of this module and all below."""
        return (b for _, b in self.named_buffers())

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Make attribute `name` a buffer: a Tensor that is state but not trained.

        Args:
            value: array, Tensor or None.
            persistent: part of state_dict().
        """
        vars(self).setdefault("_buffers", {})[name] = persistent
        setattr(self, name, None if value is None else asarray(value))

    # --- state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and persistent buffers by dotted name, PyTorch's names."""
        return {name: np.array(value.numpy()) for name, value in self._all("state")}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Keys:
        """Write the arrays of state_dict into the parameters and buffers of those names.

        Args:
            state_dict: name to array (anything np.asarray takes), cast to each one's dtype.
            strict: refuse missing and unexpected names.
        Returns:
            (missing_keys, unexpected_keys); both are empty if strict.
        Raises:
            StateDictError: naming everything that does not fit. Nothing has been written then.
        """
        if not isinstance(state_dict, Mapping):
            raise StateDictError(
                f"load_state_dict of {type(self).__name__}: need a dict of names to arrays, got "
                f"{type(state_dict).__name__}"
            )
        own = dict(self._all("state"))
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        wrong = []
        if strict and missing:
            wrong.append(f"missing: {', '.join(missing)}")
        if strict and unexpected:
            wrong.append(f"unexpected: {', '.join(unexpected)}")
        arrays = {}
        for name, target in own.items():
            if name not in state_dict:
                continue
            array = np.asarray(state_dict[name])
            if array.shape != target.shape:
                wrong.append(f"{name}: shape {array.shape}, this module's is {target.shape}")
            elif not np.can_cast(array.dtype, target.dtype, "same_kind"):
                wrong.append(f"{name}: dtype {array.dtype} cannot become {target.dtype}")
            else:
                arrays[name] = array.astype(target.dtype)
        if wrong:
            raise StateDictError(
                f"load_state_dict of {type(self).__name__}: " + "; ".join(wrong) + ". "
                "Nothing was loaded. strict=False skips missing and unexpected names"
            )
        for path, module in self._walk(""):
            for name, target in module._own("state"):
                loaded = arrays.get(f"{path}.{name}" if path else name)
                if loaded is None:
                    continue
                if isinstance(target, Parameter):
                    target.assign(loaded)
                else:
                    setattr(module, name, asarray(loaded))
        return Keys(missing, unexpected)

    # --- all at once

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call fn on every module below and then on this one; returns self."""
        for module in self._bottom_up(()):
            fn(module)
        return self

    def train(self, mode: bool = True) -> Module:
        """Put this module and all below into training mode; returns self."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Put this module and all below into evaluation mode; returns self."""
        return self.train(False)

    def requires_grad_(self, on: bool = True) -> Module:
        """Have tapes watch, or not watch, every parameter; returns self."""
        for p in self.parameters():
            p.requires_grad = on
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear every parameter's `.grad`: to None, or to zeros."""
        for p in self.parameters():
            clear_grad(p, set_to_none)

    # --- text

    def extra_repr(self) -> str:
        """What repr says between this module's own parentheses."""
        return ""

    @recursive_repr("(...)")
    def __repr__(self) -> str:
        lines = [self.extra_repr()] if self.extra_repr() else []
        children = [
            f"({name}): " + repr(value).replace("\n", "\n  ")
            for name, value in self._members()
            if isinstance(value, Module)
        ]
        if not children:
            return f"{type(self).__name__}({''.join(lines)})"
        body = "\n  ".join(lines + children)
        return f"{type(self).__name__}(\n  {body}\n)"


def clear_grad(p: Tensor, set_to_none: bool) -> None:
    """Set a parameter's `.grad` to None, or to zeros if it has one."""
    if set_to_none:
        p.grad = None
    elif p.grad is not None:
        p.grad = np.zeros(p.shape, p.dtype)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of a parameter or module, or of those in a list, tuple or dict."""
    if isinstance(value, (Parameter, Module)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _leaves(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(f"{name}.{key}", item)


def _once(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
