"""What there is to say about the noise of a blend: the ways to mix it, and how strong it comes out."""

from __future__ import annotations

import math

from ddpm_studio.blend_weights import Weights
from ddpm_studio.events import BlendReady
from ddpm_studio.language import tr
from ddpm_studio.requests import NoiseMode


def noises() -> tuple[tuple[str, NoiseMode, str], ...]:
    """Name, mode and explanation of each way to mix the noises."""
    return (
        (tr("Each its own (as in the paper)"), "independent", tr("The mixture then holds less noise than the network expects, which makes it smoother.")),
        (tr("Shared"), "shared", tr("All pictures get the same noise: it stays as strong as expected in every mixture.")),
        (tr("Variance-true (slerp)"), "slerp", tr("Each its own noise, mixed along the sphere: it keeps its strength, and the blend its detail.")),
    )


def noise_facts(event: BlendReady) -> str:
    """How strong the noise of a mixture is, in figures and in words."""
    figures = {"expected": f"{event.expected_std:.2f}", "actual": f"{event.latent_std:.2f}"}
    if event.expected_std < 0.95:
        return tr("Deviation of the noise in this mixture: {expected} expected, {actual} measured. The network was trained with 1, so the blend comes out smoother.", **figures)
    return tr("Deviation of the noise in this mixture: {expected} expected, {actual} measured. That is what the network was trained with.", **figures)


def noise_formula(weights: Weights, mode: NoiseMode) -> str:
    """Where the expected deviation comes from."""
    if mode == "independent":
        squares = " + ".join(f"{weight:.2f}²" for weight in weights)
        return tr("Independent noises add up by their squares: √({squares}) = {expected}", squares=squares, expected=f"{math.hypot(*weights):.2f}")
    return tr("This way of mixing keeps the deviation at 1, whatever the weights.")
