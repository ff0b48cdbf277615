#!/usr/bin/env python3
"""Peer: what somebody who knows PyTorch well would write.

channels_last; the frozen front under inference_mode, as a graph of its own;
batches of 32, workers that stay, AdamW with a cosine schedule; the allocator
keeps its memory. bf16 autocast and torch.compile (with frozen weights for what
is not trained) are used where a measurement on one batch says that they are
faster. What choosing and compiling took is compile_s, apart from the rest; with
--choices FILE a later process takes over the choice instead of measuring again.
"""

import contextlib
import ctypes
import json
import time

import peer_common as common
import peer_tutorial
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets

BATCH = 32
TEN_CROP_BATCH = 4
HEAD_RATE, BACKBONE_RATE = 2e-3, 2e-4


class Choices:
    """What was measured as fastest, and the seconds that this took."""

    def __init__(self, options):
        self.path = options.choices
        self.trials = not options.no_trials
        self.made, self.times, self.notes = {}, {}, []
        self.seconds = 0.0
        if self.path and self.path.exists():
            self.made = json.loads(self.path.read_text())

    @contextlib.contextmanager
    def apart(self):
        start = time.monotonic()
        yield
        self.seconds += time.monotonic() - start

    def may_compile(self, what):
        return self.trials and self.made.get(what) != "eager"

    def fastest(self, what, forms, hopeless=float("inf")):
        """The name of the fastest of {name: function without arguments}.

        One whose first call takes `hopeless` times the best is given up.
        """
        if not self.trials:
            return next(iter(forms))
        if what not in self.made:
            times = {}
            for name, function in forms.items():
                best = min(times.values(), default=float("inf"))
                try:
                    times[name] = common.best_time(function,
                                                   hopeless=hopeless * best)
                except Exception as error:  # a compiler has many ways to fail
                    words = (str(error).strip().splitlines() or [""])[0]
                    self.notes.append(f"{name} failed: {words[:100]}")
            self.made[what] = min(times, key=times.get)
            self.times[what] = {k: round(v, 4) for k, v in times.items()}
            if self.path:
                self.path.write_text(json.dumps(self.made))
        return self.made[what]


def keep_memory():
    """glibc hands large blocks back to the system, and the next batch faults
    every page in again: half of the time of a forward pass of 32 pictures."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        mmap_max, trim_threshold, top_pad = -4, -1, -2
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 2**28)


def bf16(enabled):
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def channels_last(images):
    return images.contiguous(memory_format=torch.channels_last)


def whole_batches(function, size):
    """A compiled graph has one batch size: fills a smaller batch up."""
    def call(images):
        count = len(images)
        if count < size:
            filling = images.new_zeros(size - count, *images.shape[1:])
            images = channels_last(torch.cat([images, filling]))
        return function(images)[:count]
    return call


def inference_form(module, example, choices, what):
    """The fastest way to run a module in eval mode and without gradients."""
    def form(half, compiled=None):
        def call(images):
            with torch.inference_mode(), bf16(half):
                return (compiled or module)(images)
        return call

    with choices.apart():
        module.eval()
        few = example[:4]
        half = choices.fastest(f"{what} precision", {
            "fp32": lambda: form(False)(few),
            "bf16": lambda: form(True)(few)}, hopeless=5) == "bf16"
        if not choices.may_compile(f"{what} graph"):
            return form(half)
        compiled = form(half, torch.compile(module, dynamic=False,
                                            options={"freezing": True}))
        if choices.fastest(f"{what} graph", {
                "eager": lambda: form(half)(example),
                "compiled": lambda: compiled(example)}) == "eager":
            return form(half)
        compiled(example)
        return whole_batches(compiled, len(example))


def training_form(module, example, choices):
    """The fastest way to run the live part forwards and backwards."""
    labels = torch.zeros(len(example), dtype=torch.long)

    def form(half, compiled=None):
        def call(features):
            # The compiled graph has one batch size.
            whole = compiled is not None and len(features) == len(example)
            with bf16(half):
                return (compiled if whole else module)(features).float()
        return call

    def step(function, features):
        loss = nn.functional.cross_entropy(function(features),
                                           labels[:len(features)])
        loss.backward()

    with choices.apart():
        state = {k: v.clone() for k, v in module.state_dict().items()}
        few = example[:4]
        half = choices.fastest("live precision", {
            "fp32": lambda: step(form(False), few),
            "bf16": lambda: step(form(True), few)}, hopeless=5) == "bf16"
        chosen = form(half)
        if choices.may_compile("live graph"):
            compiled = form(half, torch.compile(module, dynamic=False))
            if choices.fastest("live graph", {
                    "eager": lambda: step(chosen, example),
                    "compiled": lambda: step(compiled, example)}) == "compiled":
                step(compiled, example)
                chosen = compiled
        module.zero_grad(set_to_none=True)
        module.load_state_dict(state)  # BatchNorm has seen the example
    return chosen


def split(model, row):
    """(frozen front or None, live rest) as two modules."""
    parts = common.stages(model)
    cut = next(i for i, part in enumerate(parts)
               if any(p.requires_grad for p in part.parameters()))
    while cut and isinstance(parts[cut - 1], nn.Dropout):
        cut -= 1
    front = nn.Sequential(*parts[:cut]) if cut else None
    return front, nn.Sequential(*parts[cut:])


def optimizer_of(model, live, steps):
    final = list(common.final_layer(model)[1].parameters())
    rest = [p for p in live if not any(p is q for q in final)]
    groups = [{"params": final, "lr": HEAD_RATE}]
    if rest:
        groups.append({"params": rest, "lr": BACKBONE_RATE})
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-2, fused=True)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=steps)


def loader_of(options, dataset, batch, shuffle=False):
    return DataLoader(dataset, batch_size=batch, shuffle=shuffle,
                      num_workers=options.workers,
                      persistent_workers=options.workers > 0)


def fine_tune(options, spec):
    """Rows head, last_third and all."""
    imported = time.monotonic()
    train = datasets.ImageFolder(options.data / "train",
                                 peer_tutorial.training_view(spec))
    val = datasets.ImageFolder(options.data / "val",
                               peer_tutorial.validation_view(spec))
    model = common.load(options.model, len(train.classes))
    model = model.to(memory_format=torch.channels_last)
    live = common.freeze(model, options.row, options.frozen_parameters)
    front, rest = split(model, options.row)
    train_loader = loader_of(options, train, BATCH, shuffle=True)
    val_loader = loader_of(options, val, BATCH)
    optimizer, scheduler = optimizer_of(
        model, live, options.epochs * len(train_loader))
    loaded = time.monotonic()

    choices = Choices(options)
    example = channels_last(torch.randn(min(BATCH, len(train)), 3,
                                        spec["crop"], spec["crop"]))
    frozen = forward = None
    if front is not None:
        frozen = inference_form(front, example, choices, "front")
        example = frozen(example).float().clone()
    common.train_mode(rest, "last_third")
    if options.row != "head":  # a single layer needs no choice
        forward = training_form(rest, example, choices)

    def features_of(images):
        images = channels_last(images)
        # Outside inference_mode, what autograd keeps must be a copy.
        return images if frozen is None else frozen(images).float().clone()

    clock = common.Clock()
    history = []
    for _ in range(options.epochs):
        common.train_mode(rest, "last_third")
        for images, labels in train_loader:
            features = features_of(images)
            logits = (forward or rest)(features)
            loss = nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            scheduler.step()
        rest.eval()
        right = 0
        for images, labels in val_loader:
            features = features_of(images)
            with torch.inference_mode():
                right += (rest(features).argmax(1) == labels).sum().item()
        history.append(right / len(val))
        clock.lap()

    common.report(row=options.row, import_s=imported - common.STARTED,
                  load_s=loaded - imported, epoch_s=clock.epochs,
                  accuracy=max(history), accuracy_last=history[-1],
                  compile_s=choices.seconds, choices=choices.made,
                  choice_s=choices.times, note="; ".join(choices.notes),
                  live_parameters=sum(p.numel() for p in live))


def ten_crop(options, spec):
    imported = time.monotonic()
    val = datasets.ImageFolder(options.data / "val",
                               peer_tutorial.ten_views(spec))
    model = common.load_trained(options.model, options.trained,
                                len(val.classes))
    model = model.to(memory_format=torch.channels_last)
    loader = loader_of(options, val, TEN_CROP_BATCH)
    loaded = time.monotonic()
    choices = Choices(options)
    example = channels_last(torch.randn(10 * TEN_CROP_BATCH, 3, spec["crop"],
                                        spec["crop"]))
    forward = inference_form(model, example, choices, "model")

    start = time.monotonic()
    right = 0
    for crops, labels in loader:
        count, views = crops.shape[:2]
        logits = forward(channels_last(crops.flatten(0, 1))).float()
        mean = logits.softmax(1).view(count, views, -1).mean(1)
        right += (mean.argmax(1) == labels).sum().item()
    common.report(row=options.row, import_s=imported - common.STARTED,
                  load_s=loaded - imported,
                  eval_s=time.monotonic() - start, accuracy=right / len(val),
                  compile_s=choices.seconds, choices=choices.made,
                  choice_s=choices.times, note="; ".join(choices.notes))


def matrix_rate(side=2048):
    """GFLOP/s of a large fp32 matrix product."""
    a, b = torch.randn(side, side), torch.randn(side, side)
    return 2e-9 * side ** 3 / common.best_time(lambda: a @ b, repeats=5)


def prefix(options, spec):
    """Row prefix: images/s of everything before the final layer."""
    from torch.utils.flop_counter import FlopCounterMode
    model = common.load(options.model).to(memory_format=torch.channels_last)
    front = nn.Sequential(*common.stages(model)[:-1]).eval()
    images = channels_last(torch.randn(BATCH, 3, spec["crop"], spec["crop"]))
    rates, notes, compile_s = {}, [], 0.0
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            front(images[:1])
        gemm = matrix_rate()
        rates["eager"] = BATCH / common.best_time(lambda: front(images), 3)
        if not options.no_trials:
            compiled = torch.compile(front, dynamic=False,
                                     options={"freezing": True})
            start = time.monotonic()
            try:
                compiled(images)
                compile_s = time.monotonic() - start
                rates["compiled"] = BATCH / common.best_time(
                    lambda: compiled(images), 5)
            except Exception as error:
                words = (str(error).strip().splitlines() or [""])[0]
                notes.append(f"torch.compile failed: {words[:100]}")
    common.report(row=options.row, images_per_s=rates, gemm_gflops=gemm,
                  flops_per_image=counter.get_total_flops(),
                  compile_s=compile_s, note="; ".join(notes))


def main():
    options = common.parse(__doc__, ["head", "last_third", "all", "tencrop",
                                     "prefix"])
    keep_memory()
    spec = common.input_spec(options.model)
    if options.row == "prefix":
        prefix(options, spec)
    elif options.row == "tencrop":
        ten_crop(options, spec)
    else:
        fine_tune(options, spec)


if __name__ == "__main__":
    main()
