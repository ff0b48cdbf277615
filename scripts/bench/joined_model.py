#!/usr/bin/env python3
"""Makes a model whose final layer sees features of several depths, joined.

For what README.md beside it says of them. What two blocks of the last quarter
give is averaged over places, normalised over channels (layer norm), brought to
the standard deviation of the last features, and put beside these; weights are
the model's own but for a new final layer. Knows the two models that
scripts/bench/plan_regret takes. Needs a Python with torch.
  scripts/bench/joined_model.py [mobilenet_v2|efficientnet_lite0]
writes build/bench/joined_NAME.pt, with a sidecar.
"""

import shutil
import sys

import torch
from torch import nn
from torch.nn import functional as F

from regret_data import ROOT, SHARED

FILES = {
    "mobilenet_v2": SHARED / "models/mobilenet_v2.script.pt",
    "efficientnet_lite0": ROOT / "models/efficientnet_lite0.pt",
}
CLASSES = 1000


class Joined(nn.Module):
    """steps: callables from the picture to the last features, in order."""

    def __init__(self, whole, steps, taps):
        super().__init__()
        self.whole, self._steps, self._taps = whole, steps, taps
        picture = torch.zeros(1, 3, 224, 224)
        width = self.features(picture).shape[1]
        self.fc = nn.Linear(width, CLASSES)

    def features(self, x):
        parts = []
        for number, step in enumerate(self._steps):
            x = step(x)
            if number in self._taps:
                parts.append(x.mean((2, 3)))
        last = x.mean((2, 3))
        spread = last.std(1, keepdim=True)
        return torch.cat([F.layer_norm(part, part.shape[1:]) * spread
                          for part in parts] + [last], 1)

    def forward(self, x):
        return self.fc(F.dropout(self.features(x), 0.2, self.training))


def steps_of(name, model):
    if name == "mobilenet_v2":
        return list(model.features.children())
    return [lambda x: F.relu6(model._bn0(model._conv_stem(x))),
            *model._blocks.children(),
            lambda x: F.relu6(model._bn1(model._conv_head(x)))]


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "efficientnet_lite0"
    out = ROOT / f"build/bench/joined_{name}.pt"
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = torch.jit.load(str(FILES[name])).eval()
    steps = steps_of(name, model)
    n = len(steps)
    with torch.no_grad():
        joined = Joined(model, steps, (n * 3 // 4, n * 5 // 6)).eval()
        torch.jit.trace(joined, torch.randn(1, 3, 224, 224)).save(str(out))
    shutil.copyfile(FILES[name].with_name(f"{name}.json"),
                    out.with_suffix(".json"))
    print(out.relative_to(ROOT))


if __name__ == "__main__":
    main()
