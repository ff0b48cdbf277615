#!/usr/bin/env python3
"""Folders of links to the pictures of a manifest, with some labels wrong.

The manifest is one that scripts/bench/plan_regret wrote (path, label, split);
OUT/train gets its training and validation pictures, each with probability
--share in the folder of another class, OUT/test the others as they are. The
same share gives the same labels every time.
"""

import argparse
import csv
import pathlib
import random


def links(manifest, share):
    """Each picture with where its link goes."""
    with open(manifest, newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["path"])
    labels = sorted({row["label"] for row in rows})
    draw = random.Random(1)
    for i, row in enumerate(rows):
        part, label = "test", row["label"]
        if row["split"] != "test":
            part = "train"
            if draw.random() < share:
                label = draw.choice([other for other in labels
                                     if other != label])
        picture = pathlib.Path(row["path"])
        yield picture, pathlib.Path(part, label, f"{i:05}{picture.suffix}")


def main():
    p = argparse.ArgumentParser(prog="scripts/bench/wrong_labels.py",
                                description=__doc__.splitlines()[0])
    p.add_argument("manifest", type=pathlib.Path,
                   help="build/bench/regret/NAME.csv")
    p.add_argument("out", type=pathlib.Path, help="a folder that is not there")
    p.add_argument("--share", type=float, default=0.2)
    o = p.parse_args()
    if not 0 <= o.share < 1:
        p.error(f"--share {o.share} is not from 0 to below 1")
    if o.out.exists():
        p.error(f"{o.out} is there already")
    for picture, link in links(o.manifest, o.share):
        (o.out / link.parent).mkdir(parents=True, exist_ok=True)
        (o.out / link).symlink_to(picture.resolve())


if __name__ == "__main__":
    main()
