#!/usr/bin/env python3
"""Peer: the transfer-learning tutorial's recipe, on torchvision.

RandomResizedCrop and flip for training, Resize and CenterCrop for validation,
ImageFolder, DataLoader; see peer_recipe for the loop.
"""

import peer_common as common
import peer_recipe
import torch

if not common.have_torchvision():
    raise SystemExit("torchvision is not installed")
from torchvision import datasets, transforms  # noqa: E402


def filter_of(spec):
    return transforms.InterpolationMode(spec["interpolation"])


def training_view(spec, *extra):
    return transforms.Compose([
        transforms.RandomResizedCrop(spec["crop"],
                                     interpolation=filter_of(spec)),
        transforms.RandomHorizontalFlip(),
        *extra,
        transforms.ToTensor(),
        transforms.Normalize(spec["mean"], spec["std"]),
    ])


def validation_view(spec):
    return transforms.Compose([
        transforms.Resize(spec["resize"], interpolation=filter_of(spec)),
        transforms.CenterCrop(spec["crop"]),
        transforms.ToTensor(),
        transforms.Normalize(spec["mean"], spec["std"]),
    ])


def ten_views(spec):
    normalize = transforms.Normalize(spec["mean"], spec["std"])
    return transforms.Compose([
        transforms.Resize(spec["resize"], interpolation=filter_of(spec)),
        transforms.TenCrop(spec["crop"]),
        transforms.Lambda(lambda crops: torch.stack(
            [normalize(transforms.functional.to_tensor(c)) for c in crops])),
    ])


def decode(options, spec):
    """Row decode: from the file to the normalised tensor, on one thread."""
    paths = common.pictures_in(options.data, options.pictures)
    jitter = transforms.ColorJitter(0.2, 0.2, 0.2, 0.02)
    figures = {}
    for name, extra in (("crop+flip", []), ("crop+flip+colour", [jitter])):
        view = training_view(spec, *extra)
        figures[name] = common.milliseconds_a_picture(
            lambda path: view(datasets.folder.pil_loader(path)), paths)
    common.report(row=options.row, ms_per_picture=figures)


def main():
    options = common.parse(__doc__, ["head", "last_third", "all", "tencrop",
                                     "decode"])
    spec = common.input_spec(options.model)
    if options.row == "decode":
        return decode(options, spec)
    if options.row == "tencrop":
        val = datasets.ImageFolder(options.data / "val", ten_views(spec))
        return peer_recipe.ten_crop(options, val, len(val.classes))
    sides = {"train": datasets.ImageFolder(options.data / "train",
                                           training_view(spec)),
             "val": datasets.ImageFolder(options.data / "val",
                                         validation_view(spec))}
    peer_recipe.fine_tune(options, sides, len(sides["train"].classes))


if __name__ == "__main__":
    main()
