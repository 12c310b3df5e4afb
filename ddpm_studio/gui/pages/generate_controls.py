"""What the Generate page can be asked for: how many pictures, by which way, from which noise, guided by whom."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QComboBox, QFrame, QProgressBar, QWidget

from ddpm_studio.gui import theme
from ddpm_studio.gui.presenters import ACTIVE, State
from ddpm_studio.gui.widgets.basics import button, column, field, label, row, tool_button, wrapped
from ddpm_studio.gui.widgets.containers import Card, ControlColumn
from ddpm_studio.gui.widgets.inputs import combo, decimal, spin
from ddpm_studio.language import tr
from ddpm_studio.models import GuideInfo
from ddpm_studio.requests import MAX_SEED, STEPS, USUAL_SAMPLER, Sampler, SampleRequest, Spacing, Start, is_noisy, model_name
from ddpm_studio.runs import Run, moved


def samplers() -> tuple[tuple[str, Sampler, str], ...]:
    """Name, sampler, and what it is."""
    return (
        (tr("Clear (SDE)"), "dpmpp-2m-sde", tr("SDE-DPM-Solver++: new noise in each step, as in the original, but few steps do. The same seed gives the same picture.")),
        (tr("Steady (DDIM)"), "ddim", tr("Deterministic with eta 0: a seed is a picture, and similar noise gives similar pictures.")),
        (tr("Fast (DPM-Solver++)"), "dpmpp-2m", tr("Good pictures in 12 to 20 steps; the same seed gives the same picture.")),
        (tr("Fast (UniPC)"), "unipc", tr("Like DPM-Solver++, and each step is corrected by the next.")),
        (tr("Exact (Heun)"), "heun", tr("Second order with two network calls a step: twice the time, and nearest to the network's own path, with all its grain.")),
        (tr("Original (ancestral DDPM)"), "ddpm", tr("Algorithm 2 of the paper: fresh noise in each step, of which it takes 1,000. Slow and true.")),
    )


class GenerateControls(QWidget):
    changed = Signal()
    """Another request than before would be made."""
    guide_replaced = Signal()
    """By nobody: the chosen guide is gone, or the one that was waited for is there."""

    def __init__(self) -> None:
        super().__init__()
        self.samplers = samplers()
        self._num_timesteps = 1000
        self.start: Start | None = None
        self._whole_steps = self._steps_left = 0
        self._seed_used: int | None = None
        self._rolling = False
        self._wanted_guide: str | None = None
        self._spacing: Spacing = "auto"
        self._steps: dict[Sampler, int] = {}
        """Those that somebody has set for a sampler, for when it is chosen again."""
        columns = ControlColumn(self._make_card(), footer=self._make_footer())
        self.setLayout(column(columns))
        self.setFixedWidth(columns.width())
        self._connect()
        self._sampler_chosen()
        self._guide_chosen()

    def _make_card(self) -> QWidget:
        self.count = spin("countSpin", 1, 256, 16)
        self.count.setAccessibleName(tr("Number of pictures"))  # as it is called where its name stands alone
        self.sampler = combo("samplerCombo", [(text, sampler) for text, sampler, _ in self.samplers])
        self.sampler_note = label("", "caption", wrap=True)
        self.steps = spin("stepsSpin", 1, 1000, STEPS[USUAL_SAMPLER] or 1000)
        self.eta = decimal("etaSpin", 0, 1, 0.1, 0)
        self.eta_box = QWidget()
        self.eta_box.setLayout(field(tr("Eta"), self.eta, tr("0: deterministic, 1: as noisy as the ancestral sampler")))
        steps = row(field(tr("Steps"), self.steps, tr("More steps take longer and are a little finer")), spacing=12)
        steps.addWidget(self.eta_box)
        self.seed = spin("seedSpin", 0, MAX_SEED, 0)
        self.lock = tool_button("lock-open", "seedLockButton", tr("Keep this seed"))
        self.lock.setCheckable(True)
        self.shuffle = tool_button("shuffle", "shuffleButton", tr("Another seed"))
        caption = label(tr("Seed"), "field")
        caption.setBuddy(self.seed)
        self.seed.setAccessibleName(tr("Seed"))
        self.seed.setToolTip(tr("The same seed makes the same picture again; picture i uses seed + i"))
        seed_row = row(self.seed, self.lock, self.shuffle, spacing=4)
        seed_row.setStretch(0, 1)
        seed = column(caption, seed_row, spacing=4)
        self.guide = QComboBox()
        self.guide.setObjectName("guideCombo")
        self.guide.setAccessibleName(tr("Guide"))
        self.guidance = decimal("guidanceSpin", 1, 10, 0.1, 2)
        self.guidance_box = QWidget()
        far = tr("How far to go from the guide's answer through the model's own: 1 is the model alone, 1.5 to 3 is usual")
        self.guidance_box.setLayout(field(tr("Strength"), self.guidance, far))
        guide = row(field(tr("Guide"), self.guide), self.guidance_box, spacing=12)
        guide.setStretch(0, 1)
        return Card(
            self._make_start(),
            field(tr("Pictures"), self.count, tr("How many pictures to make")),
            column(field(tr("Sampler"), self.sampler), self.sampler_note, spacing=6),
            steps,
            seed,
            guide,
        )

    def _make_start(self) -> QFrame:
        """Where the way begins, when not at pure noise."""
        self.start_box = QFrame()
        self.start_box.setObjectName("startBox")
        self.start_box.setProperty("card", "notice")
        self.start_text = label("", "", "startText", wrap=True)
        self.start_clear = tool_button("x", "startClearButton", tr("Begin at pure noise again"), 16)
        layout = row(self.start_text, self.start_clear, margins=(12, 6, 6, 6))
        layout.setStretch(0, 1)
        self.start_box.setLayout(layout)
        self.start_box.hide()
        return self.start_box

    def _make_footer(self) -> QWidget:
        self.cost = label("", "caption", "costLabel")
        self.cost.setAccessibleName(tr("How long it will take"))
        self.generate_button = button(tr("Generate"), "generateButton", "sparkles", "primary", tr("Make pictures (Ctrl+G)"))
        self.cancel_button = button(tr("Cancel"), "cancelButton", "x", tip=tr("Stop, and keep the pictures that are done (Ctrl+Shift+G)"))
        self.progress = QProgressBar()
        self.progress.setObjectName("generateProgress")
        self.progress.setAccessibleName(tr("Generation progress"))
        self.progress.setTextVisible(False)
        footer = QWidget()
        buttons = row(self.generate_button, self.cancel_button)
        buttons.setStretch(0, 1)
        footer.setLayout(column(self.cost, self.progress, buttons, spacing=8))
        return footer

    def _connect(self) -> None:
        self.sampler.currentIndexChanged.connect(self._sampler_chosen)
        self.guide.currentIndexChanged.connect(self._guide_chosen)
        self.guide.activated.connect(self._guide_taken)
        for box in (self.count, self.steps, self.eta):
            box.valueChanged.connect(self.changed)
        self.changed.connect(self._show_start)
        self.steps.valueChanged.connect(self._steps_set)
        self.seed.valueChanged.connect(self._seed_set)
        self.lock.toggled.connect(self._lock_toggled)
        self.shuffle.clicked.connect(self._roll)
        self.start_clear.clicked.connect(self.begin_anew)

    # What is asked for.

    def request(self, model: Path) -> SampleRequest:
        guide = self.guide.currentData()
        return SampleRequest(
            model=model, count=1 if self.alike else self.count.value(), sampler=self.sampler.currentData(), steps=self.steps.value(), eta=round(self.eta.value(), 3),
            seed=self.seed.value(), spacing=self._spacing, start=self.start, **({"guide": guide, "guidance": round(self.guidance.value(), 3)} if guide else {}),
        )

    def use(self, request: SampleRequest) -> None:
        """Show the settings of a request; its guide as soon as it is among those that there are."""
        self.set_start(request.start)
        self.sampler.setCurrentIndex(self.sampler.findData(request.sampler))
        self._set_spacing(request.spacing)
        self.steps.setValue(request.steps or self.steps.maximum())
        self.eta.setValue(request.eta)
        self.seed.setValue(request.seed)
        self.count.setValue(request.count)
        self._wanted_guide = None if request.guide is None else model_name(request.guide)
        self.guidance.setValue(request.guidance)
        self._choose_guide(None)

    def follow_rename(self, old: Run, new: Run) -> None:
        """Where the way begins, and the guide as soon as it is listed by its new name, stay chosen."""
        if self.start:
            self.set_start(replace(self.start, walk=self.start.walk.after_rename(old, new)))
        guide: Path | None = self.guide.currentData()
        if guide and (now := moved(guide, old, new)) != guide:
            self.guide.setItemData(self.guide.currentIndex(), now)
            self._wanted_guide = model_name(now)

    def next_seed(self) -> None:
        """A click: with the lock open a seed that was used already is replaced by another one."""
        if not self.lock.isChecked() and self.seed.value() == self._seed_used:
            self._roll()
        self._seed_used = self.seed.value()

    @property
    def missing_guide(self) -> str | None:
        """A guide that was asked for by name, and is not here."""
        chosen = self.guide.currentData()
        return None if chosen and model_name(chosen) == self._wanted_guide else self._wanted_guide

    @property
    def unseen(self) -> tuple[Spacing, str | None]:
        """What the settings of a picture set beside the fields: how the steps are spread, and the guide that is waited for."""
        return self._spacing, self._wanted_guide

    def set_unseen(self, spacing: Spacing, guide: str | None) -> None:
        self._set_spacing(spacing)
        self._wanted_guide = guide
        self._choose_guide(self.guide.currentData())

    def take_over(self, other: GenerateControls) -> None:
        """What no field shows there; its guide is waited for, who is found later than the fields are set."""
        self._seed_used, self._whole_steps, self._steps_left = other._seed_used, other._whole_steps, other._steps_left
        guide: Path | None = other.guide.currentData()
        self.set_unseen(other.unseen[0], model_name(guide) if guide else other.missing_guide)

    # The parts.

    @Slot()
    def _sampler_chosen(self) -> None:
        _, sampler, _ = self.samplers[self.sampler.currentIndex()]
        self._set_spacing("auto")
        self.steps.setValue(self._steps.get(sampler) or STEPS[sampler] or self.steps.maximum())
        self.eta_box.setVisible(sampler == "ddim")
        self.changed.emit()

    @Slot(int)
    def _steps_set(self, steps: int) -> None:
        """By hand, for a way that begins at noise; what follows from a sampler, a model or a picture is not kept."""
        if self.steps.hasFocus() and self.start is None:
            self._steps[self.sampler.currentData()] = steps

    def interpret(self) -> None:
        """What is being typed counts."""
        for box in (self.count, self.steps, self.eta, self.seed):
            box.interpretText()

    def _set_spacing(self, spacing: Spacing) -> None:
        """As in a picture whose settings were opened; a sampler that is chosen spreads its steps as suits it."""
        self._spacing = spacing
        note = self.samplers[self.sampler.currentIndex()][2]
        self.sampler_note.setText(note if spacing == "auto" else note + " " + tr("Its steps are spread as in the picture that was opened: {spacing}.", spacing=spacing))

    @Slot()
    def _roll(self) -> None:
        self._rolling = True
        self.seed.setValue(random.randrange(MAX_SEED))
        self._rolling = False

    @Slot()
    def _seed_set(self) -> None:
        """Whoever writes a seed means that one."""
        if not self._rolling:
            self.lock.setChecked(True)
        self.changed.emit()

    @Slot(bool)
    def _lock_toggled(self, locked: bool) -> None:
        theme.set_icon(self.lock, "lock" if locked else "lock-open", "accent" if locked else "dim", 18)
        tip = tr("Each click makes pictures of this seed; open the lock for other ones") if locked else tr("Each click makes other pictures; close the lock to keep this seed")
        self.lock.setToolTip(tip)

    def set_start(self, start: Start | None) -> None:
        self.start = start
        self.start_box.setVisible(start is not None)
        self.steps.setMaximum(start.timestep + 1 if start else self._num_timesteps)
        self.changed.emit()

    def begin_at(self, start: Start, steps_left: int) -> None:
        """With as many steps as that way has left there."""
        if self.start is None:
            self._whole_steps = self.steps.value()
        self._steps_left = steps_left
        self.set_start(start)
        self.steps.setValue(steps_left)

    @Slot()
    def begin_anew(self) -> None:
        """At pure noise, with as many steps as before, unless somebody has set others since."""
        untouched = self.steps.value() == self._steps_left
        self.set_start(None)
        if untouched:
            self.steps.setValue(self._whole_steps)

    @property
    def alike(self) -> bool:
        """All pictures from where the way begins would become the same, so one is enough."""
        return self.start is not None and not (is_noisy(self.sampler.currentData(), self.eta.value()) and self.steps.value() > 1)

    @Slot()
    def _show_start(self) -> None:
        """And whether one picture is made of however many."""
        if self.start is None:
            return
        text = tr("Begins at t = {t} of seed {seed}", t=self.start.timestep, seed=self.start.walk.seed)
        if self.alike and self.count.value() > 1:
            text += "\n" + tr("Without noise on the way all pictures would be the same, so one is made.") + " "
            noisy = is_noisy(self.sampler.currentData(), self.eta.value())
            text += tr("With two steps or more they differ.") if noisy else tr("With a sampler that adds noise, such as SDE, they differ.")
        self.start_text.setText(text)

    def set_timesteps(self, num_timesteps: int) -> None:
        """How many the model knows."""
        self._num_timesteps = num_timesteps
        self.set_start(self.start)

    def set_guides(self, guides: tuple[GuideInfo, ...]) -> None:
        """Who can guide the model; nobody where none fits. The chosen one stays chosen as long as it is among them."""
        chosen: Path | None = self.guide.currentData()
        with QSignalBlocker(self.guide):
            self.guide.clear()
            self.guide.addItem(tr("None"), None)
            for guide in guides:
                self.guide.addItem(tr("Step {step}", step=f"{guide.step:,}") if guide.milestone else guide.name, guide.path)
            self._choose_guide(chosen)
        self.guide.setEnabled(bool(guides))
        self.guide.setToolTip(wrapped(
            tr("A worse model that this one moves away from (autoguidance): an earlier state of the same run, or a run on the same pictures that has seen fewer. Twice the time.")
            if guides
            else tr("Nobody can guide this model: there is no earlier state of its run, and no weaker run on the same pictures. "
                    "Train with “milestone steps” set, and earlier states are kept.")
        ))  # fmt: skip
        self._guide_chosen()
        if self.guide.currentData() != chosen:
            self.guide_replaced.emit()

    def _choose_guide(self, otherwise: Path | None) -> None:
        """That which was asked for by name, as soon as it is there."""
        there: dict[Path | None, int] = {self.guide.itemData(i): i for i in range(self.guide.count())}
        names = {model_name(path): i for path, i in there.items() if path is not None}
        self.guide.setCurrentIndex(names.get(self._wanted_guide or "", there.get(otherwise, 0)))
        if self._wanted_guide in names:
            self._wanted_guide = None

    @Slot()
    def _guide_taken(self) -> None:
        """Somebody has chosen one, so no other is waited for."""
        self._wanted_guide = None

    @Slot()
    def _guide_chosen(self) -> None:
        self.guidance_box.setVisible(self.guide.currentData() is not None)
        self.changed.emit()

    # What goes on.

    def say_cost(self, text: str, tip: str = "") -> None:
        self.cost.setText(text)
        self.cost.setToolTip(tip)

    def show_state(self, state: State, has_model: bool) -> None:
        active = state in ACTIVE
        self.generate_button.setEnabled(not active and has_model)
        self.generate_button.setText({State.WAITING: tr("Waiting…"), State.RUNNING: tr("Generating…"), State.STOPPING: tr("Stopping…")}.get(state, tr("Generate")))
        self.cancel_button.setEnabled(active and state is not State.STOPPING)
        self.progress.setVisible(active)
        if state is State.WAITING:
            self.progress.setRange(0, 0)

    def show_progress(self, done: int, total: int) -> None:
        self.progress.setRange(0, total)
        self.progress.setValue(done)


def variations(shown: SampleRequest, seed: int, timestep: int, steps_left: int, model_step: int | None, count: int, new_seed: int) -> SampleRequest:
    """Other pictures with the x_t of one at a timestep: the noise after it is new, so the way after it must have some."""
    same = shown.start is not None and shown.start.timestep == timestep  # the first frame of variations is where they branched off
    start = shown.start if same and shown.start else Start(replace(shown, seed=seed, count=1), timestep, model_step)
    noisy = is_noisy(shown.sampler, shown.eta)
    # As on the way that is seen; but no noise follows the last step, and another sampler has a way of its own.
    least = 2 if noisy else STEPS[USUAL_SAMPLER] or 2
    tail = {} if noisy else {"sampler": USUAL_SAMPLER, "spacing": "auto"}
    return replace(shown, start=start, steps=max(steps_left, min(least, timestep + 1)), count=count, seed=new_seed, **tail)  # type: ignore[arg-type]
