"""Training on a graphics card, or on what stands in for one, in a process of its own."""

import subprocess
import sys
from pathlib import Path


def test_what_trains_on_a_card():
    here = Path(__file__).parent
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(here / "card")]
    done = subprocess.run(words, cwd=here.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
