"""What the peers share: their command line, models, cuts and figures.

A peer is one process. It takes --model, --data, --row and --epochs, does what
the row asks for and prints one line of JSON. Import this first: import_s
counts from here.
"""

import time

STARTED = time.monotonic()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402

warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated")
warnings.filterwarnings("ignore", category=DeprecationWarning)

import torch  # noqa: E402
from torch import nn  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

# What a sidecar may leave out: torchvision's ImageNet convention.
IMAGENET = {"resize": 256, "crop": 224, "interpolation": "bilinear",
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def parse(description, rows):
    """The command line of a peer; sets threads and seed."""
    cores = os.cpu_count() or 1
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--model", type=pathlib.Path, required=True,
                   metavar="FILE.pt", help="TorchScript file with a sidecar")
    p.add_argument("--data", type=pathlib.Path, metavar="DIR",
                   help="folders train and val, in each one folder a class")
    p.add_argument("--row", choices=rows, default="head")
    p.add_argument("--epochs", type=int, default=25)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=cores)
    p.add_argument("--workers", type=int, default=min(4, cores))
    p.add_argument("--frozen-parameters", type=int, default=0, metavar="N",
                   help="row last_third: the first N numbers stay as they are")
    p.add_argument("--trained", type=pathlib.Path, metavar="FILE.pt",
                   help="row tencrop: the fine-tuned model to test")
    p.add_argument("--pictures", type=int, default=64,
                   help="row decode: how many to prepare")
    p.add_argument("--choices", type=pathlib.Path, metavar="FILE",
                   help="peer_tuned: where it notes what it measured as best")
    p.add_argument("--no-trials", action="store_true",
                   help="peer_tuned: fp32 and no compiler, unmeasured")
    options = p.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    return options


def report(**figures):
    """The peer's one line."""
    print(json.dumps(figures))


def input_spec(path):
    """The "input" part of the sidecar beside FILE.pt or FILE.script.pt."""
    return IMAGENET | sidecar(path).get("input", {})


def sidecar(path):
    for name in (path.with_suffix(".json"),
                 path.with_name(path.name.split(".")[0] + ".json")):
        if name.exists():
            return json.loads(name.read_text())
    return {}


def have_torchvision():
    try:
        import export_torchvision
        export_torchvision.import_torchvision()
        return True
    except (ImportError, RuntimeError):
        return False


# Models -------------------------------------------------------------------

def architecture(name):
    """The eager module that a sidecar's "arch" names, or None."""
    if name == "efficientnet_lite0":
        wheels = sorted((ROOT / "downloads").glob(
            "efficientnet_lite_pytorch-*.whl"))
        if not wheels:
            return None
        sys.path.insert(0, str(wheels[-1]))
        from efficientnet_lite_pytorch import EfficientNet
        return EfficientNet.from_name("efficientnet-lite0")
    if name and have_torchvision():
        from torchvision import models
        if name in models.list_models():
            return models.get_model(name, weights=None)
    return None


def load(path, classes=None):
    """The model with its weights, and with a new final layer for `classes`.

    An eager module where its architecture is at hand, else the TorchScript
    module itself.
    """
    script = torch.jit.load(str(path))
    model = architecture(sidecar(path).get("arch"))
    if model is None:
        model = script
    else:
        model.load_state_dict(script.state_dict())
    if classes:
        replace_final_layer(model, classes)
    return model


def final_layer(model):
    """(path, module) of the last linear layer."""
    linear = [(name, module) for name, module in model.named_modules()
              if isinstance(module, nn.Linear)
              or getattr(module, "original_name", "") == "Linear"]
    if not linear:
        raise SystemExit("the model has no linear layer")
    return linear[-1]


def replace_final_layer(model, classes):
    path, old = final_layer(model)
    new = nn.Linear(old.weight.shape[1], classes)
    if isinstance(model, torch.jit.ScriptModule):
        # The layer's code takes its size from its tensors.
        old.weight, old.bias = new.weight, new.bias
    else:
        model.set_submodule(path, new)


def load_trained(path, trained, classes):
    """The model with the weights that engraft fine-tuned."""
    model = load(path, classes)
    model.load_state_dict(torch.jit.load(str(trained)).state_dict())
    return model.eval()


class DropConnected(nn.Module):
    """A block of EfficientNet with its rate of stochastic depth."""

    def __init__(self, block, rate):
        super().__init__()
        self.block, self.rate = block, rate

    def forward(self, x):
        return self.block(x, drop_connect_rate=self.rate)


def stages(model):
    """The model as a list of modules in a row, its final layer the last.

    Raises SystemExit for an architecture that is not known here.
    """
    kind = type(model).__name__
    if kind == "MobileNetV2":
        return [*model.features, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                *model.classifier]
    if kind == "ResNet":
        return [nn.Sequential(model.conv1, model.bn1, model.relu,
                              model.maxpool),
                *model.layer1, *model.layer2, *model.layer3, *model.layer4,
                model.avgpool, nn.Flatten(), model.fc]
    if kind == "EfficientNet" and hasattr(model, "_conv_stem"):
        rate = model._global_params.drop_connect_rate or 0
        count = len(model._blocks)
        return [nn.Sequential(model._conv_stem, model._bn0, model._swish),
                *(DropConnected(b, rate * i / count)
                  for i, b in enumerate(model._blocks)),
                nn.Sequential(model._conv_head, model._bn1, model._swish),
                model._avg_pooling, nn.Flatten(), model._dropout, model._fc]
    raise SystemExit(f"do not know how to cut a {kind} into stages")


# Freezing -----------------------------------------------------------------

def freeze(model, row, frozen_parameters):
    """Sets requires_grad as the row says; returns the trainable tensors.

    row head: the final layer alone. row all: everything. row last_third: all
    but the first parameters, `frozen_parameters` numbers in all, which is
    where engraft cut.
    """
    if row == "head":
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        final = final_layer(model)[1]
        for tensor in (final.weight, final.bias):
            tensor.requires_grad_(True)
    elif row == "last_third":
        count = 0
        for name, parameter in model.named_parameters():
            if count >= frozen_parameters:
                break
            parameter.requires_grad_(False)
            count += parameter.numel()
        if count != frozen_parameters:
            raise SystemExit(f"the cut lies after {frozen_parameters} numbers, "
                             f"but {name} starts after {count}")
    return [p for p in model.parameters() if p.requires_grad]


def train_mode(model, row):
    """Train mode; in row last_third frozen BatchNorm keeps its statistics.

    In row head everything is in train mode, as in the tutorial.
    """
    model.train()
    if row != "last_third":
        return
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(p.requires_grad for p in own):
            module.eval()


# Figures ------------------------------------------------------------------

class Clock:
    """Seconds of each epoch; an epoch is training and validation."""

    def __init__(self):
        self.epochs = []
        self._start = time.monotonic()

    def start(self):
        self._start = time.monotonic()

    def lap(self):
        now = time.monotonic()
        self.epochs.append(round(now - self._start, 4))
        self._start = now


def accuracy(logits, labels):
    """Share of right answers."""
    return (logits.argmax(1) == labels).float().mean().item()


def best_time(function, repeats=2, hopeless=float("inf")):
    """Seconds of the fastest call, after one that is not counted.

    A first call of more than `hopeless` seconds is the answer.
    """
    start = time.monotonic()
    function()
    first = time.monotonic() - start
    if first > hopeless:
        return first
    times = []
    for _ in range(repeats):
        start = time.monotonic()
        function()
        times.append(time.monotonic() - start)
    return min(times)


def pictures_in(folder, count=None):
    """The pictures below a folder by name, or `count` evenly among them."""
    ends = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
    found = sorted(p for p in folder.rglob("*")
                   if p.suffix.lower() in ends and not p.name.startswith("."))
    if count is None or count >= len(found):
        return found
    return [found[i * len(found) // count] for i in range(count)]


def milliseconds_a_picture(view, paths):
    """Mean over the pictures of what `view(path)` takes, on one thread."""
    torch.set_num_threads(1)
    for path in paths:
        path.read_bytes()  # into the file cache
    for path in paths[:5]:
        view(path)
    start = time.monotonic()
    for path in paths:
        view(path)
    return (time.monotonic() - start) * 1e3 / len(paths)
