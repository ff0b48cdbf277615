#!/usr/bin/env python3
"""Peer: what a picture shows, in as few lines of Python as it takes.

  peer_predict.py MODEL.pt SIDECAR.json PICTURE THREADS
"""

import json
import sys

import torch
from PIL import Image

model_path, sidecar, picture, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
with open(sidecar) as file:
    spec = json.load(file)["input"]
model = torch.jit.load(model_path).eval()

image = Image.open(picture).convert("RGB")
scale = spec["resize"] / min(image.size)
image = image.resize([round(n * scale) for n in image.size],
                     Image.Resampling[spec["interpolation"].upper()])
left, top = ((n - spec["crop"]) // 2 for n in image.size)
image = image.crop((left, top, left + spec["crop"], top + spec["crop"]))
data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
data = data.view(spec["crop"], spec["crop"], 3).permute(2, 0, 1).float() / 255
mean, std = (torch.tensor(spec[k]).view(3, 1, 1) for k in ("mean", "std"))

with torch.inference_mode():
    probabilities = model(((data - mean) / std)[None]).softmax(1)[0]
best = int(probabilities.argmax())
print(json.dumps({"index": best, "probability": float(probabilities[best])}))
