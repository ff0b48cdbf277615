"""The training loop of the PyTorch transfer-learning tutorial's recipe.

peer_tutorial and peer_plain differ in how they prepare pictures, and share
this: batches of 4, SGD 0.001 with momentum 0.9, a tenth of the rate every 7
epochs, training and validation in each epoch, the best epoch wins.
"""

import copy
import time

import peer_common as common
import torch
from torch import nn
from torch.utils.data import DataLoader


def fine_tune(options, datasets, classes):
    """Rows head, last_third and all. datasets: {"train": …, "val": …}."""
    imported = time.monotonic()
    loaders = {side: DataLoader(datasets[side], batch_size=4,
                                shuffle=side == "train",
                                num_workers=options.workers)
               for side in ("train", "val")}
    model = common.load(options.model, classes)
    live = common.freeze(model, options.row, options.frozen_parameters)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(live, lr=0.001, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7,
                                                gamma=0.1)
    loaded = time.monotonic()

    clock = common.Clock()
    history, best, best_state = [], -1.0, None
    for _ in range(options.epochs):
        common.train_mode(model, options.row)
        for images, labels in loaders["train"]:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
        scheduler.step()

        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in loaders["val"]:
                right += (model(images).argmax(1) == labels).sum().item()
        history.append(right / len(datasets["val"]))
        if history[-1] > best:
            best, best_state = history[-1], copy.deepcopy(model.state_dict())
        clock.lap()
    model.load_state_dict(best_state)

    common.report(row=options.row, import_s=imported - common.STARTED,
                  load_s=loaded - imported, epoch_s=clock.epochs,
                  accuracy=best, accuracy_last=history[-1],
                  live_parameters=sum(p.numel() for p in live))


def ten_crop(options, dataset, classes):
    """Row tencrop: the mean of ten crops' probabilities, 4 pictures a batch.

    The dataset gives [10, 3, H, W] a picture.
    """
    imported = time.monotonic()
    loader = DataLoader(dataset, batch_size=4, num_workers=options.workers)
    model = common.load_trained(options.model, options.trained, classes)
    loaded = time.monotonic()
    right = 0
    with torch.no_grad():
        for crops, labels in loader:
            count, views = crops.shape[:2]
            probabilities = model(crops.flatten(0, 1)).softmax(1)
            mean = probabilities.view(count, views, -1).mean(1)
            right += (mean.argmax(1) == labels).sum().item()
    common.report(row=options.row, import_s=imported - common.STARTED,
                  load_s=loaded - imported,
                  eval_s=time.monotonic() - loaded,
                  accuracy=right / len(dataset))
