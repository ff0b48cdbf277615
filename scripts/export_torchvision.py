#!/usr/bin/env python3
"""Exports a torchvision classifier as TorchScript with a sidecar."""

import sys

import exporting
import torch


def import_torchvision():
    """torchvision, also a build whose operators do not fit this torch.

    The classifiers need none of its own operators, but importing it asks for
    the schemas of three of them.
    """
    try:
        import torchvision
    except RuntimeError:
        for name in [n for n in sys.modules if n.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float threshold) "
                       "-> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float threshold) "
                       "-> Tensor")
        library.define("roi_align(Tensor input, Tensor rois, "
                       "float spatial_scale, SymInt pooled_height, "
                       "SymInt pooled_width, int sampling_ratio, bool aligned)"
                       " -> Tensor")
        import torchvision
        torchvision._engraft_schemas = library  # must outlive the import
    return torchvision


def build(name, random_weights, seed=0):
    """Returns (model, input spec, classes, source)."""
    torchvision = import_torchvision()
    models = torchvision.models
    weights = models.get_model_weights(name).DEFAULT
    prepare = weights.transforms()
    spec = exporting.input_spec(prepare.resize_size[0], prepare.crop_size[0],
                                prepare.interpolation.value, prepare.mean,
                                prepare.std)
    source = f"torchvision {torchvision.__version__.split('+')[0]}"
    if not random_weights:
        model = models.get_model(name, weights=weights)
        return model, spec, list(weights.meta["categories"]), \
            f"{source}, weights {weights}"
    torch.manual_seed(seed)
    # These two would spend a minute drawing from a truncated normal.
    slow = {"init_weights": False} if name in ("googlenet", "inception_v3") \
        else {}
    model = models.get_model(name, weights=None, **slow)
    exporting.randomise_statistics(model, spec["crop"], seed)
    return model, spec, 1000, f"{source}, random weights"


def main():
    options = exporting.parser(__doc__, "resnet18").parse_args()
    model, spec, classes, source = build(options.name, options.random_weights,
                                         options.seed)
    exporting.write(model, options.out or f"{options.name}.pt", options.name,
                    source, spec, classes, options.form, options.train_mode)


if __name__ == "__main__":
    main()
