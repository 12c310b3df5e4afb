"""A PySide6 that loses references dies only after minutes: count them, which takes milliseconds.

PySide6 6.12.0 on Python 3.11 drops a reference to None at each call that returns nothing, and one to True at each
emit, until the interpreter aborts with `none_dealloc` or `bool_dealloc`. Python 3.12 and later never free these.
"""

from __future__ import annotations

import sys

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPainter

CALLS = 500
SLACK = 100
"""What other code may come and go by while we count; a faulty binding loses about one per call."""


class Sender(QObject):
    sent = Signal(int)


def test_calls_that_return_nothing_keep_none() -> None:
    painter = QPainter(image := QImage(8, 8, QImage.Format.Format_RGB32))
    before = sys.getrefcount(None)
    for _ in range(CALLS):
        painter.setOpacity(1.0)
    after = sys.getrefcount(None)
    painter.end()
    assert not image.isNull()
    assert after > before - SLACK


def test_signals_keep_true() -> None:
    sender, received = Sender(), []
    before = sys.getrefcount(True)
    sender.sent.connect(received.append)
    for number in range(CALLS):
        sender.sent.emit(number)
    after = sys.getrefcount(True)
    assert len(received) == CALLS
    assert after > before - SLACK
