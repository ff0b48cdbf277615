"""Who runs in which row, with which command, and what its output means.

A contender's measure() gives one dict: `value` in the row's unit, and what it
knows of accuracy, peak_mb, tree_mb, compile_s, epoch_s, extrapolated, extra.
It raises Failed, with the reason, where nothing was measured.
"""

import json
import pathlib
import shutil
import statistics
import sys

import process

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# row: (unit, whether less is better, peers that can run it)
ROWS = {
    "head": ("s", True, ("tutorial", "tuned", "plain")),
    "last_third": ("s", True, ("tutorial", "tuned", "plain")),
    "all": ("s", True, ("tutorial", "tuned", "plain")),
    "tencrop": ("s", True, ("tutorial", "tuned", "plain")),
    "decode": ("ms/picture", True, ("tutorial", "plain")),
    "prefix": ("pictures/s", False, ("tuned",)),
    "predict": ("s", True, ("python",)),
}


class Failed(Exception):
    """Why a contender has no number."""


class Skipped(Failed):
    """It was not meant to run here; the reason is a note, not a fault."""


class Setting:
    """What all contenders of a benchmark share."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def environment(self, row, model):
        compiled = self.work / "inductor" / f"{model.name}-{row}"
        return {"OMP_NUM_THREADS": str(self.threads),
                "MKL_NUM_THREADS": str(self.threads),
                "TORCHINDUCTOR_CACHE_DIR": str(compiled),
                "XDG_CACHE_HOME": str(self.work / "user-cache")}

    def fresh(self, name):
        """An empty folder."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


class Model:
    """A model file, and what engraft's inspect says of its blocks."""

    def __init__(self, name, path, random_weights=False):
        self.name, self.path = name, pathlib.Path(path)
        self.random_weights = random_weights
        self.cut, self.frozen_parameters, self.trained = None, None, None

    def learn_blocks(self, inspection):
        """The cut at two thirds of the blocks before the head."""
        sizes = [block["parameters"] for block in inspection["blocks"][:-1]]
        self.cut = round(2 / 3 * len(sizes))
        self.frozen_parameters = sum(sizes[:self.cut])

    def sidecar(self):
        for path in (self.path.with_suffix(".json"),
                     self.path.with_name(self.path.name.split(".")[0]
                                         + ".json")):
            if path.exists():
                return path
        raise Failed(f"{self.path} has no sidecar")


def measured(setting, command, row, model, who, number):
    """Runs a command; its figures, without `value`."""
    run = process.run(command, setting.environment(row, model),
                      setting.work / "logs" / f"{model.name}.{row}.{who}."
                      f"{number}")
    if run.rc:
        raise Failed(run.reason())
    return run, {"seconds": run.seconds, "peak_mb": run.peak_mb,
                 "tree_mb": run.tree_mb, "command": shown(run.command)}


def shown(command):
    """With paths as from the project's root."""
    return " ".join(command).replace(f"{ROOT}/", "").replace(
        f"{ROOT.parent}/", "../")


# engraft ------------------------------------------------------------------

class Engraft:
    """The project's binary. `again`: the same command on a filled cache."""

    def __init__(self, setting, again=False):
        self.setting, self.again = setting, again
        self.name = "engraft again" if again else "engraft"

    def cache(self, verb, row, model, fresh=True):
        """The options that give a run a cache of its own."""
        if verb not in self.setting.cached_verbs:
            return []
        name = f"cache/{model.name}-{row}"
        folder = self.setting.fresh(name) if fresh else \
            self.setting.work / name
        return ["--cache", folder]

    def measure(self, row, model, number):
        return getattr(self, row)(row, model, number)

    def _json(self, command, row, model, number):
        run, figures = measured(
            self.setting, [self.setting.engraft, *command], row, model,
            self.name.replace(" ", "-"), number)
        figures["value"] = figures["seconds"]
        return json.loads(run.out), figures

    def _train(self, row, model, number, *more):
        document, figures = self._json(
            ["train", self.setting.data, "--model", model.path, "--out",
             self.setting.work / f"{model.name}-{row}.pt", "--crops", 1,
             "--seed", number, "--json", *more,
             *self.cache("train", row, model, not self.again)],
            row, model, number)
        figures["accuracy"] = document["val"]["top1"]
        figures["epoch_s"] = [e["seconds"] for e in document["epochs"]]
        return figures

    def head(self, row, model, number):
        if self.again and "train" not in self.setting.cached_verbs:
            raise Skipped("this engraft has no --cache")
        return self._train(row, model, number, "--freeze-until", "all")

    def last_third(self, row, model, number):
        return self._train(row, model, number, "--freeze-until", model.cut,
                           "--epochs", self.setting.epochs)

    def all(self, row, model, number):
        return self._train(row, model, number, "--freeze-until", "none",
                           "--epochs", 1, "--head-epochs", 0)

    def tencrop(self, row, model, number):
        document, figures = self._json(
            ["eval", model.trained, self.setting.data, "--split", "val",
             "--crops", 10, "--json", *self.cache("eval", row, model)],
            row, model, number)
        figures["accuracy"] = document["top1"]
        return figures

    def predict(self, row, model, number):
        document, figures = self._json(
            ["predict", model.path, self.setting.picture, "--json",
             *self.cache("predict", row, model)], row, model, number)
        figures["extra"] = {"index": document["top"][0]["index"]}
        return figures

    def decode(self, row, model, number):
        rows = self._benchmarks("TrainingView|ViewsOfOneDecoding", row, model,
                                number)
        per = {name: milliseconds(r) for name, r in rows.items()}
        # One decoding gives all views of a picture, as in training.
        views = rows["ViewsOfOneDecoding"]
        return {"value": 1e3 / views["items_per_second"],
                "extra": {"ms_per_picture": {
                    "crop+flip": per.get("TrainingView/crop_flip"),
                    "crop+flip+colour": per.get("TrainingView/colours")},
                    "benchmarks": per}}

    def prefix(self, row, model, number):
        rows = self._benchmarks("Prefix", row, model, number)
        rates = {name: r["items_per_second"] for name, r in rows.items()
                 if r.get("items_per_second")}
        if not rates:
            raise Failed("engraft_bench gave no items_per_second")
        # kind:0 is engraft's own choice; the others are what it chose from.
        own = [v for name, v in rates.items() if "kind:0" in name]
        return {"value": own[0] if own else max(rates.values()),
                "extra": {"benchmarks": rates}}

    def _benchmarks(self, pattern, row, model, number):
        binary = self.setting.engraft_bench
        if not binary.exists():
            raise Skipped(f"no {binary.name} was built")
        env = {**self.setting.environment(row, model),
               "ENGRAFT_BENCH_MODEL": str(model.path),
               "ENGRAFT_BENCH_DATA": str(self.setting.data)}
        run = process.run([binary, f"--benchmark_filter={pattern}",
                           "--benchmark_format=json"], env,
                          self.setting.work / "logs" /
                          f"{model.name}.{row}.engraft.{number}")
        if run.rc:
            raise Failed(run.reason())
        try:
            rows = json.loads(run.out)["benchmarks"]
        except ValueError:
            rows = []
        rows = {r["name"]: r for r in rows if not r.get("error_occurred")
                and r.get("run_type", "iteration") == "iteration"}
        if not rows:
            raise Skipped(f"engraft_bench has no {pattern} benchmark that runs")
        return rows


def milliseconds(benchmark):
    unit = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
    return benchmark["real_time"] * unit[benchmark.get("time_unit", "ns")]


# peers --------------------------------------------------------------------

class Peer:
    """peer_NAME.py."""

    def __init__(self, setting, name):
        self.setting, self.name = setting, name

    def command(self, row, model, number):
        s = self.setting
        words = [sys.executable, HERE / f"peer_{self.name}.py", "--model",
                 model.path, "--data", s.data, "--row", row, "--seed", number,
                 "--threads", s.threads, "--epochs", self.epochs(row)]
        if row == "last_third":
            words += ["--frozen-parameters", model.frozen_parameters]
        if row == "tencrop":
            words += ["--trained", model.trained]
        if self.name == "tuned":
            words += ["--choices", s.work / f"{model.name}-{row}.choices.json"]
            if s.quick:
                words += ["--no-trials"]
        return words

    def epochs(self, row):
        return 1 if row == "all" else min(self.setting.peer_epochs,
                                          self.setting.epochs)

    def measure(self, row, model, number):
        run, figures = measured(self.setting, self.command(row, model, number),
                                row, model, self.name, number)
        said = json.loads(run.out.strip().splitlines()[-1])
        figures["extra"] = said
        figures["accuracy"] = said.get("accuracy")
        figures["compile_s"] = said.get("compile_s", 0.0)
        figures["epoch_s"] = said.get("epoch_s")
        if row == "decode":
            figures["value"] = said["ms_per_picture"]["crop+flip"]
        elif row == "prefix":
            figures["value"] = max(said["images_per_s"].values())
        else:
            figures["value"] = figures["seconds"] - figures["compile_s"]
            self._extrapolate(row, figures)
        return figures

    def _extrapolate(self, row, figures):
        """From the epochs that were run to all: each costs the same."""
        missing = self.setting.epochs - self.epochs(row)
        if row in ("head", "last_third") and missing > 0:
            epochs = figures["epoch_s"]
            figures["value"] += (self.setting.epochs
                                 * statistics.median(epochs) - sum(epochs))
            figures["extrapolated"] = True


class Python(Peer):
    """peer_predict.py."""

    def __init__(self, setting):
        super().__init__(setting, "python")

    def command(self, row, model, number):
        return [sys.executable, HERE / "peer_predict.py", model.path,
                model.sidecar(), self.setting.picture, self.setting.threads]


def contenders(setting, row):
    """In a row: engraft, then the peers that were asked for."""
    mine = [Engraft(setting)]
    if row == "head":
        mine.append(Engraft(setting, again=True))
    able = ROWS[row][2]
    if able == ("python",):
        return mine, [Python(setting)] if setting.peers else []
    return mine, [Peer(setting, p) for p in setting.peers if p in able]
