"""`python -m core VERB`."""

import gc
import sys

# What loading makes stays as long as the process: no collection need look at it, then or later.
gc.disable()
from core.cli import main  # noqa: E402 (loaded without collections)

gc.freeze()
gc.enable()
sys.exit(main(sys.argv[1:]))
