"""Ctrl-C and SIGTERM: asked to stop, a study saves its trials in progress first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interruption:
    """Which signal asked the study to stop, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def leave(self, is_saved: bool = True) -> None:
        """Ends the process as the signal would have, and says whether the study is on disk."""
        if self.signal == signal.SIGINT:
            kept = (
                "saved; the same call continues from here"
                if is_saved
                else "interrupted; nothing is kept without a directory"
            )
            raise KeyboardInterrupt(f"train_many: {kept}")
        if self.signal is not None:
            raise SystemExit(128 + self.signal)


@contextlib.contextmanager
def interruptible(wanted: bool) -> Iterator[Interruption]:
    """While the block runs, the first SIGINT or SIGTERM is only recorded; a second one ends the process at once.

    Only the main thread can handle signals: elsewhere, or if not `wanted`, nothing changes. A signal that is
    ignored, as under nohup, or handled outside of Python stays so.
    """
    interruption, old = Interruption(), {}

    def restore() -> None:
        for number, handler in old.items():
            signal.signal(number, handler)
        old.clear()

    def record(number: int, frame: Any) -> None:
        interruption.signal = number
        restore()

    if wanted and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):
                old[number] = handler
                signal.signal(number, record)
    try:
        yield interruption
    finally:
        restore()
