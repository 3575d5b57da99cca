"""What guards look at in layers and optimizers: all that counts, but for the numbers that recorded
steps read anew at each call."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.recording import is_number
from ..nn.module import Module
from ..optim.optimizer import Optimizer
from .checks import pairs
from .found import Found
from .look import SCALARS, look_at
from .reads import Known

# Attributes of an optimizer that show its numbers.
SHOW_GROUPS = ("param_groups", "state_dict", "hyper")


class Nets(Found):
    """The part of a Walk (walk.py) that is about nn and optim."""

    _known: Known
    _item: Any
    _visit: Any
    _class: Any
    _slots: Any
    _bind_methods: Any
    _sequence: Any

    def _module(self, path: str, module: Module) -> None:
        found, look = vars(module), look_at(type(module))
        self.modules.append((module, type(module), pairs(found)))
        if look.bases:
            self._bind_methods(module)
        self.values.append((f"the class of {path}", type(module)))
        # A layer of ours reads whatever it has; of a user's class what its code names counts,
        # and whatever parameters(), modules() and the like would find.
        ours, known, live = look.is_ours, self._known, module._live
        every, read = ours or known.sees_all, known.names_of(found)
        for name, value in list(found.items()):
            where = f"{path}.{name}"
            if name in live and is_number(value):
                self.live.append((where, value))
                if name in module._zero_counts:
                    self.values.append((f"{where} != 0", bool(value)))
                if known.sees_all or name in known.loose or (id(module), name) in known.read:
                    self._item(where, found, name)
            elif type(value) not in SCALARS:
                if name != "_buffers":
                    self._visit(where, value)
            elif every or name in read:
                known.hear(value)
                self.settings.append((found, name, where, value))
                self.values.append((where, value))
        if "training" not in found and (ours or "training" in known.names):
            where, value = f"{path}.training", module.training
            self.settings.append((found, "training", where, value))
            self.values.append((where, value))
        if look.bases:
            self._slots(path, module)
            self._class(type(module), constructs=False)

    def _optimizer(self, path: str, optimizer: Optimizer) -> None:
        """Structure and flags of its groups; of their numbers only those user code reads."""
        known, groups, found = self._known, optimizer.param_groups, vars(optimizer)
        reads_all = known.sees_all or any(
            name in known.loose or (id(optimizer), name) in known.read for name in SHOW_GROUPS
        )
        self.rows.append((found, "param_groups", groups, "item"))
        self.rows.append((groups, None, tuple(groups), "list"))
        self.values.append((f"len({path}.param_groups)", len(groups)))
        for i, group in enumerate(groups):
            self.groups.append((group, pairs(group)))
            for name, value in list(group.items()):
                where = f"{path}.param_groups[{i}][{name!r}]"
                if name == "params" and isinstance(value, (list, tuple)):
                    # of a list the next step makes a tuple, which is no change
                    self.rows.append((group, name, value, "item"))
                    self._sequence(where, value)
                    continue
                if _is_live(value):
                    self.live.append((where, value))
                    read = name in known.loose or (id(optimizer), name) in known.read
                    if not (reads_all or read):
                        continue
                self._item(where, group, name)
        self._bind_methods(optimizer)
        for name in self.names_in(found, known.names_of(found)):
            if name not in ("param_groups", "_slots"):
                self._item(f"{path}.{name}", found, name)
        self._class(type(optimizer), constructs=False)


def _is_live(value: Any) -> bool:
    """Numbers, and pairs of them as Adam's betas; flags choose between programs."""
    return isinstance(value, (int, float, tuple, np.number)) and not isinstance(value, bool)
