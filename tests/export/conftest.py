"""The smallest U-Nets, and data that they could have learned from."""

from __future__ import annotations

import pytest
from tests.registry.conftest import another, bundle

__all__ = ["another", "bundle"]


@pytest.fixture
def onnx_file(tmp_path):
    """Where a file is to be written; nothing else lies there."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "model.onnx"
