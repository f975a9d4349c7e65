"""What can be told about a Python snippet without running it."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect

import tenfold


def check_imports(tree):
    """Fail where a name that is imported from tenfold does not exist."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "tenfold":
            module = importlib.import_module(node.module)
            assert [a.name for a in node.names if not hasattr(module, a.name)] == []


def check_calls(tree):
    """Fail where ``tenfold.name(...)`` does not exist or does not take these arguments."""
    for name, call in calls_of(tree):
        keywords = {keyword.arg: None for keyword in call.keywords}
        inspect.signature(getattr(tenfold, name)).bind(*call.args, **keywords)


def calls_of(tree):
    """``(name, call)`` for every ``tenfold.name(...)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "tenfold":
                yield node.func.attr, node


def free_names(tree):
    """Names that a snippet reads and neither binds nor imports."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    bound = {name.id for name in names if not isinstance(name.ctx, ast.Load)}
    return {name.id for name in names} - bound - imported_names(tree) - set(dir(builtins))


def imported_names(tree):
    """Names that import statements bind."""
    statements = [n for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom))]
    aliases = [alias for statement in statements for alias in statement.names]
    return {alias.asname or alias.name.split(".")[0] for alias in aliases}
