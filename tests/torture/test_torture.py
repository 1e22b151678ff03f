"""Everybody works on one workspace while somebody is killed again and again: nothing acknowledged is lost or doubled.

`make torture` kills 100 times; MLCYCLE_KILLS and MLCYCLE_TORTURE_SEED say how often, and whom.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import SystemRandom

import pytest
from tests.torture.runner import Torture
from tests.torture.verify import problems


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_processes_are_killed_at_random(tmp_path: Path) -> None:
    kills = int(os.environ.get("MLCYCLE_KILLS", "10"))
    seed = int(os.environ.get("MLCYCLE_TORTURE_SEED") or SystemRandom().randrange(1 << 30))
    print(f"MLCYCLE_KILLS={kills} MLCYCLE_TORTURE_SEED={seed} in {tmp_path}")
    torture = Torture(tmp_path, seed)
    torture.run(kills)
    found = problems(torture)
    said = Counter(line.split()[0] for child in torture.children if not child.words for line in child.said)
    killed = Counter(child.words or child.role for child in torture.children if child.killed)
    print(f"acknowledged: {dict(said)}\nkilled: {dict(killed)}")
    assert not found, "\n".join(found)
