#!/usr/bin/env python3
"""Makes a MobileNetV2 without batch norms, and one that large steps harm.

For what README.md beside it says of models that no rule was made for. The batch
norms of ../shared/models/mobilenet_v2.script.pt are folded into the convolutions.
With SCALE, the weights of these are divided by it and what they give is
multiplied: the same function, but each step of Adam, which does not see how
large a weight is, changes it SCALE times as much. Needs a Python with torch and
torchvision.
  scripts/bench/folded_model.py [SCALE]
writes build/bench/folded_SCALE.pt (SCALE 1 where none is given), with a sidecar.
"""

import shutil
import sys

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from regret_data import ROOT, SHARED

sys.path.insert(0, str(ROOT / "scripts"))
from export_torchvision import import_torchvision  # noqa: E402


class Scaled(nn.Module):
    """The convolution, with weights that are so many times smaller."""

    def __init__(self, convolution, scale):
        super().__init__()
        self._scale = scale
        self.bias = nn.Parameter(convolution.bias.data[:, None, None])
        convolution.bias = None
        convolution.weight.data /= scale
        self.convolution = convolution

    def forward(self, x):
        return self.convolution(x) * self._scale + self.bias


def scale_convolutions(module, scale):
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, name, Scaled(child, scale))
        else:
            scale_convolutions(child, scale)


def main():
    scale = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    out = ROOT / f"build/bench/folded_{scale}.pt"
    out.parent.mkdir(parents=True, exist_ok=True)
    source = torch.jit.load(str(SHARED / "models/mobilenet_v2.script.pt")).eval()
    model = import_torchvision().models.mobilenet_v2(weights=None).eval()
    model.load_state_dict(source.state_dict())
    folded = fuse(model)
    if scale != 1:
        scale_convolutions(folded, scale)
    picture = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(folded(picture), source(picture),
                                   rtol=1e-4, atol=1e-4)
        torch.jit.trace(folded, picture).save(str(out))
    shutil.copyfile(SHARED / "models/mobilenet_v2.json",
                    out.with_suffix(".json"))
    print(out.relative_to(ROOT))


if __name__ == "__main__":
    main()
