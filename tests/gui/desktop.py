"""A desktop without a screen, and the program on it as a person has it: real mouse, real keys, real drag and drop.

Needs Xvfb, openbox and xdotool. The program runs as always, in a process of its own; `told_where_things_are` adds a way
to ask it, over its standard input, where a widget is and what it shows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOOLS = ("Xvfb", "openbox", "xdotool")
ROOT = Path(__file__).resolve().parents[2]


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


@contextmanager
def desktop(width: int = 1280, height: int = 800) -> Iterator[Desktop]:
    """A screen of its own with a window manager, for as long as the block lasts."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset"]
    screen = subprocess.Popen(command, pass_fds=(writing,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(writing)
    with os.fdopen(reading) as said:
        display = ":" + said.readline().strip()
    environment = {**os.environ, "DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    manager = subprocess.Popen(["openbox"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Desktop(environment)
    finally:
        for process in (manager, screen):
            process.terminate()
            process.wait(10)


class Desktop:
    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def xdotool(self, *words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True, capture_output=True, timeout=30)

    @contextmanager
    def program(self, home: Path) -> Iterator[Program]:
        """The program with its data in `home`; when the block ends without having closed it, it is closed."""
        environment = {**self.environment, "DDPM_STUDIO_HOME": str(home)}
        with subprocess.Popen([sys.executable, __file__], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield Program(self, process)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait(30)


class Program:
    def __init__(self, desktop: Desktop, process: subprocess.Popen[str]) -> None:
        self.desktop, self.process = desktop, process
        self.wait_for("mainWindow", lambda found: found["visible"], 60)

    def find(self, name: str) -> dict[str, Any]:
        """Where the widget of this objectName is on the screen and what it shows; {"visible": False} when there is none."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the program has ended: {self.process.stderr.read() if self.process.stderr else ''}")
        found: dict[str, Any] = json.loads(line)
        return found

    def wait_for(self, name: str, what: Callable[[dict[str, Any]], object] = lambda found: found["visible"] and found["enabled"], seconds: float = 30) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            found = self.find(name)
            if what(found):
                return found
            assert time.monotonic() < end, f"waited {seconds} s for {name}: {found}"
            time.sleep(0.1)

    def click(self, name: str, seconds: float = 30, at: tuple[float, float] = (0.5, 0.5)) -> None:
        """A press of the left button on the widget, `at` shares of its width and height, when it can be used."""
        found = self.wait_for(name, seconds=seconds)
        self.desktop.xdotool("mousemove", *_point(found, at), "sleep", 0.1, "click", 1)

    def drag(self, name: str, first: tuple[float, float], last: tuple[float, float]) -> None:
        """Press at one place of the widget, release at another."""
        found = self.wait_for(name)
        self.desktop.xdotool("mousemove", *_point(found, first), "sleep", 0.1, "mousedown", 1)
        for i in range(1, 9):
            self.desktop.xdotool("mousemove", *_point(found, tuple(a + (b - a) * i / 8 for a, b in zip(first, last, strict=True))), "sleep", 0.03)
        self.desktop.xdotool("mouseup", 1)

    def keys(self, *names: str) -> None:
        self.desktop.xdotool("key", *names)

    def type_into(self, name: str, text: str) -> None:
        self.click(name)
        self.desktop.xdotool("key", "ctrl+a", "type", "--delay", 20, text)
        self.desktop.xdotool("key", "Tab")

    def drop(self, paths: Sequence[Path], name: str) -> None:
        """Another program drags the files onto the widget."""
        found = self.wait_for(name)
        source = subprocess.Popen([sys.executable, __file__, "--drag", *map(str, paths)], env=self.desktop.environment, stdout=subprocess.PIPE, text=True)
        assert source.stdout is not None
        begin = json.loads(source.stdout.readline())
        x, y = _point(found)
        self.desktop.xdotool("mousemove", *begin, "sleep", 0.2, "mousedown", 1, "sleep", 0.1)
        for step in range(1, 11):
            self.desktop.xdotool("mousemove", *(round(a + (b - a) * step / 10) for a, b in zip(begin, (x, y), strict=True)), "sleep", 0.05)
        self.desktop.xdotool("mousemove", x + 2, y + 2, "sleep", 0.3, "mousemove", x, y, "sleep", 0.3, "mouseup", 1)
        result, _ = source.communicate(timeout=20)
        assert result.strip() == "copy", f"the drop on {name} was refused: {result}"

    def shot(self, file: Path) -> None:
        """The whole screen, where ImageMagick is there to take it."""
        if shutil.which("import"):
            subprocess.run(["import", "-window", "root", str(file)], env=self.desktop.environment, check=True, timeout=30)

    def quit(self, seconds: float = 20) -> None:
        """Ctrl+Q; raises when the program does not end, or not well."""
        self.keys("ctrl+q")
        assert self.process.wait(seconds) == 0, self.process.stderr.read() if self.process.stderr else ""


def _point(found: dict[str, Any], at: Sequence[float] = (0.5, 0.5)) -> tuple[int, int]:
    return round(found["x"] + at[0] * (found["width"] - 1)), round(found["y"] + at[1] * (found["height"] - 1))


# What runs in processes of their own.


def told_where_things_are() -> int:
    """The program itself, which answers each line on its standard input, the name of a widget, with a line of JSON."""
    from PySide6.QtCore import QPoint, QSocketNotifier
    from PySide6.QtWidgets import QApplication, QWidget

    from ddpm_studio.gui import app

    def answer() -> None:
        name = sys.stdin.readline().strip()
        widgets = [w for w in QApplication.allWidgets() if w.objectName() == name]
        widget = next((w for w in widgets if w.isVisible()), widgets[0] if widgets else None)
        print(json.dumps({"visible": False, "enabled": False} if widget is None else facts(widget)), flush=True)

    def facts(widget: QWidget) -> dict[str, Any]:
        corner = widget.mapToGlobal(QPoint(0, 0))
        known: dict[str, Any] = {"visible": widget.isVisible(), "enabled": widget.isEnabled(), "x": corner.x(), "y": corner.y(), "width": widget.width(), "height": widget.height()}
        for fact in ("text", "value", "currentText", "isChecked", "count"):
            method = getattr(widget, fact, None)
            if callable(method):
                try:
                    found = method()
                except TypeError:
                    continue
                known[fact] = found if isinstance(found, str | int | float | bool) else None
        model = getattr(widget, "model", None)
        if callable(model) and (items := model()) is not None and hasattr(items, "rowCount"):
            known["rows"] = items.rowCount()
        known["image"] = getattr(widget, "image", None) is not None
        images = getattr(widget, "images", None)
        known["pictures"] = len(images) if images is not None and not callable(images) else None
        return known

    create = app.create

    def create_and_listen(*arguments: Any) -> Any:
        made = create(*arguments)
        listener = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read, made[0])
        listener.activated.connect(lambda *_: answer())
        return made

    app.create = create_and_listen
    return app.main([])


def drag_source(paths: list[str]) -> int:
    """A small window from which the files can be dragged; says where it is, then how the drag ended."""
    from PySide6.QtCore import QMimeData, Qt, QTimer, QUrl
    from PySide6.QtGui import QDrag, QMouseEvent
    from PySide6.QtWidgets import QApplication, QLabel

    application = QApplication([])

    class Source(QLabel):
        def mouseMoveEvent(self, event: QMouseEvent) -> None:
            drag, data = QDrag(self), QMimeData()
            data.setUrls([QUrl.fromLocalFile(path) for path in paths])
            drag.setMimeData(data)
            result = drag.exec(Qt.DropAction.CopyAction)
            print(result.name.removesuffix("Action").lower(), flush=True)
            QTimer.singleShot(1500, application.quit)  # whoever took the drop may fetch the data only now

    source = Source("drag me")
    source.setWindowFlags(Qt.WindowType.WindowStaysOnTopHint | Qt.WindowType.FramelessWindowHint)
    source.setGeometry(0, 0, 90, 40)
    source.show()

    def say_where() -> None:
        middle = source.mapToGlobal(source.rect().center())
        print(json.dumps([middle.x(), middle.y()]), flush=True)

    QTimer.singleShot(700, say_where)
    return application.exec()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    raise SystemExit(drag_source(sys.argv[2:]) if sys.argv[1:2] == ["--drag"] else told_where_things_are())
