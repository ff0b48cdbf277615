#!/usr/bin/env python3
"""Reads curves with TensorBoard; see scripts/check_tensorboard.

Trains on small pictures with --curves, twice with the same OUT, and after each
run compares every number of OUT.curves.jsonl with what TensorBoard reads from
OUT.tensorboard: the same points, bit for bit in single precision, no more and
no fewer.
"""

import argparse
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy
from tensorboard.backend.event_processing import event_accumulator

TAGS = {"train_loss": "loss/train", "train_accuracy": "accuracy/train",
        "val_loss": "loss/val", "val_accuracy": "accuracy/val",
        "head_lr": "lr/head", "backbone_lr": "lr/backbone"}
BLOCK_TAGS = {"gradient_norm": "gradient_norm/", "update_ratio": "update_ratio/"}


class Failed(Exception):
    """What did not hold, in words."""


def write_png(path, rows):
    """rows: of each line of pixels its RGB bytes."""
    def chunk(kind, content):
        return (struct.pack(">I", len(content)) + kind + content +
                struct.pack(">I", zlib.crc32(kind + content)))

    size = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) +
                     chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def make_pictures(folder, side=64):
    """Two classes of twelve noisy pictures: stripes across, stripes down."""
    source = random.Random(3)
    for name in ("across", "down"):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            rows = []
            for y in range(side):
                row = bytearray(source.randbytes(3 * side))
                for x in range(side):
                    if (y if name == "across" else x) // 8 % 2:
                        row[3 * x] = 255
                rows.append(bytes(row))
            write_png(folder / name / f"{i}.png", rows)


def train(engraft, data, out, epochs):
    """The head alone for an epoch, then the last blocks too."""
    command = [str(engraft), "train", str(data), "--out", str(out), "--curves",
               "--epochs", str(epochs), "--head-epochs", "1", "--optimizer",
               "adam", "--batch-size", "8", "--freeze-until", "14"]
    done = subprocess.run(command, capture_output=True, text=True,
                          timeout=1800,
                          env={**os.environ,
                               "ENGRAFT_CACHE": str(out.parent / "cache")})
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no message"]
        raise Failed(f"{' '.join(command)} exits {done.returncode}: "
                     f"{words[-1]}")


def points_of_lines(path):
    """(tag, epoch) -> value in single precision, of what is no null."""
    points = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        named = [(tag, entry[key]) for key, tag in TAGS.items()]
        named += [(tag + block["name"], block[key]) for block in entry["blocks"]
                  for key, tag in BLOCK_TAGS.items()]
        points.update({(tag, entry["epoch"]): float(numpy.float32(value))
                       for tag, value in named if value is not None})
    return points


def points_of_events(folder):
    """The same as TensorBoard has it."""
    events = event_accumulator.EventAccumulator(
        str(folder), size_guidance={event_accumulator.SCALARS: 0}).Reload()
    return {(tag, event.step): event.value
            for tag in events.Tags()[event_accumulator.SCALARS]
            for event in events.Scalars(tag)}


def compare(lines, folder):
    """Throws Failed on the first difference; returns the points."""
    files = [path.name for path in folder.iterdir()]
    if len(files) != 1 or not re.fullmatch(
            r"events\.out\.tfevents\.\d{10}\.[^/]+", files[0]):
        raise Failed(f"{folder} holds {files}, expected one event file")
    want, got = points_of_lines(lines), points_of_events(folder)
    for point in sorted(want.keys() | got.keys()):
        if want.get(point) != got.get(point):
            raise Failed(f"{point[0]} in epoch {point[1]} is {want.get(point)} "
                         f"in {lines.name} and {got.get(point)} in TensorBoard")
    return got


def check_epochs(points, epochs):
    """Each curve has the points that such a run must have."""
    by_tag = {}
    for tag, epoch in points:
        by_tag.setdefault(tag, set()).add(epoch)
    for tag in ("loss/train", "loss/val", "accuracy/train", "accuracy/val"):
        if by_tag.get(tag) != set(range(1, epochs + 1)):
            raise Failed(f"{tag} has epochs {sorted(by_tag.get(tag, []))}, "
                         f"expected 1 to {epochs}")
    for prefix in BLOCK_TAGS.values():
        if sum(tag.startswith(prefix) for tag in by_tag) < 2:
            raise Failed(f"{prefix}* has less than two blocks")
    return by_tag


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--engraft", type=pathlib.Path, required=True)
    options = p.parse_args()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        make_pictures(work / "pictures")
        for epochs in (3, 2):
            train(options.engraft, work / "pictures", work / "out.pt", epochs)
            points = compare(work / "out.curves.jsonl",
                             work / "out.tensorboard")
            by_tag = check_epochs(points, epochs)
            print(f"run of {epochs} epochs: {len(points)} points of "
                  f"{len(by_tag)} curves are the same in both")
        for tag, seen in sorted(by_tag.items()):
            values = " ".join(f"{points[tag, e]:.6g}" for e in sorted(seen))
            print(f"  {tag:40} epochs {min(seen)} to {max(seen)}: {values}")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"scripts/check_tensorboard: failed: {error}")
