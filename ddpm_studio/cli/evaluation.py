"""`evaluate`: how good a model is, in figures."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ddpm_studio.cli.flags import Parser, within
from ddpm_studio.cli.show import print_result, with_progress
from ddpm_studio.control import RunControl
from ddpm_studio.errors import UserError
from ddpm_studio.events import Finished, LikelihoodReady
from ddpm_studio.requests import LikelihoodRequest

METRICS = ("nll",)


def add_evaluate_flags(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="Pictures to measure with; best those that the model was not trained on.")
    parser.add_argument("--metrics", default="nll", metavar="LIST", help="nll: the variational bound in bits per dimension (equation 5 of the paper).")
    parser.add_argument("--count", type=within(int, 1), default=64, metavar="N", help="How many pictures (64).")
    parser.add_argument("--stride", type=within(int, 1, 1000), default=10, metavar="K", help="Compute one of every K terms of the bound, drawn by lot (10); 1 computes all.")
    parser.add_argument("--seed", type=within(int, 0, 2**31 - 1), default=0, metavar="N", help="Chooses the pictures and the noise (0).")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps.")
    parser.add_argument("--json", action="store_true", help="Print a JSON object.")


def evaluate(arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.metrics.split(",") if name not in METRICS]
    if unknown:
        raise UserError(f"There is no metric called {unknown[0]!r}.", f"Choose of: {', '.join(METRICS)}.")
    from ddpm_studio.evaluation.engine import likelihood

    started = time.monotonic()
    request = LikelihoodRequest(arguments.model, Path(arguments.data).expanduser(), arguments.count, arguments.stride, arguments.seed, arguments.device)
    values: dict[str, Any] = {}
    for event in with_progress(likelihood(request, RunControl())):
        if isinstance(event, LikelihoodReady):
            parts = {"prior": event.prior, "between": event.between, "decoder": event.decoder}
            values = {"pictures": event.pictures, "nll": event.bits, "nll_error": event.error, **parts, "stride": request.stride, "model_step": event.model_step}
        elif isinstance(event, Finished) and event.stopped:
            raise KeyboardInterrupt
    values["seconds"] = round(time.monotonic() - started, 3)
    give_or_take = "" if values["nll_error"] is None else f" ± {values['nll_error']:.3f}"
    text = (
        f"{values['nll']:.3f}{give_or_take} bits per dimension over {values['pictures']} pictures ({values['seconds']:.1f} s)\n"
        f"L_T {values['prior']:.4f}   L_1 ... L_T-1 {values['between']:.4f}   L_0 {values['decoder']:.4f}"
    )
    print_result(values, arguments.json, text)
    return 0
