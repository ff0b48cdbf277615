#!/usr/bin/env python3
"""Measures which preprocessing a pretrained classifier was trained with.

Tries candidates of mean/std, interpolation and resize on pictures whose class
among the model's own classes is known, and prints top-1 per class and the mean
log loss, best first. Needs Pillow.
"""

import argparse
import itertools
import pathlib

import exporting  # noqa: F401  quietens torch
import torch
from PIL import Image, ImageOps

NORMS = {
    "0.485 0.456 0.406 / 0.229 0.224 0.225": ([0.485, 0.456, 0.406],
                                              [0.229, 0.224, 0.225]),
    "0.498 / 0.502": ([0.498] * 3, [0.502] * 3),
    "0.5 / 0.5": ([0.5] * 3, [0.5] * 3),
    "0 / 1": ([0.0] * 3, [1.0] * 3),
}
FILTERS = {"bilinear": Image.Resampling.BILINEAR,
           "bicubic": Image.Resampling.BICUBIC}
ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def view(picture, resize, crop, interpolation):
    """Shorter side to resize, centre crop: uint8 [3, crop, crop]."""
    scale = resize / min(picture.size)
    size = [max(resize, round(side * scale)) for side in picture.size]
    picture = picture.resize(size, FILTERS[interpolation])
    left, top = (round((side - crop) / 2) for side in size)
    picture = picture.crop((left, top, left + crop, top + crop))
    data = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return data.view(crop, crop, 3).permute(2, 0, 1)


@torch.no_grad()
def score(model, views, target, mean, std):
    """(top-1, mean log loss) of the views, all of the class target."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (mean, std))
    hits, loss = 0, 0.0
    for batch in torch.stack(views).split(32):
        logits = exporting.main_output(model((batch / 255 - mean) / std))
        hits += (logits.argmax(1) == target).sum().item()
        loss -= logits.log_softmax(1)[:, target].sum().item()
    return hits / len(views), loss / len(views)


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter,
        epilog="Example: %(prog)s models/efficientnet_lite0.pt "
               "val/ants=310 val/bees=309")
    p.add_argument("model", metavar="MODEL.pt")
    p.add_argument("folders", nargs="+", metavar="FOLDER=CLASS",
                   help="pictures, and their class's index in the logits")
    p.add_argument("--crop", type=int, default=224)
    p.add_argument("--resize", type=int, nargs="+", default=[224, 256])
    options = p.parse_args()

    model = torch.jit.load(options.model).eval()
    pictures = []
    for argument in options.folders:
        folder, target = argument.rsplit("=", 1)
        paths = sorted(f for f in pathlib.Path(folder).iterdir()
                       if f.suffix.lower() in ENDINGS)
        opened = [ImageOps.exif_transpose(Image.open(f)).convert("RGB")
                  for f in paths]
        print(f"{folder}: {len(opened)} pictures of class {target}")
        pictures.append((int(target), opened))

    rows = []
    for resize, filter_ in itertools.product(options.resize, FILTERS):
        views = [(target, [view(x, resize, options.crop, filter_)
                           for x in opened]) for target, opened in pictures]
        for norm, (mean, std) in NORMS.items():
            scores = [score(model, v, t, mean, std) for t, v in views]
            losses = [loss for _, loss in scores]
            rows.append((sum(losses) / len(losses), [a for a, _ in scores],
                         resize, filter_, norm))
    print("\nlog loss  top-1 per class  resize  filter    mean / std")
    for loss, tops, resize, filter_, norm in sorted(rows):
        shown = " ".join(f"{100 * top:5.1f}%" for top in tops)
        print(f"{loss:8.4f}  {shown:15}  {resize:6}  {filter_:8}  {norm}")


if __name__ == "__main__":
    main()
