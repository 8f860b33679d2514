"""That the suite keeps its windows apart: they share a screen, its focus and its keyboard."""

from __future__ import annotations

import pytest


def test_all_windows_belong_to_one_worker(request):
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("one worker only, or one that is not told to group (make test is)")
    assert request.node.nodeid.endswith("@windows")
