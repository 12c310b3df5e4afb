"""How long the window takes to open: `python benchmarks/start_up.py [--times 5]`.

Started anew each time, like a user does, with files in the cache of the system. Printed as JSON: seconds until the window
is painted, until torch is loaded and its device is known (then Generate answers at once), and resident megabytes at both moments.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
import sys, time
from PySide6.QtCore import QEvent, QObject, QTimer
began = float(sys.argv[1])
import psutil
from ddpm_studio.gui import app
found = {}
def resident(): return psutil.Process().memory_info().rss / 2**20
class Painted(QObject):
    def eventFilter(self, thing, event):
        if event.type() == QEvent.Type.Paint and "painted" not in found and getattr(thing, "objectName", str)() == "mainWindow":
            QTimer.singleShot(0, note)
        return False
def note():
    if "painted" not in found:
        found["painted"], found["mb_before"] = time.time() - began, resident()
create = app.create
def watched(argv=None, jobs=None):
    application, window = create(argv, jobs)
    application.painted = Painted()
    window.installEventFilter(application.painted)
    def ready(*_):
        found["ready"], found["mb_after"] = time.time() - began, resident()
        print(__import__("json").dumps(found), flush=True)
        QTimer.singleShot(0, application.quit)
    window.studio.device_found.connect(ready)
    return application, window
app.create = watched
sys.exit(app.main([]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    found = []
    compiled = tempfile.TemporaryDirectory()
    # Python keeps compiled modules, as it does for every user, whatever the settings of this shell.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": compiled.name}
    for _ in range(options.times + 1):  # the first fills the caches
        with tempfile.TemporaryDirectory() as home:
            environment = {"QT_QPA_PLATFORM": "offscreen", **kept, "DDPM_STUDIO_HOME": home, "PYTHONPATH": str(ROOT)}
            done = subprocess.run([sys.executable, "-c", PROGRAM, str(time.time())], env=environment, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    compiled.cleanup()
    medians = {key: round(statistics.median(one[key] for one in found[1:]), 2) for key in found[0]}
    print(json.dumps({**medians, "times": options.times, "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
