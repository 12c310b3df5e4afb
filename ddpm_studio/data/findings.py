"""What a look at a data set has found, in words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ddpm_studio.events import DatasetReport, Finding
from ddpm_studio.language import ntr, tr


def all_but_one(finding: Finding) -> npt.NDArray[np.int64]:
    """Rows of a finding with groups, without the first of each group."""
    if finding.groups is None or not len(finding.groups):
        return finding.rows[:0]
    return finding.rows[np.r_[False, finding.groups[1:] == finding.groups[:-1]]]


def in_words(finding: Finding, report: DatasetReport, background: str) -> tuple[str, str]:
    """What was found, and what it means for a training."""
    count = len(finding.rows)
    match finding.kind:
        case "copies":
            return (
                ntr("{count} exact copy", "{count} exact copies", len(all_but_one(finding))),
                tr("The same picture under several names: training sees it once for each of them. One of each is enough."),
            )
        case "alike":
            groups = int(finding.groups[-1]) + 1 if finding.groups is not None else 0
            return (
                ntr("{count} near copy", "{count} near copies", count - groups),
                tr("Pictures that hardly differ: training sees almost the same picture several times, and learns it by heart first. Look whether they are wanted."),
            )
        case "bars":
            return (
                ntr("{count} picture with bars", "{count} pictures with bars", count),
                tr("Even bars at two sides, as films and screenshots have them: the network would learn to draw them."),
            )
        case "blank":
            return ntr("{count} empty picture", "{count} empty pictures", count), tr("A single colour all over: there is nothing to learn from.")
        case "grey" if count == report.pictures:
            return (
                tr("All are grey: 1 channel would do"),
                tr("They are taken as colour pictures. With 1 in the setting Channels (All settings) only grey is learnt, and nothing comes out tinted."),
            )
        case "grey":
            return ntr("{count} grey picture", "{count} grey pictures", count), tr("Grey pictures among colour ones: some of what is generated will be grey, too.")
        case "transparent":
            what = ntr("{count} transparent picture", "{count} transparent pictures", count)
            if report.channels == 4:
                return what, tr("Their transparency is learnt, too.")
            return what, {
                "black": tr("They are laid on black; the setting Background changes that."),
                "grey": tr("They are laid on grey; the setting Background changes that."),
            }.get(background, tr("They are laid on white; the setting Background changes that."))
        case "small":
            return (
                ntr("{count} smaller than used", "{count} smaller than used", count),
                tr("Smaller than {width} × {height}: they are enlarged, and look soft.", width=report.image_size, height=report.image_height),
            )
        case "long":
            return (
                ntr("{count} cut in half or more", "{count} cut in half or more", count),
                tr("So long that more than half of the picture is cut off; the crop decides what stays."),
            )
