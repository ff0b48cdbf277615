"""What the export_* scripts share: TorchScript files with a sidecar.

A model becomes NAME.pt, scripted or traced, and NAME.json beside it, which
records how its input is prepared and what its classes are called.
"""

import argparse
import json
import os
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated")
warnings.filterwarnings("ignore", category=DeprecationWarning)

import torch  # noqa: E402


def parser(description, example_name):
    """The command line that export_torchvision and export_timm share."""
    p = argparse.ArgumentParser(
        description=description,
        epilog=f"Example: %(prog)s {example_name} --out {example_name}.pt")
    p.add_argument("name", metavar="NAME", help=f"for example {example_name}")
    p.add_argument("--out", type=pathlib.Path, metavar="OUT.pt",
                   help="the file to write; its sidecar is OUT.json "
                        "(default: NAME.pt)")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--script", dest="form", action="store_const",
                      const="script", help="script it, or fail")
    form.add_argument("--trace", dest="form", action="store_const",
                      const="trace", help="trace it (default: script it when "
                      "it scripts, else trace it)")
    p.add_argument("--train-mode", action="store_true",
                   help="trace in train mode instead of eval mode")
    p.add_argument("--random-weights", action="store_true",
                   help="download nothing; weights are random, and so are "
                        "the statistics of the BatchNorm layers")
    p.add_argument("--seed", type=int, default=0,
                   help="of random weights (default: %(default)s)")
    return p


def input_spec(resize, crop, interpolation, mean, std):
    """The "input" part of a sidecar."""
    return {
        "resize": int(resize),
        "crop": int(crop),
        "interpolation": interpolation,
        "mean": [float(v) for v in mean],
        "std": [float(v) for v in std],
        "channels": "RGB",
        "range": [0, 1],
    }


def main_output(output):
    """The logits among what a model returns: GoogLeNet returns a tuple."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, dict):
        return output["logits"] if "logits" in output else output["out"]
    return output[0]


@torch.no_grad()
def randomise_statistics(model, crop, seed):
    """Gives BatchNorm the statistics of noise, then moves all of them a bit.

    Fresh BatchNorm is nearly the identity, which would hide mistakes; and a
    deep model of random weights without fitting statistics over- or underflows.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = [m for m in model.modules()
             if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)
             and m.track_running_stats]
    momenta = [m.momentum for m in norms]
    for m in norms:
        m.momentum = 1.0
    if norms:
        model.train()
        model(torch.randn(4, 3, crop, crop, generator=generator))
    model.eval()

    def near_one(tensor):
        return 0.8 + 0.4 * torch.rand(tensor.shape, generator=generator)

    for m, momentum in zip(norms, momenta):
        m.momentum = momentum
        m.num_batches_tracked.zero_()
        m.running_var.mul_(near_one(m.running_var))
        m.running_mean.add_((near_one(m.running_mean) - 1)
                            * m.running_var.sqrt())
        if m.affine:
            m.weight.mul_(near_one(m.weight))
            m.bias.add_(near_one(m.bias) - 1)


def to_torchscript(model, crop, form=None, train_mode=False):
    """Returns (module, "script" or "trace"). form None: whatever works."""
    model.eval()
    if form != "trace" and not train_mode:
        try:
            return torch.jit.script(model), "script"
        except Exception as error:
            if form == "script":
                raise
            reason = str(error).strip().splitlines()
            print(f"does not script ({reason[0] if reason else type(error)}); "
                  "tracing it", file=sys.stderr)
    # Two pictures: in train mode BatchNorm needs more than one value a channel.
    example = torch.randn(2, 3, crop, crop,
                          generator=torch.Generator().manual_seed(1))
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.train(train_mode)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(model, example, check_trace=False,
                                 strict=False)
    # Tracing in train mode ran the BatchNorm layers, which moved their
    # statistics; the two share their tensors.
    with torch.no_grad():
        for key, value in model.state_dict().items():
            value.copy_(state[key])
    model.eval()
    return traced, "trace"


@torch.no_grad()
def largest_difference(path, model, crop):
    """Between the file and the model it was made from, on one noise batch."""
    images = torch.randn(2, 3, crop, crop,
                         generator=torch.Generator().manual_seed(2))
    loaded = torch.jit.load(str(path)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = main_output(loaded(images))
    want = main_output(model.eval()(images))
    return (got - want).abs().max().item(), want.abs().max().item()


def write(model, out, arch, source, spec, classes, form=None,
          train_mode=False, quiet=False):
    """Writes OUT.pt and OUT.json, proves the file, says what was written."""
    out = pathlib.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(out.name + ".part")
    module, form = to_torchscript(model, spec["crop"], form, train_mode)
    module.save(str(part))
    proof = "mode baked: train"
    if not train_mode:
        difference, scale = largest_difference(part, model, spec["crop"])
        proof = f"difference from the original {difference:.1e}"
        if not difference <= 1e-4 * max(1.0, scale):
            part.unlink()
            raise SystemExit(f"{out}: {proof}, logits up to {scale:.3g}: the "
                             "file does not compute what the model does")
    sidecar = {"arch": arch, "source": source, "classes": classes,
               "input": spec}
    out.with_suffix(".json").write_text(json.dumps(sidecar, indent=1) + "\n")
    part.rename(out)
    if not quiet:
        print(f"{os.path.relpath(out)}: {form} of {arch}, input "
              f"{spec['crop']}, {out.stat().st_size / 1e6:.1f} MB, {proof}")
