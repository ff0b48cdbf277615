#!/usr/bin/env python3
"""Peer: the tutorial's recipe with torch and Pillow alone.

For machines without torchvision; the views are written by hand, the loop is
peer_recipe's.
"""

import math
import random

import peer_common as common
import peer_recipe
import torch
from PIL import Image, ImageEnhance
from torch.utils.data import Dataset

FILTERS = {"nearest": Image.Resampling.NEAREST,
           "bilinear": Image.Resampling.BILINEAR,
           "bicubic": Image.Resampling.BICUBIC}


class Views:
    """From a picture to the tensor that a model sees."""

    def __init__(self, spec):
        self.side, self.resize = spec["crop"], spec["resize"]
        self.filter = FILTERS[spec["interpolation"]]
        self.mean = torch.tensor(spec["mean"]).view(3, 1, 1)
        self.std = torch.tensor(spec["std"]).view(3, 1, 1)

    def tensor(self, image):
        data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        data = data.view(image.height, image.width, 3).permute(2, 0, 1)
        return (data.float().div(255) - self.mean) / self.std

    def training(self, image, colours=False):
        """A random crop of 8 to 100 % of the area, mirrored half the time."""
        image = image.resize((self.side, self.side), self.filter,
                             box=random_box(*image.size))
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if colours:
            for change in (ImageEnhance.Brightness, ImageEnhance.Contrast,
                           ImageEnhance.Color):
                image = change(image).enhance(random.uniform(0.8, 1.2))
        return self.tensor(image)

    def resized(self, image):
        scale = self.resize / min(image.size)
        size = [max(self.resize, int(n * scale)) for n in image.size]
        return image.resize(size, self.filter)

    def cut(self, image, left, top):
        return image.crop((left, top, left + self.side, top + self.side))

    def validation(self, image):
        image = self.resized(image)
        return self.tensor(self.cut(image, *self.corner(image)[4]))

    def ten(self, image):
        """Four corners and the centre, then the same of the mirror image."""
        image = self.resized(image)
        crops = []
        for picture in (image,
                        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
            crops += [self.tensor(self.cut(picture, *place))
                      for place in self.corner(picture)]
        return torch.stack(crops)

    def corner(self, image):
        right, low = image.width - self.side, image.height - self.side
        return [(0, 0), (right, 0), (0, low), (right, low),
                (round(right / 2), round(low / 2))]


def random_box(width, height):
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w = round(math.sqrt(area * aspect))
        h = round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left = random.randint(0, width - w)
            top = random.randint(0, height - h)
            return left, top, left + w, top + h
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


class Folder(Dataset):
    """One folder a class."""

    def __init__(self, root, view):
        self.view = view
        self.classes = sorted(p.name for p in root.iterdir() if p.is_dir())
        self.samples = [(path, label)
                        for label, name in enumerate(self.classes)
                        for path in common.pictures_in(root / name)]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, label = self.samples[index]
        return self.view(open_rgb(path)), label


def open_rgb(path):
    with Image.open(path) as image:
        return image.convert("RGB")


def decode(options, views):
    """Row decode: from the file to the normalised tensor, on one thread."""
    paths = common.pictures_in(options.data, options.pictures)
    figures = {}
    for name, colours in (("crop+flip", False), ("crop+flip+colour", True)):
        figures[name] = common.milliseconds_a_picture(
            lambda path: views.training(open_rgb(path), colours), paths)
    common.report(row=options.row, ms_per_picture=figures,
                  note="colours without hue")


def main():
    options = common.parse(__doc__, ["head", "last_third", "all", "tencrop",
                                     "decode"])
    random.seed(options.seed)
    views = Views(common.input_spec(options.model))
    if options.row == "decode":
        return decode(options, views)
    if options.row == "tencrop":
        val = Folder(options.data / "val", views.ten)
        return peer_recipe.ten_crop(options, val, len(val.classes))
    sides = {"train": Folder(options.data / "train", views.training),
             "val": Folder(options.data / "val", views.validation)}
    peer_recipe.fine_tune(options, sides, len(sides["train"].classes))


if __name__ == "__main__":
    main()
