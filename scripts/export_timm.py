#!/usr/bin/env python3
"""Exports a timm classifier as TorchScript with a sidecar."""

import math

import export_torchvision
import exporting
import torch


def build(name, random_weights, seed=0):
    """Returns (model, input spec, classes, source)."""
    export_torchvision.import_torchvision()  # timm imports it too
    import timm
    torch.manual_seed(seed)
    model = timm.create_model(name, pretrained=not random_weights,
                              exportable=True)
    data = timm.data.resolve_model_data_config(model)
    crop = data["input_size"][-1]
    spec = exporting.input_spec(math.floor(crop / data["crop_pct"]), crop,
                                data["interpolation"], data["mean"],
                                data["std"])
    classes = model.num_classes
    if random_weights:
        exporting.randomise_statistics(model, crop, seed)
    elif classes == 1000:
        names = timm.data.ImageNetInfo()
        classes = [names.index_to_description(i) for i in range(classes)]
    kind = "random weights" if random_weights else "pretrained"
    return model, spec, classes, f"timm {timm.__version__}, {kind}"


def main():
    options = exporting.parser(__doc__, "resnet18").parse_args()
    model, spec, classes, source = build(options.name, options.random_weights,
                                         options.seed)
    exporting.write(model, options.out or f"{options.name}.pt", options.name,
                    source, spec, classes, options.form, options.train_mode)


if __name__ == "__main__":
    main()
