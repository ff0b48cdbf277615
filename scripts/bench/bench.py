#!/usr/bin/env python3
"""Measures engraft beside its peers; scripts/bench/run starts it."""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import contenders
import process
import table

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
MODELS = ("mobilenet_v2", "efficientnet_lite0", "resnet18")
PEERS = ("tutorial", "tuned", "plain")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def say(words):
    print(f"scripts/bench/run: {words}", file=sys.stderr, flush=True)


def stop(words):
    raise SystemExit(f"\nscripts/bench/run: failed: {words}")


def names(allowed):
    def parse(text):
        found = [n for n in text.split(",") if n]
        for name in found:
            if name not in allowed:
                raise argparse.ArgumentTypeError(
                    f"'{name}' is not one of {', '.join(allowed)}")
        return found
    return parse


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def options():
    p = argparse.ArgumentParser(prog="scripts/bench/run")
    p.add_argument("--rounds", type=positive)
    p.add_argument("--rows", type=names(contenders.ROWS),
                   default=list(contenders.ROWS))
    p.add_argument("--models", type=names(MODELS))
    p.add_argument("--peers", type=names(PEERS))
    p.add_argument("--epochs", type=positive)
    p.add_argument("--peer-epochs", type=positive)
    p.add_argument("--threads", type=positive, default=os.cpu_count() or 1)
    p.add_argument("--data", type=pathlib.Path, required=True)
    p.add_argument("--model", type=pathlib.Path)
    p.add_argument("--json", type=pathlib.Path)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--engraft", type=pathlib.Path, required=True)
    p.add_argument("--work", type=pathlib.Path, required=True)
    p.add_argument("--command", default="scripts/bench/run")
    o = p.parse_args()
    o.rounds = o.rounds or (1 if o.quick else 5)
    o.epochs = o.epochs or (2 if o.quick else 25)
    o.peer_epochs = o.peer_epochs or o.epochs
    o.models = o.models or (["efficientnet_lite0"] if o.quick
                            else list(MODELS))
    return o


# Data ---------------------------------------------------------------------

def classes_in(folder):
    """{class: pictures, sorted}, of a folder with a folder a class."""
    return {c.name: sorted(p for p in c.rglob("*")
                           if p.suffix.lower() in PICTURES
                           and not p.name.startswith("."))
            for c in sorted(folder.iterdir())
            if c.is_dir() and not c.name.startswith(".")}


def split(data):
    """{"train": …, "val": …}: the folder's own split, or a fifth by content."""
    if (data / "train").is_dir() and (data / "val").is_dir():
        return {side: classes_in(data / side)
                for side in ("train", "val")}, True
    sides = {"train": {}, "val": {}}
    for name, pictures in classes_in(data).items():
        pictures = sorted(pictures, key=lambda p: hashlib.sha256(
            p.read_bytes()).digest())
        held_out = max(1, len(pictures) // 5)
        sides["val"][name] = pictures[:held_out]
        sides["train"][name] = pictures[held_out:]
    return sides, False


def lay_out(data, work, few):
    """A folder with train and val that every contender reads alike.

    DATA itself where it has them; else, and for a few pictures only, a copy.
    """
    if not data.is_dir():
        stop(f"{data} is no folder")
    sides, own = split(data)
    if not sides["train"] or not all(sides["val"].get(c)
                                     for c in sides["train"]):
        stop(f"{data}: expected one folder of pictures a class")
    if own and not few:
        return data.resolve(), sides
    target = work / "data"
    shutil.rmtree(target, ignore_errors=True)
    limits = {"train": 40, "val": 16}
    for side, found in sides.items():
        for name, pictures in found.items():
            if few:
                pictures = pictures[:max(2, limits[side] // len(found))]
            folder = target / side / name
            folder.mkdir(parents=True)
            for i, picture in enumerate(pictures):
                shutil.copy(picture, folder / f"{i:05d}{picture.suffix}")
            found[name] = pictures
    return target, sides


# Models -------------------------------------------------------------------

def random_resnet18(work):
    """Exported once; its speed is a resnet18's, its answers are nobody's."""
    path = work / "resnet18.pt"
    if not path.exists():
        say("exporting a resnet18 with random weights")
        done = process.run([sys.executable,
                            ROOT / "scripts" / "export_torchvision.py",
                            "resnet18", "--random-weights", "--out", path],
                           log=work / "logs" / "export_resnet18")
        if done.rc:
            return None, done.reason()
    return path, None


def find_models(o, notes):
    if o.model:
        return [contenders.Model(o.model.name.split(".")[0],
                                 o.model.resolve())]
    found = []
    for name in o.models:
        reason, path = None, None
        if name == "mobilenet_v2":
            path = SHARED / "models" / "mobilenet_v2.script.pt"
        elif name == "efficientnet_lite0":
            path = ROOT / "models" / "efficientnet_lite0.pt"
        else:
            path, reason = random_resnet18(o.work)
        if path and path.exists():
            found.append(contenders.Model(name, path, name == "resnet18"))
        else:
            notes.append(f"no {name}: {reason or f'{path.name} is not there'}")
    return found or stop("no model: " + "; ".join(notes))


def prepare(model, setting, rows):
    """Asks engraft about the model; fine-tunes it for row tencrop."""
    env = setting.environment("prepare", model)
    log = setting.work / "logs" / f"{model.name}.prepare"
    done = process.run([setting.engraft, "inspect", model.path, "--json"], env,
                       log)
    if done.rc:
        stop(f"engraft inspect {model.path}: {done.reason()}")
    model.learn_blocks(json.loads(done.out))
    if "tencrop" in rows:
        model.trained = setting.work / f"{model.name}-trained.pt"
        done = process.run([setting.engraft, "train", setting.data, "--model",
                            model.path, "--out", model.trained,
                            "--freeze-until", "all", "--epochs", 3, "--crops",
                            1], env, log)
        if done.rc:
            stop(f"engraft train, for row tencrop: {done.reason()}")


# Header -------------------------------------------------------------------

def cpu():
    """Model, and what of its vector units matters here."""
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    has = set(fields.get("flags", "").split())
    units = [f"{what} {'yes' if flag in has else 'no'}" for what, flag in
             (("avx2", "avx2"), ("avx512", "avx512f"),
              ("bf16", "avx512_bf16"), ("amx", "amx_bf16"))]
    return f"{fields.get('model name', 'unknown')}; {', '.join(units)}"


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def header(o, setting, sides, notes):
    engraft = subprocess.run([setting.engraft, "--version"], text=True,
                             capture_output=True).stdout.strip()
    count = {side: sum(map(len, found.values()))
             for side, found in sides.items()}
    return {
        "machine": f"{cpu()}; {setting.threads} threads for each contender",
        "versions": f"{engraft}; Python {sys.version.split()[0]}, "
                    f"torch {version('torch')}, "
                    f"torchvision {version('torchvision')}, "
                    f"Pillow {version('pillow')}",
        "data": f"{o.data.name}: {len(sides['train'])} classes, "
                f"{count['train']} training pictures, {count['val']} for "
                "validation",
        "rounds": f"{o.rounds}, interleaved; {o.epochs} epochs, of which the "
                  f"peers run {min(o.peer_epochs, o.epochs)}",
        "command": o.command,
        "date": datetime.datetime.now().isoformat(" ", "seconds"),
        "notes": "; ".join(notes) or "none",
    }


# Measuring ----------------------------------------------------------------

def can_run(peers, asked, notes):
    """The peers whose packages are here."""
    have = {name: version(name) != "not installed"
            for name in ("torch", "torchvision", "pillow")}
    if not have["torch"] or not have["pillow"]:
        notes.append("no peers: Python's torch or Pillow is missing")
        return []
    if have["torchvision"]:
        return peers
    if not asked:
        notes.append("no torchvision: only the peer plain, with torch and "
                     "Pillow, is measured")
        return ["plain"]
    missing = [p for p in peers if p != "plain"]
    if missing:
        notes.append(f"without torchvision there is no {', '.join(missing)}")
    return [p for p in peers if p == "plain"]


def cached_verbs(engraft):
    """The commands of engraft that take --cache."""
    return {verb for verb in ("train", "eval", "predict", "plan")
            if "--cache " in subprocess.run([engraft, verb, "--help"],
                                            capture_output=True,
                                            text=True).stdout}


def measure_once(contender, row, model, number):
    when = f"round {number + 1}" if number >= 0 else "warm-up"
    say(f"{when}: {model.name}, {row}, {contender.name}")
    try:
        figures = contender.measure(row, model, number)
    except contenders.Failed as error:
        figures = {"error": str(error),
                   "skipped": isinstance(error, contenders.Skipped)}
    except (KeyError, IndexError, TypeError, ValueError, AttributeError,
            OSError) as error:
        figures = {"error": f"its output is not as expected: {error!r}"}
    if "error" in figures:
        say(f"  {figures['error']}")
    return {"round": number, **figures}


def warm_up(setting, model):
    """Row predict is about a warm file cache."""
    for contender in sum(contenders.contenders(setting, "predict"), []):
        measure_once(contender, "predict", model, -1)


def measure(o, setting, models, results):
    """All rounds, into results: {(model, row): {contender: runs}}.

    Interleaved: a round is everything once, and the order of the contenders
    turns from round to round.
    """
    for number in range(o.rounds):
        for model in models:
            for row in o.rows:
                if row == "decode" and model is not models[0]:
                    continue  # the models want pictures of one size
                if row == "predict" and number == 0:
                    warm_up(setting, model)
                mine, peers = contenders.contenders(setting, row)
                groups = [mine, *([p] for p in peers)]
                turn = number % len(groups)
                runs = results.setdefault((model, row), {
                    c.name: [] for group in groups for c in group})
                for group in groups[turn:] + groups[:turn]:
                    for contender in group:
                        runs[contender.name].append(measure_once(
                            contender, row, model, number))


def as_documents(results):
    return [{"model": {"name": model.name, "file": model.path.name,
                       "random_weights": model.random_weights,
                       "cut": model.cut},
             "row": row, "unit": contenders.ROWS[row][0],
             "contenders": {name: {"summary": table.summarise(runs),
                                   "runs": runs}
                            for name, runs in by_name.items()}}
            for (model, row), by_name in sorted(
                results.items(), key=lambda item: (
                    MODELS.index(item[0][0].name)
                    if item[0][0].name in MODELS else -1,
                    list(contenders.ROWS).index(item[0][1])))]


def main():
    o = options()
    notes = []
    o.work.mkdir(parents=True, exist_ok=True)
    for leftover in ("logs", "inductor", "cache", "user-cache"):
        shutil.rmtree(o.work / leftover, ignore_errors=True)
    for choice in o.work.glob("*.choices.json"):
        choice.unlink()
    peers = can_run(o.peers or list(PEERS), o.peers, notes)
    data, sides = lay_out(o.data, o.work, o.quick)
    models = find_models(o, notes)
    setting = contenders.Setting(
        engraft=o.engraft, engraft_bench=o.engraft.with_name("engraft_bench"),
        work=o.work, data=data, peers=peers, epochs=o.epochs,
        peer_epochs=o.peer_epochs, threads=o.threads,
        quick=o.quick, cached_verbs=cached_verbs(o.engraft),
        picture=next(p for found in [classes_in(data / "val")]
                     for pictures in found.values() for p in pictures))
    if "train" not in setting.cached_verbs:
        notes.append("this engraft has no --cache: every run is a first run")
    if o.quick:
        notes.append("quick: few pictures, no torch.compile; the "
                     "figures show that it runs, not how fast")
    for model in models:
        if model.random_weights:
            notes.append(f"{model.name} has random weights: only its speed "
                         "counts, its accuracy is not compared")
        prepare(model, setting, o.rows)

    results = {}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        measure(o, setting, models, results)
    except KeyboardInterrupt:
        notes.append("interrupted: not all rounds")
    found = as_documents(results)
    goals = table.goals(found)
    top = header(o, setting, sides, notes)
    if o.json:
        o.json.parent.mkdir(parents=True, exist_ok=True)
        o.json.write_text(json.dumps(
            {"header": top, "results": found, "goals": goals}, indent=1)
            + "\n")
        say(f"wrote {o.json}")
    print(table.text(top, found, goals), end="")
    if not any("value" in run for result in found
               for run in result["contenders"].get("engraft",
                                                   {"runs": []})["runs"]):
        stop("engraft was measured in no row")


if __name__ == "__main__":
    main()
