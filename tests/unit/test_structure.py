"""Files and classes stay small enough to be read at once."""

from __future__ import annotations

import ast

import pytest

from dev.environments import ROOT

MODULES = sorted((ROOT / "tap_croct").rglob("*.py"))
LONGEST_CLASS = 180
LONGEST_MODULE = 300


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_or_class_is_too_long(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    if not str(path).endswith("schemas.py"):
        assert len(text.splitlines()) <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < LONGEST_CLASS, node.name
