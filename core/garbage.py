"""Python's cyclic garbage, collected on our own time instead of with every page.

Streamlit ends every run of a page, or of a live part, with a full collection, which looks at every object
that is not frozen: 60 to 80 ms with all libraries loaded, and up to 0.3 ms more for each open session.
"""

import gc
import threading
from types import TracebackType
from typing import Self

LOOK_SECONDS = 5.0
# Fewer objects than these are looked at in a millisecond.
WORTH_SETTLING = 5_000
# What died frozen is freed after this many looks, however little was made since: five minutes.
LEAST_OFTEN = 60


def settle() -> None:
    """Collect what is garbage, and freeze what is not: until the next time nobody looks at it again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


class Settling:
    """Settles at once, and again when much was made or much time went by; use as a context manager."""

    def __init__(self, look_seconds: float = LOOK_SECONDS) -> None:
        """Start nothing yet."""
        self._look_seconds = look_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._settle_again, name="garbage", daemon=True)

    def __enter__(self) -> Self:
        settle()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Settle no more, and let the collector see everything again."""
        self._over.set()
        self._thread.join()
        gc.unfreeze()

    def _settle_again(self) -> None:
        looks = 0
        while not self._over.wait(self._look_seconds):
            looks += 1
            if looks == LEAST_OFTEN or len(gc.get_objects()) > WORTH_SETTLING:
                settle()
                looks = 0
