"""`import` and `export`: models from elsewhere, and models for elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from ddpm_studio.cli.flags import Parser, within
from ddpm_studio.cli.show import print_result

SOURCES = "A diffusers folder with a UNet2DModel, or a checkpoint of the annotated implementation."


def add_import_flags(parser: Parser) -> None:
    parser.add_argument("source", metavar="SOURCE", help=SOURCES)
    parser.add_argument("--out", required=True, metavar="MODEL", help="Folder for the model, or a file that ends in .safetensors; it must not exist yet.")
    parser.add_argument("--image-size", type=within(int, 8, 512), metavar="N", help="Side of the pictures, where the files do not tell it (annotated: 32).")
    parser.add_argument("--json", action="store_true", help="Print a JSON object.")


def add_export_flags(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--format", choices=("diffusers",), default="diffusers", help="Layout of the folder (diffusers).")
    parser.add_argument("--out", required=True, metavar="DIR", help="Folder to write; it must not exist yet.")
    parser.add_argument("--json", action="store_true", help="Print a JSON object.")


def import_(arguments: argparse.Namespace) -> int:
    from ddpm_studio.exchange.converting import import_model

    found, file = import_model(Path(arguments.source).expanduser(), Path(arguments.out).expanduser(), arguments.image_size)
    size, parameters = found.config.data.image_size, sum(tensor.numel() for tensor in found.weights.values())
    text = f"Imported from {found.kind}: {parameters:,} parameters, pictures of {size} x {size}.\nModel: {file}"
    values = {"model": str(file), "kind": found.kind, "parameters": parameters, "remarks": list(found.remarks), "config": found.config.model_dump()}
    print_result(values, arguments.json, "\n".join([text, *found.remarks]))
    return 0


def export(arguments: argparse.Namespace) -> int:
    from ddpm_studio.exchange.converting import export_model

    out = Path(arguments.out).expanduser()
    model = export_model(arguments.model, out)
    parameters = sum(parameter.numel() for parameter in model.net.parameters())
    print_result({"out": str(out), "format": arguments.format, "parameters": parameters}, arguments.json, f"Exported {parameters:,} parameters for {arguments.format}: {out}")
    return 0
