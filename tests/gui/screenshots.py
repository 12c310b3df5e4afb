"""Pictures of every page, light and dark, at two sizes: `python tests/gui/screenshots.py FOLDER [--size 1280x800] [--only train] [--language zh_CN] [--scale 2]`.

Made with fake jobs and the sample tiles, so they are the same every time; look at them after every change of the window.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", action="append", help="WxH; both 1280x800 and 1920x1080 by default")
    parser.add_argument("--theme", action="append", choices=["light", "dark"])
    parser.add_argument("--language", default="en", choices=["en", "zh_CN"])
    parser.add_argument("--scale", default="1", help="pixels of the screen for one of the window")
    parser.add_argument("--only", default="", help="part of the name of the pictures to make")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["DDPM_STUDIO_HOME"], os.environ["QT_SCALE_FACTOR"] = home, options.scale
        (Path(home) / "settings.json").write_text(json.dumps({"language": options.language}))
        _shoot(options)
    return 0


def _shoot(options: argparse.Namespace) -> None:
    import fakes
    from PySide6.QtWidgets import QPushButton

    from ddpm_studio import gallery
    from ddpm_studio.errors import describe_os_error
    from ddpm_studio.events import Failed
    from ddpm_studio.gui.answers import NearestFound
    from ddpm_studio.gui.app import create
    from ddpm_studio.language import tr
    from ddpm_studio.requests import SampleRequest, recipe

    app, empty = create(jobs=fakes.FakeJobs(models=False))

    def wait(until: Callable[[], bool] = lambda: False, seconds: float = 0.25) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            app.processEvents()
            time.sleep(0.005)

    def every(window: object, name: str) -> None:
        if options.only and options.only not in name:
            return
        for size in options.size or ["1280x800", "1920x1080"]:
            width, height = (int(part) for part in size.split("x"))
            window.resize(width, height)  # type: ignore[attr-defined]
            for theme_name in options.theme or ["dark", "light"]:
                window.set_theme(theme_name)  # type: ignore[attr-defined]
                wait(seconds=0.3)
                window.grab().save(str(options.folder / f"{name}-{theme_name}-{width}.png"))  # type: ignore[attr-defined]
                print(f"{name}-{theme_name}-{width}.png")

    # Nothing there yet.
    empty.show()
    for page in ("Train", "Generate", "Blend", "Gallery", "Runs", "Inside"):
        empty.show_page(page)
        wait()
        every(empty, f"empty-{page.lower()}")
    empty.close()

    # Somebody has worked with it.
    fakes.make_runs()
    images = fakes.tiles(96)
    gallery.save_pictures(images, [recipe(SampleRequest(model="tiles", seed=i), seed=i) for i in range(len(images))])
    _, window = create(jobs=fakes.FakeJobs(pause=0.012, steps=600))
    window.show()
    window.show_page("Train")
    train, generate, blend = window.pages["Train"], window.pages["Generate"], window.pages["Blend"]
    window.studio.ask(window.studio.jobs.warm_up(), lambda batch: None)
    wait(seconds=0.5)
    every(window, "train-offer")
    train.offer.hide()
    train.dataset.open([Path("/pictures/pixel_tiles")])
    wait(lambda: train.dataset.report is not None, 5)
    wait()
    every(window, "train-data")
    finding = train.dataset.report_view.findings[1]
    finding.click()
    train.pictures.leave_all_but_one_out()
    train.pictures.sheet.set_current(2)
    wait()
    every(window, "train-doctor")
    train.pictures.show_all()
    train.pictures.open_crop(40)
    wait()
    every(window, "train-crop")
    train.pictures.close_crop()
    window.studio.undo_stack.undo()
    train.settings.more.toggle.setChecked(True)
    train.dataset.report_view.skipped.toggle.setChecked(True)
    wait()
    every(window, "train-settings")
    train.settings.more.toggle.setChecked(False)
    train.dataset.report_view.skipped.toggle.setChecked(False)
    train.start()
    wait(lambda: window.studio.training.step > 3200, 20)
    window.studio.training.pause()
    wait(lambda: window.studio.training.state.name == "PAUSED", 5)
    every(window, "train-live")
    window.findChild(QPushButton, "previewView1").click()
    train.live.film.show_at(train.live.film.index - 1, 4)
    wait()
    every(window, "train-live-film")
    window.findChild(QPushButton, "previewView0").click()
    for chip in train.live.plots.chips[2:]:
        chip.setChecked(True)
    wait()
    every(window, "train-live-plots")
    for chip in train.live.plots.chips[3:]:
        chip.setChecked(False)
    window.studio.training.resume()
    wait(lambda: window.studio.training.state.name == "RUNNING", 5)
    window.studio.lane.borrow("somebody", lambda: None, tr("Training is paused while pictures are made"))
    wait(lambda: window.studio.training.state.name == "MAKING_ROOM", 5)
    every(window, "train-making-room")
    window.studio.training.pause()
    window.studio.lane.give_back("somebody")
    window.show_page("Generate")
    generate.start()
    wait(lambda: len(generate.files) == 16, 10)
    generate.stage.results.grid.set_current(5)
    generate.stage.filmstrip.slider.setValue(7)
    wait()
    every(window, "generate")
    generate.offer.offer(generate.files[5])
    generate.stage.nearest.show_found(NearestFound(fakes.tiles(6), (0.0, 12.0, 21.0, 33.0, 47.0, 52.0), 1550, "pixel_tiles"))
    generate.stage.show_side(1)
    generate.stage.again_from.click()
    wait()
    every(window, "generate-nearest")
    generate.offer.hide()
    generate.stage.show_side(0)
    window.show_page("Blend")
    wait(lambda: blend.single.preview.image is not None, 5)
    every(window, "blend")
    blend.make_sheet()
    wait(lambda: blend.sheet.complete, 5)
    every(window, "blend-sheet")
    blend.make_film()
    wait(lambda: blend.film.complete, 5)
    blend.film.play(False)
    blend.film.slider.setValue(9)
    every(window, "blend-film")
    blend.show_view(0)
    for i in range(4):
        blend.wells.add()
        every(window, f"blend-{i + 3}-empty") if i == 0 else None
        blend.set_source("", images[60 + 7 * i])
        wait(lambda: blend.wells.images is not None, 5)
        wait()
        every(window, f"blend-{i + 3}")
    window.show_page("Gallery")
    wait()
    window.pages["Gallery"].view.setCurrentIndex(window.pages["Gallery"].model.index(30))
    shelf = window.pages["Gallery"]
    wait(lambda: len(shelf.model._thumbnails) > 60, 5)
    every(window, "gallery")
    shelf.view.selectAll()
    shelf.question.ask_about(shelf.chosen)
    wait()
    every(window, "gallery-several")
    shelf.search.setText("no such picture")
    wait(lambda: shelf.none.isVisible(), 2)
    every(window, "gallery-none")
    shelf.search.clear()
    window.show_page("Runs")
    wait()
    every(window, "runs")
    window.pages["Runs"].compare.set_runs(*(fakes.read(name, rate) for name, rate in (("pixel_tiles-tiny-32-1", 2e-3), ("faces-small-32-1", 1e-3))))
    window.pages["Runs"].stack.setCurrentIndex(2)
    wait(seconds=0.5)
    every(window, "runs-compare")
    window.pages["Runs"].compare.back.click()
    window.show_page("Inside")
    inside = window.pages["Inside"]
    wait(lambda: inside.forward.parts is not None, 5)
    wait()
    every(window, "inside-forward")
    inside.forward.roots.setChecked(True)
    inside.forward.slider.slider.setValue(620)
    wait()
    every(window, "inside-factors")
    inside.view.choose(1)
    inside._show_view()
    wait(lambda: bool(inside.network.view.blocks), 5)
    wait()
    every(window, "inside-network")
    inside.network.view.choose("up.1.res1")
    wait(lambda: inside.network.panel.shown is not None, 5)
    wait()
    every(window, "inside-maps")
    window.menus.palette.open(window.menus.commands())
    wait()
    every(window, "commands")
    window.menus.palette.close_palette()
    window.show_page("Train")
    full = describe_os_error(OSError(errno.ENOSPC, ""), tr("save {name}", name="model.safetensors"))
    window.studio.failed.emit(Failed(full.message, full.hint, "Traceback"))
    every(window, "train-error")
    window.studio.training.resume()
    window.close()
    wait(lambda: not window.studio.training.active, 10)


if __name__ == "__main__":
    raise SystemExit(main())
