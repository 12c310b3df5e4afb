"""The window with made-up jobs, opened and closed for a test."""

from __future__ import annotations

from collections.abc import Callable

from ddpm_studio.gui.main_window import MainWindow

Open = Callable[..., MainWindow]
