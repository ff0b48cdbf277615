"""The table of scripts/bench/plan_regret."""

import collections
import statistics

HEAD = ["model", "data", "test pictures", "seeds", "settings", "expert's",
        "its val", "its test", "no flags", "with crops", "regret",
        "test error", "oracle's", "oracle regret", "time"]


def key_of(model, data, setting, seed, tag=None):
    """The name of a run; those without flags have a tag."""
    words = [model, data, setting] + ([tag] if tag else [])
    return " ".join([*words, "--seed", str(seed)])


class Cell:
    """What is there of one model and data set."""

    def __init__(self, results, model, data, o):
        def found(setting, tag=None):
            runs = {s: results.runs.get(key_of(model, data, setting, s, tag))
                    for s in range(o.seeds)}
            return {s: run for s, run in runs.items() if run}

        self.model, self.data = model, data
        self.test_pictures = results.data.get(data, {}).get("test", 0)
        runs = {name: found(name) for name in o.settings}
        no_flag = found("no-flag", o.tag)
        self.failed = sum("error" in run
                          for by_seed in [*runs.values(), no_flag]
                          for run in by_seed.values())
        self.grid = {name: without_errors(by_seed)
                     for name, by_seed in runs.items()}
        self.no_flag = without_errors(no_flag)
        self.seeds = range(self.whole_seeds(o.seeds))
        self.ran = [name for name, by_seed in self.grid.items()
                    if all(s in by_seed for s in self.seeds)]
        self.wanted = len(o.settings)

    def whole_seeds(self, most):
        """As many seeds as all have of what has any, and one at least."""
        every = [by_seed for by_seed in [*self.grid.values(), self.no_flag]
                 if by_seed]
        n = 0
        while n < most and all(n in by_seed for by_seed in every):
            n += 1
        return max(n, 1)

    def mean(self, name, field):
        return statistics.mean(self.grid[name][s][field] for s in self.seeds)

    def expert(self):
        return max(self.ran, key=lambda name: (self.mean(name, "val"),
                                               -self.mean(name, "val_loss")))

    def oracle(self):
        return max(self.ran, key=lambda name: self.mean(name, "test"))

    def compares(self):
        return bool(self.ran) and all(s in self.no_flag for s in self.seeds)

    def regrets(self, name):
        """In points, seed by seed."""
        return [100 * (self.grid[name][s]["test"] - self.no_flag[s]["test"])
                for s in self.seeds]

    def own(self, field):
        return statistics.mean(self.no_flag[s][field] for s in self.seeds)

    def test_error(self):
        """Standard error of an accuracy on so many pictures, in points."""
        p = self.own("test")
        return 100 * (p * (1 - p) / self.test_pictures) ** 0.5

    def devices(self):
        """What the compared runs ran on; those that do not say it: cpu."""
        runs = [self.no_flag, *(self.grid[name] for name in self.ran)]
        return {by_seed[s].get("device") or "cpu"
                for by_seed in runs for s in self.seeds}

    def timed_seeds(self):
        """Those of which no run is marked as "busy": one beside other work, or
        on another machine than the rest of its seed."""
        runs = [self.no_flag, *(self.grid[name] for name in self.ran)]
        return [s for s in self.seeds
                if not any(by_seed[s].get("busy") for by_seed in runs)]

    def spent(self):
        """Seconds of the grid and of the run without flags, testing left out;
        None on unlike devices, or where no seed was timed."""
        seeds = self.timed_seeds()
        if len(self.devices()) > 1 or not seeds:
            return None

        def without_tests(by_seed):
            return sum(by_seed[s]["seconds"] - by_seed[s]["testing"]
                       for s in seeds)
        return (sum(without_tests(self.grid[name]) for name in self.ran),
                without_tests(self.no_flag))

    def whole(self):
        return len(self.ran) == self.wanted


def without_errors(by_seed):
    return {s: run for s, run in by_seed.items() if "error" not in run}


def with_error(values):
    mean = f"{statistics.mean(values):+.2f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(values) / len(values) ** 0.5:.2f}"


def percent(share):
    return f"{100 * share:.2f}"


def times(spent):
    grid, own = spent
    return f"{grid / own:.0f}×"


def row(cell):
    settings = f"{len(cell.ran)} of {cell.wanted}"
    if cell.failed:
        settings += f", {cell.failed} failed"
    line = [cell.model, cell.data, str(cell.test_pictures),
            str(len(cell.seeds)), settings]
    if cell.ran:
        best = cell.expert()
        line += [best, percent(cell.mean(best, "val")),
                 percent(cell.mean(best, "test"))]
    if cell.compares():
        oracle, spent = cell.oracle(), cell.spent()
        line += [percent(cell.own("test")), percent(cell.own("test_crops")),
                 with_error(cell.regrets(best)), f"{cell.test_error():.2f}",
                 oracle, with_error(cell.regrets(oracle)),
                 times(spent) if spent else "–"]
    return line + ["–"] * (len(HEAD) - len(line))


def summary(model, cells):
    """Mean and worst regret of a model's data sets."""
    regrets = {c.data: statistics.mean(c.regrets(c.expert())) for c in cells}
    oracle = statistics.mean(statistics.mean(c.regrets(c.oracle()))
                             for c in cells)
    worst = max(regrets, key=regrets.get)
    partial = sum(not c.whole() for c in cells)
    timed = [c.spent() for c in cells if c.whole() and c.spent()]
    sets = "1 data set" if len(cells) == 1 else f"{len(cells)} data sets"
    return (f"- {model}, {sets}: mean regret "
            f"{statistics.mean(regrets.values()):+.2f}, worst "
            f"{regrets[worst]:+.2f} ({worst}); mean oracle regret "
            f"{oracle:+.2f}, which is biased upwards"
            + (f"; whole grids took {times(map(sum, zip(*timed)))} the time of "
               f"these runs without flags" if timed else "")
            + (f"; the grid is not complete on {partial}" if partial else ""))


def text_of(results, o):
    cells = [Cell(results, model, data, o)
             for model in o.models for data in o.data]
    cells = [c for c in cells if c.ran or c.no_flag or c.failed]
    if not cells:
        return "No run of these is there yet."
    lines = [HEAD, ["---"] * len(HEAD), *map(row, cells)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    by_model = collections.defaultdict(list)
    for cell in cells:
        if cell.compares():
            by_model[cell.model].append(cell)
    return "\n".join([
        "Top-1 in %, regret in points ± standard error over seeds; test error "
        "is the standard", "error of an accuracy on so many test pictures; no "
        f"flags: {o.tag}", "", table, "",
        *(summary(model, found) for model, found in by_model.items())])
