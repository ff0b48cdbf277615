#!/usr/bin/env python3
"""Lays out the demo's pictures as folders of classes. Standard library only."""

import argparse
import gzip
import pathlib
import shutil
import struct
import zlib

# Folders below tuxpaint/stamps: the eight kinds of real things with more than
# 19 pictures each.
STAMPS = {
    "birds": "animals/birds",
    "flowers": "plants/flowers",
    "fruit": "food/fruit",
    "houses": "town/houses",
    "insects": "animals/insects",
    "mammals": "animals/mammals",
    "road-signs": "town/roadsigns",
    "vehicles": "vehicles",
}

FASHION = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt",
           "sneaker", "bag", "ankle-boot"]


def lay_out_stamps(source, out, held_out):
    """All stamps of a class but one, the middle one by name, held out."""
    stamps = source / "tuxpaint" / "stamps"
    for name, folder in STAMPS.items():
        # A mirrored twin of a training picture would make testing too easy.
        pictures = sorted(p for p in (stamps / folder).rglob("*.png")
                          if "_mirror" not in p.stem and "_flip" not in p.stem)
        if not pictures:
            raise SystemExit(f"no stamps in {stamps / folder}")
        (out / name).mkdir(parents=True)
        for i, picture in enumerate(pictures):
            target = held_out if i == len(pictures) // 2 else out / name
            # The same name occurs in two folders of one class: keep both.
            stem = "-".join(picture.relative_to(stamps / folder).parts)
            prefix = f"{name}-" if target == held_out else ""
            shutil.copyfile(picture, target / (prefix + stem))


def read_idx(path):
    """The rows of an IDX file (images, or labels), as bytes each."""
    data = gzip.decompress(path.read_bytes())
    dimensions = data[3]
    shape = struct.unpack(f">{dimensions}I", data[4:4 + 4 * dimensions])
    size = 1
    for n in shape[1:]:
        size *= n
    start = 4 + 4 * dimensions
    return [data[start + i * size:start + (i + 1) * size]
            for i in range(shape[0])]


def write_png(path, pixels, width):
    """An 8-bit grey PNG."""
    height = len(pixels) // width
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width]
                    for y in range(height))

    def chunk(kind, body):
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + \
            struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                     + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))


def lay_out_fashion(source, out, held_out, count):
    """count training pictures and up to 1000 test ones, all classes alike."""
    data = source / "datasets" / "fashion-mnist"
    for part, prefix, wanted in (("train", "train", count),
                                 ("val", "t10k", min(count, 1000))):
        images = read_idx(data / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(data / f"{prefix}-labels-idx1-ubyte.gz")
        taken = [0] * len(FASHION)
        quota = [wanted // 10 + (c < wanted % 10) for c in range(10)]
        for name in FASHION:
            (out / part / name).mkdir(parents=True)
        for i, (image, label) in enumerate(zip(images, labels)):
            c = label[0]
            if taken[c] < quota[c]:
                write_png(out / part / FASHION[c] / f"{i:05}.png", image, 28)
            elif part == "val" and taken[c] == quota[c]:
                write_png(held_out / f"{FASHION[c]}-{i:05}.png", image, 28)
            taken[c] += 1


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("what", choices=["stamps", "fashion-mnist"])
    p.add_argument("source", type=pathlib.Path,
                   help="share folder of the unpacked Debian package")
    p.add_argument("out", type=pathlib.Path,
                   help="folder to make; OUT-held-out is made beside it")
    p.add_argument("--count", type=int, default=2000)
    options = p.parse_args()

    # Under other names until complete, so that a run cut short leaves nothing
    # that looks done.
    out = options.out.with_name(options.out.name + ".part")
    held_out = options.out.with_name(options.out.name + "-held-out")
    for folder in (out, held_out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    if options.what == "stamps":
        lay_out_stamps(options.source, out, held_out)
    else:
        lay_out_fashion(options.source, out, held_out, options.count)
    out.rename(options.out)


if __name__ == "__main__":
    main()
