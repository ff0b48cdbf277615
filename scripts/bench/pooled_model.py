#!/usr/bin/env python3
"""Makes a small convolutional network with max pooling, of random weights.

For what scripts/bench/repertoire says about --fractional-pooling: the models
with ImageNet weights that are at hand have no max pooling. Four times a 3x3
convolution, batch norm, ReLU and 2x2 max pooling on 64x64 pictures, then the
mean over places. Needs a Python with torch.
  scripts/bench/pooled_model.py [OUT.pt]
"""

import json
import pathlib
import sys

import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
WIDTHS = (3, 32, 64, 128, 256)


def network():
    layers = []
    for given, made in zip(WIDTHS, WIDTHS[1:]):
        layers += [nn.Conv2d(given, made, 3, padding=1, bias=False),
                   nn.BatchNorm2d(made), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(WIDTHS[-1], 1000))


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                       else ROOT / "build/bench/pooled.pt")
    torch.manual_seed(0)
    model = network().eval()
    out.parent.mkdir(parents=True, exist_ok=True)
    spec = {"resize": 72, "crop": 64, "interpolation": "bilinear",
            "mean": [0.5] * 3, "std": [0.25] * 3, "channels": "RGB",
            "range": [0, 1]}
    out.with_suffix(".json").write_text(json.dumps(
        {"arch": "pooled", "source": "random weights", "input": spec}))
    torch.jit.script(model).save(str(out))


if __name__ == "__main__":
    main()
