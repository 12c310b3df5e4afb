"""Everything the window asks of the engines, as jobs for `workers.RunThread`: put together here, by subject in `*_jobs.py`.

The engines are imported inside the jobs, so in the worker thread: importing these modules loads neither torch nor
Pillow. Tests put their own class in the place of `Jobs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ddpm_studio.control import RunControl
from ddpm_studio.events import Event, Finished, Progress
from ddpm_studio.gui.answers import DeviceFound
from ddpm_studio.gui.blend_jobs import BlendJobs
from ddpm_studio.gui.dataset_jobs import DatasetJobs
from ddpm_studio.gui.inside_jobs import InsideJobs
from ddpm_studio.gui.picture_jobs import PictureJobs
from ddpm_studio.gui.run_jobs import RunJobs
from ddpm_studio.language import tr

if TYPE_CHECKING:
    from ddpm_studio.gui.workers import Job


class Jobs(DatasetJobs, RunJobs, PictureJobs, BlendJobs, InsideJobs):
    """The real engines."""

    def warm_up(self) -> Job:
        """Import torch while nobody waits for it, and find out what it can compute on."""

        def job(control: RunControl) -> Iterator[Event]:
            yield Progress(tr("Loading PyTorch"))
            import gc

            import torch

            from ddpm_studio import side_by_side
            from ddpm_studio.devices import choose_device

            device = choose_device()
            side_by_side.warm_up()
            yield DeviceFound(device.kind, device.label)
            parameter = torch.nn.Parameter(torch.zeros(1))
            torch.optim.Adam([parameter])
            if not gc.get_freeze_count():  # once: later there is also what was left of a window in another language
                gc.freeze()  # a search for rubbish among the hundreds of thousands of objects of PyTorch holds the window up for 0.14 s
            yield Finished()

        return job
