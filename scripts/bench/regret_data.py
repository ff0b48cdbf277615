"""The data sets of scripts/bench/plan_regret, as manifests path,label,split.

An official test part is kept as it is. Elsewhere 25 % of each class are test;
of what is not test 20 % of each class are validation. Who goes where follows
from the hash of a file's bytes, and all copies of a file go together, also
those of brain_mri that differ in size or quality only (SAME_PICTURE).
"""

import collections
import contextlib
import csv
import fcntl
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
WORK = ROOT / "build/bench/regret"

sys.path.append(str(ROOT / "scripts"))
import demo_data  # noqa: E402  beside the folder of this file

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
TEST_SHARE, VAL_SHARE = 0.25, 0.2
FASHION_TRAIN, FASHION_TEST = 20000, 2000  # that are laid out

# Files of brain_mri that show one picture: thumbnails of 16 x 16 differ by
# less than 3 of 255 on average; those of all others by more. Each set names
# one file of those that are the same byte for byte.
SAME_PICTURE = [
    ("yes/Y35.jpg", "yes/Y8.jpg"), ("yes/Y52.jpg", "yes/Y6.jpg"),
    ("yes/Y20.jpg", "yes/Y92.png"), ("yes/Y25.jpg", "yes/Y76.jpg"),
    ("yes/Y21.jpg", "yes/Y91.jpg"), ("yes/Y156.JPG", "yes/Y60.jpg"),
    ("yes/Y105.jpg", "yes/Y153.jpg"), ("yes/Y61.jpg", "yes/Y71.JPG"),
    ("no/13 no.jpg", "no/no 8.jpg"), ("no/2 no.jpeg", "no/47 no.jpg"),
    ("no/12 no.jpg", "no/no 90.jpg"), ("no/no 100.jpg", "no/no 5.jpeg"),
    ("no/1 no.jpeg", "no/49 no.jpg"), ("no/50 no.jpg", "no/7 no.jpg"),
    ("no/N3.jpg", "no/No22.jpg", "no/38 no.jpg"),
    ("no/no 923.jpg", "no/no.jpg"), ("no/39 no.jpg", "no/No11.jpg"),
    ("no/N16.jpg", "no/N17.jpg"),
]

Picture = collections.namedtuple("Picture", "path label digest group")


class NotThere(Exception):
    """A data set that this machine lacks; the message says which."""


def in_folders(root, limit=None):
    """The pictures below a folder a class, the first `limit` of each class."""
    if not root.is_dir():
        raise NotThere(f"{root} is not there")
    found = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        paths = sorted(p for p in folder.rglob("*")
                       if p.suffix.lower() in SUFFIXES
                       and not p.name.startswith("."))
        for path in paths[:limit]:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.append(Picture(path, folder.name, digest, digest))
    return found


@contextlib.contextmanager
def unpacked(package):
    """The share folder of a Debian package, which is fetched if need be."""
    fetch = 'set -euo pipefail; . scripts/lib.sh; fetch_deb "$1"'
    done = subprocess.run(["bash", "-c", fetch, "plan_regret", package],
                          cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise NotThere(f"{package} could not be fetched")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", done.stdout.strip(), folder],
                       check=True)
        yield pathlib.Path(folder) / "usr/share"


def stamps():
    """As scripts/demo lays them out."""
    out = ROOT / "demo/stamps"
    if not out.is_dir():
        with unpacked("tuxpaint-stamps-default") as share:
            subprocess.run([sys.executable, ROOT / "scripts/demo_data.py",
                            "stamps", share, out], check=True)
    return [], in_folders(out)


def lay_out_fashion(out):
    """The first pictures of each class in both official parts."""
    with unpacked("dataset-fashion-mnist") as share:
        data = share / "datasets/fashion-mnist"
        for part, prefix, wanted in (("train", "train", FASHION_TRAIN),
                                     ("test", "t10k", FASHION_TEST)):
            images, labels = (
                demo_data.read_idx(data / f"{prefix}-{kind}-ubyte.gz")
                for kind in ("images-idx3", "labels-idx1"))
            taken = collections.Counter()
            for i, (image, label) in enumerate(zip(images, labels)):
                folder = out / part / demo_data.FASHION[label[0]]
                folder.mkdir(parents=True, exist_ok=True)
                if taken[folder] < wanted // len(demo_data.FASHION):
                    demo_data.write_png(folder / f"{i:05}.png", image, 28)
                    taken[folder] += 1


def fashion(count):
    """`count` pictures to learn from; a smaller set is part of a larger."""
    out = WORK / "fashion"
    if not out.is_dir():
        part = out.with_suffix(".part")  # until it is complete
        shutil.rmtree(part, ignore_errors=True)
        lay_out_fashion(part)
        part.rename(out)
    return (in_folders(out / "test"),
            in_folders(out / "train", count // len(demo_data.FASHION)))


def any_folder(root):
    """Folders of classes, or such in train/ and test/ or val/. Where there
    are all three, val/ is one to learn from too."""
    parts = [part for part in ("train", "val", "test")
             if (root / part).is_dir()]
    if not parts:
        return [], in_folders(root)
    if parts[0] != "train" or len(parts) == 1:
        raise NotThere(f"{root} has {parts[0]}/ but not train/ and one of val/ "
                       "and test/")
    test = in_folders(root / parts.pop())
    return test, sum((in_folders(root / part) for part in parts), [])


def brain_mri():
    root = SHARED / "data/brain_mri"
    pictures = in_folders(root)
    digests = {str(p.path.relative_to(root)): p.digest for p in pictures}
    groups = {digests[name]: digests[names[0]]
              for names in SAME_PICTURE for name in names}
    return [], [p._replace(group=groups.get(p.digest, p.digest))
                for p in pictures]


# name: gives the official test part, [] where there is none, and the others
DATA = {
    "hymenoptera": lambda: any_folder(SHARED / "data/hymenoptera"),
    "brain_mri": brain_mri,
    "stamps": stamps,
    "sign_digits": lambda: ([], in_folders(SHARED / "data/sign_digits")),
    "trashnet": lambda: ([], in_folders(SHARED / "data/trashnet")),
    **{f"fashion-{n}": lambda n=n: fashion(n)
       for n in (200, 1000, 5000, 20000)},
}


def draw(pictures, part, share):
    """Splits off a share of each class: what was drawn, and the rest.

    Groups are taken whole, in the order of a hash, as long as no class gets
    more than its share."""
    groups = collections.defaultdict(list)
    for p in pictures:
        groups[p.group].append(p)
    free = {label: max(1, round(share * n)) for label, n
            in collections.Counter(p.label for p in pictures).items()}
    drawn = set()
    for group in sorted(groups, key=lambda g: hashlib.sha256(
            f"{part} {g}".encode()).digest()):
        needed = collections.Counter(p.label for p in groups[group])
        if all(n <= free[label] for label, n in needed.items()):
            drawn.add(group)
            for label, n in needed.items():
                free[label] -= n
    return ([p for p in pictures if p.group in drawn],
            [p for p in pictures if p.group not in drawn])


def write_atomically(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(path.name + ".part")
    whole.write_text(text)
    os.replace(whole, path)


@contextlib.contextmanager
def locked():
    """One at a time of all who write the same files."""
    WORK.mkdir(parents=True, exist_ok=True)
    with open(WORK / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def lay_out(name):
    """Writes the manifest of a data set: its path, and what is in it."""
    with locked():
        return lay_out_alone(name)


def lay_out_alone(name):
    test, rest = DATA[name]()
    if not test:
        test, rest = draw(rest, "test", TEST_SHARE)
    val, train = draw(rest, "val", VAL_SHARE)
    parts = {"train": train, "val": val, "test": test}
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "split"])
    for part, pictures in parts.items():
        rows.writerows((p.path, p.label, part) for p in pictures)
    manifest = WORK / f"{name}.csv"
    write_atomically(manifest, text.getvalue())
    content = sorted((p.digest, p.label, part)
                     for part, pictures in parts.items() for p in pictures)
    return manifest, {
        "classes": len({p.label for p in train}),
        **{part: len(pictures) for part, pictures in parts.items()},
        "split": hashlib.sha256(repr(content).encode()).hexdigest()[:12]}
