#!/usr/bin/env python3
"""Compares the evidence of `engraft plan` with Python's; see
scripts/check_evidence.

For each folder of classes, on up to 1000 of its pictures:
  probe       accuracy of scikit-learn's cross-validated softmax regression on
              the features before the head, within two standard errors
  AUROC       of that probe's largest probability, for right beside wrong ones,
              within two standard errors (Hanley & McNeil 1982) or 0.02
  LogME       the maximum of the evidence, by plain fixed-point iteration
              (You et al. 2021, algorithm 1), within 2 %
  LEEP        its definition (Nguyen et al. 2020, eq. 2), within 0.02
  similarity  the confidence of the original head, which models without
              BatchNorm go by, as LEEP's probabilities have it, within 0.02
With three folders or more it prints how alike the BatchNorm statistic and the
confidence rank them (Spearman), and fails below 0.8.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (GridSearchCV, StratifiedKFold,
                                     cross_val_predict)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
MOST = 1000
ENDINGS = {".jpg", ".jpeg", ".png"}


def engraft(binary, *words):
    done = subprocess.run([binary, *map(str, words), "--json"], text=True,
                          capture_output=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def classes_of(folder):
    """{class: pictures} of a folder of classes, or of its train part."""
    if (folder / "train").is_dir():
        folder = folder / "train"
    out = {c.name: sorted(p for p in c.rglob("*")
                          if p.suffix.lower() in ENDINGS)
           for c in sorted(folder.iterdir()) if c.is_dir()}
    return {name: pictures for name, pictures in out.items() if pictures}


def lay_out(folder, out):
    """Up to MOST pictures as out/train, one more a class as out/val.

    Returns the training pictures and their labels.
    """
    classes = classes_of(folder)
    each = MOST // len(classes)
    pictures, labels = [], []
    for label, (name, found) in enumerate(classes.items()):
        for part in ("train", "val"):
            (out / part / name).mkdir(parents=True)
        held_out, *kept = found[::max(1, len(found) // each)]
        (out / "val" / name / held_out.name).symlink_to(held_out.resolve())
        for i, picture in enumerate(kept[:each]):
            link = out / "train" / name / f"{i:04}{picture.suffix}"
            link.symlink_to(picture.resolve())
            pictures.append(link)
            labels.append(label)
    return pictures, numpy.array(labels)


def prepare(path, spec):
    """The picture as the model sees it, [3, crop, crop]."""
    picture = Image.open(path).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(white, picture).convert("RGB")
    scale = spec["resize"] / min(picture.size)
    # As torchvision computes the longer side.
    size = [spec["resize"] if side == min(picture.size) else int(side * scale)
            for side in picture.size]
    filters = {"bilinear": Image.Resampling.BILINEAR,
               "bicubic": Image.Resampling.BICUBIC}
    picture = picture.resize(size, filters[spec["interpolation"]])
    left, top = (round((side - spec["crop"]) / 2) for side in size)
    picture = picture.crop((left, top, left + spec["crop"],
                            top + spec["crop"]))
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    image = pixels.view(spec["crop"], spec["crop"], 3).permute(2, 0, 1) / 255
    mean, std = (torch.tensor(spec[k]).view(3, 1, 1) for k in ("mean", "std"))
    return (image - mean) / std


def parameter(model, path):
    *modules, name = path.split(".")
    for module in modules:
        model = getattr(model, module)
    return getattr(model, name)


@torch.no_grad()
def look(model_path, pictures, said):
    """Features before the head, and the probabilities behind it."""
    model = torch.jit.load(str(model_path)).eval()
    weight = parameter(model, said["head"]["weight"])
    bias = parameter(model, said["head"]["weight"][:-len("weight")] + "bias")
    w, b = weight.clone(), bias.clone()
    # With the identity for a weight the final layer hands its input on.
    weight.set_(torch.eye(w.shape[1]))
    bias.set_(torch.zeros(w.shape[1]))
    features = []
    for i in range(0, len(pictures), 16):
        batch = torch.stack([prepare(p, said["input"])
                             for p in pictures[i:i + 16]])
        features.append(model(batch))
    features = torch.cat(features)
    probabilities = torch.softmax((features @ w.T + b).double(), 1)
    return features.double().numpy(), probabilities.numpy()


def probe(features, labels):
    """Of held-out pictures at the penalty of least loss: which are right, and
    the largest probability of each."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    grid = {"logisticregression__C": numpy.logspace(-4, 2, 13)}
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=folds,
                          refit=False).fit(features, labels)
    model.set_params(**search.best_params_)
    seen = cross_val_predict(model, features, labels, cv=folds,
                             method="predict_proba")
    return seen.argmax(1) == labels, seen.max(1)


def auroc_error(a, right):
    """Standard error of an area `a` under the curve of so many pictures."""
    n, m = right.sum(), (~right).sum()
    square = a * a
    spread = (a * (1 - a) + (n - 1) * (a / (2 - a) - square)
              + (m - 1) * (2 * square / (1 + a) - square))
    return float(numpy.sqrt(spread / (n * m)))


def log_me(features, labels):
    n, d = features.shape
    total = 0
    classes = labels.max() + 1
    u, s, _ = numpy.linalg.svd(features, full_matrices=False)
    for c in range(classes):
        y = (labels == c).astype(float)
        projected = u.T @ y
        rest = y @ y - projected @ projected
        alpha = beta = 1.0
        for _ in range(200):
            gamma = (beta * s ** 2 / (alpha + beta * s ** 2)).sum()
            m = beta * s * projected / (alpha + beta * s ** 2)
            residual = rest + ((projected - s * m) ** 2).sum()
            new = gamma / max(m @ m, 1e-300), (n - gamma) / residual
            done = abs(new[0] / new[1] - alpha / beta) <= 1e-6 * alpha / beta
            alpha, beta = new
            if done:
                break
        m = beta * s * projected / (alpha + beta * s ** 2)
        residual = rest + ((projected - s * m) ** 2).sum()
        evidence = (n / 2 * numpy.log(beta) + d / 2 * numpy.log(alpha)
                    - n / 2 * numpy.log(2 * numpy.pi) - beta / 2 * residual
                    - alpha / 2 * (m @ m)
                    - 0.5 * numpy.log(alpha + beta * s ** 2).sum()
                    - 0.5 * (d - len(s)) * numpy.log(alpha))
        total += evidence / n
    return total / classes


def leep(probabilities, labels):
    n = len(labels)
    joint = numpy.stack([probabilities[labels == c].sum(0) / n
                         for c in range(labels.max() + 1)])
    given = joint / joint.sum(0, keepdims=True)
    return float(numpy.log((probabilities @ given.T)[range(n), labels]).mean())


def rank_correlation(a, b):
    ranks = [numpy.argsort(numpy.argsort(x)) for x in (a, b)]
    return float(numpy.corrcoef(*ranks)[0, 1])


def check(o, folder, spread):
    """Prints a row; returns whether all of it held."""
    said = engraft(o.engraft, "inspect", o.model)
    with tempfile.TemporaryDirectory() as name:
        out = pathlib.Path(name)
        pictures, labels = lay_out(folder, out)
        plan = engraft(o.engraft, "plan", out, "--model", o.model)
        features, probabilities = look(o.model, pictures, said)
    plan = plan.get("plan", plan)
    evidence, similarity = plan["evidence"], plan["similarity"]
    assert evidence["pictures"] == len(pictures)
    right, largest = probe(features, labels)
    ours = evidence["depths"][-1]["accuracy"]
    error = 2 * max(evidence["accuracy_error"], 0.5 / len(pictures))
    confidence = probabilities.max(1).mean()
    spread.append((similarity["value"], confidence))
    rows = [("probe", ours, right.mean(), error),
            ("LogME", evidence["log_me"], log_me(features, labels),
             0.02 * abs(evidence["log_me"]) + 0.005),
            ("LEEP", evidence["leep"], leep(probabilities, labels), 0.02),
            ("confidence", evidence["confidence"], confidence, 0.02)]
    if evidence["probe_auroc"] is not None and not right.all():
        auroc = roc_auc_score(right, largest)
        rows.insert(1, ("AUROC", evidence["probe_auroc"], auroc,
                        max(2 * auroc_error(auroc, right), 0.02)))
    held = True
    for what, a, b, allowed in rows:
        good = abs(a - b) <= allowed
        held &= good
        print(f"{folder.name:24} {what:11} {a:9.4f} {b:9.4f}   within "
              f"{allowed:.4f}  {'ok' if good else 'FAILED'}", flush=True)
    print(f"{folder.name:24} {'similarity':11} {similarity['value']:9.4f} "
          f"{'':9}   {similarity['verdict']} ({similarity['method']})",
          flush=True)
    return held


def main():
    p = argparse.ArgumentParser(prog="scripts/check_evidence",
                                description=__doc__.splitlines()[0])
    p.add_argument("--engraft", default=ROOT / "build/engraft")
    model = SHARED / "models/mobilenet_v2.script.pt"
    p.add_argument("--model", type=pathlib.Path, default=model
                   if model.exists() else ROOT / "models/efficientnet_lite0.pt")
    p.add_argument("data", nargs="*", type=pathlib.Path)
    o = p.parse_args()
    known = [*(SHARED / "data").glob("*"), *(ROOT / "demo").glob("*")]
    data = o.data or sorted(d for d in known if d.is_dir()
                            and d.name != "cache"
                            and not d.name.endswith("-held-out"))
    if not data:
        raise SystemExit("no pictures: scripts/demo fetches some, or name a "
                         "folder of classes")
    print(f"{'pictures':24} {'what':11} {'engraft':>9} {'Python':>9}")
    spread = []
    held = all([check(o, folder, spread) for folder in data])
    if len(spread) >= 3:
        alike = -rank_correlation(*zip(*spread))
        print(f"BatchNorm statistic and confidence rank {len(spread)} folders "
              f"alike: Spearman {alike:.2f}")
        held &= alike >= 0.8
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
