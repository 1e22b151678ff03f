"""What every test needs: a home of its own for what mlcycle keeps about the user."""

from __future__ import annotations

import os
import tempfile

# Set for all processes that tests start, too: no test reads or writes what the user's own mlcycle has noted.
_state = tempfile.TemporaryDirectory(prefix="mlcycle-tests-state-")
os.environ["XDG_STATE_HOME"] = _state.name
