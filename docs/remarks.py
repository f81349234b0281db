"""What do the docstrings below a class's fields say? Python throws them away, so they are read from the source."""

from __future__ import annotations

import ast
import inspect
import textwrap


def remarks(cls: type) -> dict[str, str]:
    """Return the remark of each of a class's own fields that has one, on one line."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case (ast.AnnAssign(target=ast.Name(name)), ast.Expr(value=ast.Constant(value=str(text)))):
                found[name] = " ".join(text.split())
    return found
