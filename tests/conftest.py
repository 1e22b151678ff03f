"""What every test needs: a home of its own for what mlcycle keeps about the user."""

from __future__ import annotations

import os
import tempfile

import pytest

# Set for all processes that tests start, too: no test reads or writes what the user's own mlcycle has noted.
_state = tempfile.TemporaryDirectory(prefix="mlcycle-tests-state-")
os.environ["XDG_STATE_HOME"] = _state.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers, let one have what is set up once: a file's tests, and all that look at the played demo."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        # Tests of whole stories take half a minute each, and a file of them would keep one worker busy at the end.
        by_itself = item.path.parent.name == "e2e"
        group = "played" if "played" in fixtures else item.nodeid if by_itself else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
