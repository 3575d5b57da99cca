"""What type checkers are told of Tensor is what it has."""

import ast
import inspect
from importlib import resources

import pytest

import tapegrad as tg
from tapegrad.ops.methods import METHODS

(STUB,) = [
    node
    for node in ast.parse((resources.files(tg) / "_attached.pyi").read_text()).body
    if isinstance(node, ast.ClassDef)
]
DECLARED = {node.name: node for node in STUB.body if isinstance(node, ast.FunctionDef)}


def described(arguments):
    """Each argument as text, its default included, without annotations; self is left out."""
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(arguments).partition(", ")[2]


@pytest.mark.parametrize("name", DECLARED)
def test_a_declared_attribute_is_there_with_its_arguments(name):
    attribute = inspect.getattr_static(tg.Tensor, name)
    is_property = isinstance(attribute, property) or inspect.isdatadescriptor(attribute)
    assert is_property == bool(DECLARED[name].decorator_list)
    if inspect.isfunction(METHODS.get(name)):
        found = ast.parse(f"def f{inspect.signature(METHODS[name])}: ...").body[0]
        assert described(found.args) == described(DECLARED[name].args)


@pytest.mark.parametrize("name", METHODS)
def test_every_attached_method_is_declared(name):
    assert name in DECLARED
