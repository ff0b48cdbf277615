#!/usr/bin/env python3
"""Runs engraft over many architectures; see scripts/check_architectures.

For each model and form (script, trace, trace in train mode):
  inspect    exits 0, and putting the old final layer back gives the old logits
  head       trains the head alone for an epoch; every other tensor of the
             saved file has the bits it had
  all        trains every block for an epoch; most tensors have moved
  python     both files load with torch.jit.load, give [2, 2] finite logits,
             the same for a picture alone and in company, and the
             probabilities that `engraft predict` prints, within 1e-4
"""

import argparse
import copy
import gc
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import export_timm
import export_torchvision
import exporting
import torch

MODELS = """
resnet18 mobilenet_v2 mobilenet_v3_small efficientnet_b0 densenet121
squeezenet1_1 vgg11_bn googlenet inception_v3 shufflenet_v2_x1_0 regnet_y_400mf
convnext_tiny vit_b_16 swin_t
timm/resnet18 timm/efficientnet_lite0 timm/mobilenetv3_small_100
timm/vit_tiny_patch16_224 timm/convnext_atto timm/xception41 timm/ghostnet_100
""".split()
FORMS = ("script", "trace", "trace-train")
PROOF = 1e-4  # relative to the largest logit, where that is above 1


class Failed(Exception):
    """What did not hold, in words."""


def make_pictures(folder, side):
    """Two classes of ten noisy pictures: stripes across, stripes down.

    They have the size that evaluation resizes to, so that no resampling comes
    between engraft's answer and Python's.
    """
    from PIL import Image
    generator = torch.Generator().manual_seed(3)
    stripes = (torch.arange(side) // 16 % 2 * 120).float()
    for name, pattern in (("across", stripes.view(-1, 1, 1)),
                          ("down", stripes.view(1, -1, 1))):
        (folder / name).mkdir(parents=True)
        for i in range(10):
            noise = torch.rand(side, side, 3, generator=generator) * 130
            data = (pattern + noise).to(torch.uint8).contiguous()
            Image.frombytes("RGB", (side, side), bytes(
                data.flatten().tolist())).save(folder / name / f"{i}.png")


def prepared(path, spec):
    """The picture as the model sees it, [1, 3, crop, crop]."""
    from PIL import Image
    picture = Image.open(path)
    side = picture.size[0]
    data = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    image = data.view(side, side, 3).permute(2, 0, 1).float() / 255
    edge = round((side - spec["crop"]) / 2)  # as torchvision rounds
    image = image[:, edge:edge + spec["crop"], edge:edge + spec["crop"]]
    mean, std = (torch.tensor(spec[k]).view(3, 1, 1) for k in ("mean", "std"))
    return ((image - mean) / std).unsqueeze(0)


class Engraft:
    """Runs the binary; a failure carries its last words."""

    def __init__(self, binary):
        self.binary = str(binary)

    def __call__(self, *arguments):
        command = [self.binary, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=1800)
        if done.returncode:
            words = done.stderr.strip().splitlines() or ["no message"]
            raise Failed(f"{arguments[0]} exits {done.returncode}: {words[-1]}")
        return done.stdout


def tensors_of(path):
    module = torch.jit.load(str(path), map_location="cpu")
    named = dict(module.named_parameters())
    named.update(module.named_buffers())
    return {k: v.detach().clone() for k, v in named.items()}


def check_inspect(engraft, path):
    """Returns (number of blocks, path of the head)."""
    found = json.loads(engraft("inspect", path, "--json"))
    proof = found["proof_max_difference"]
    if not proof <= PROOF:
        raise Failed(f"inspect: putting the old head back differs by {proof}")
    return len(found["blocks"]), found["head"]["weight"]


def check_training(engraft, path, out, data, freeze, head, before):
    """One epoch; then which tensors moved is as it should be."""
    # Running statistics of random weights do not normalise.
    batch = ["--bn-statistics", "batch"] if freeze == "none" else []
    engraft("train", data, "--model", path, "--out", out, "--epochs", 1,
            "--freeze-until", freeze, "--batch-size", 4, "--threads", 1, *batch)
    after = tensors_of(out)
    stem = head.rsplit(".", 1)[0]
    moved = [k for k, v in before.items() if not k.startswith(stem + ".")
             and not (k in after and torch.equal(v, after[k]))]
    floating = [k for k, v in before.items() if v.is_floating_point()]
    if freeze == "all" and moved:
        raise Failed(f"head alone trained, but {len(moved)} other tensors "
                     f"moved, {moved[0]} first")
    if freeze == "none" and len(moved) < len(floating) // 2:
        raise Failed(f"all trained, but {len(moved)} of {len(floating)} "
                     "tensors moved")


def in_double(module, images):
    """(logits in company, logits alone) in double precision, where rounding is
    no excuse: random weights can blow it up in single precision."""
    twin, images = copy.deepcopy(module).double(), images.double()
    alone = torch.cat([twin(image.unsqueeze(0)) for image in images])
    return twin(images), alone


@torch.no_grad()
def check_in_python(engraft, out, pictures, spec):
    """Python's logits: shape, company, and engraft's own probabilities."""
    module = torch.jit.load(str(out))  # in the mode it was saved in
    images = torch.cat([prepared(p, spec) for p in pictures])
    logits = module(images)
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, 2):
        raise Failed(f"python: output is {getattr(logits, 'shape', logits)}")
    if not logits.isfinite().all():
        raise Failed("python: logits are not finite")
    exact, alone = in_double(module, images)
    company = (alone - exact).abs().max().item()
    if company > PROOF * max(1.0, exact.abs().max().item()):
        raise Failed(f"python: alone and in a batch differ by {company:.1e}: "
                     "is a layer still in train mode?")
    lines = engraft("predict", out, *pictures, "--crops", 1, "--top", 2,
                    "--json").splitlines()
    ours = torch.zeros(len(pictures), 2, dtype=torch.double)
    for line, row in zip(lines, ours, strict=True):
        for entry in json.loads(line)["top"]:
            row[entry["index"]] = entry["probability"]
    exact = exact.softmax(1)
    worst = (ours - exact).abs().max().item()
    rounding = (logits.softmax(1) - exact).abs().max().item()
    # As near to the exact answer as single precision gets in Python.
    if worst > max(1e-4, 4 * rounding):
        raise Failed(f"python: predict's probabilities are off by {worst:.1e}, "
                     f"Python's own by {rounding:.1e}")


def build(name):
    """(model, input spec, classes, source) of NAME or timm/NAME."""
    if name.startswith("timm/"):
        return export_timm.build(name.removeprefix("timm/"), True)
    return export_torchvision.build(name, True)


def export(name, built, form, path):
    model, spec, classes, source = built
    exporting.write(model, path, name, source, spec, classes,
                    form.split("-")[0], train_mode=form == "trace-train",
                    quiet=True)


def check(engraft, name, form, built, folder):
    """One row of the table: (blocks, head, verdict, ok)."""
    path = folder / f"{name.replace('/', '-')}.{form}.pt"
    try:
        export(name, built, form, path)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [repr(error)])[0]
        # A model that does not script is a fact about the model.
        return "", "", f"not exported: {reason}", form == "script"
    spec = built[1]
    data = folder / f"pictures-{spec['resize']}"
    if not data.exists():
        make_pictures(data, spec["resize"])
    blocks, head = "", ""
    try:
        blocks, head = check_inspect(engraft, path)
        before = tensors_of(path)
        pictures = [data / "across" / "0.png", data / "down" / "0.png"]
        for freeze in ("all", "none"):
            out = folder / f"out.{freeze}.pt"
            check_training(engraft, path, out, data, freeze, head, before)
            check_in_python(engraft, out, pictures, spec)
    except (Failed, subprocess.TimeoutExpired, RuntimeError) as error:
        return blocks, head, str(error).splitlines()[0], False
    finally:
        for leftover in folder.glob("*.pt"):
            leftover.unlink()
    return blocks, head, "ok", True


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--engraft", type=pathlib.Path, required=True)
    p.add_argument("names", nargs="*", metavar="NAME",
                   help="torchvision's name, or timm/NAME (default: all)")
    options = p.parse_args()

    export_torchvision.import_torchvision()
    engraft = Engraft(options.engraft)
    failures, checked = 0, 0
    print(f"{'model':28} {'form':12} {'blocks':>6}  {'head':34} {'s':>4}  result")
    with tempfile.TemporaryDirectory(prefix="engraft-zoo-") as folder:
        # What these models give is of no use to the user's own cache.
        os.environ["ENGRAFT_CACHE"] = os.path.join(folder, "cache")
        for name in options.names or MODELS:
            built = build(name)
            for form in FORMS:
                start = time.monotonic()
                blocks, head, verdict, ok = check(
                    engraft, name, form, built, pathlib.Path(folder))
                seconds = time.monotonic() - start
                checked += 1
                failures += not ok
                print(f"{name:28} {form:12} {blocks!s:>6}  {head:34} "
                      f"{seconds:4.0f}  {verdict}", flush=True)
            del built
            gc.collect()
    print(f"{checked - failures} passed, {failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
