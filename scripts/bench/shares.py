"""Runs of engraft beside each other, each with its share of the machine."""

import concurrent.futures
import json
import os
import subprocess


def add_options(parser):
    parser.add_argument("--jobs", type=int, default=1,
                        help="runs at a time, each with its share of the cores")
    parser.add_argument("--device", default="auto", help="as engraft's own")


def flags(o):
    """What a run is told besides its own options."""
    if o.jobs == 1:
        return ["--device", o.device]
    return ["--device", o.device, "--threads", threads(o)]


def engraft(o, command):
    """Runs it to the end: return code, stdout and stderr as text."""
    share = {"OMP_NUM_THREADS": str(threads(o))} if o.jobs > 1 else {}
    return subprocess.run([str(o.engraft), *map(str, command)], text=True,
                          capture_output=True, env={**os.environ, **share})


def two_thirds(o, model):
    """The block at two thirds of a model's chain."""
    done = engraft(o, ["inspect", model, "--json"])
    if done.returncode:
        raise SystemExit(done.stderr.strip())
    return round(2 / 3 * (len(json.loads(done.stdout)["blocks"]) - 1))


def threads(o):
    return max(1, os.cpu_count() // o.jobs)


def run_all(o, work, items):
    """What work(item) gives for each, in order, o.jobs at a time; the first that
    throws ends it once those that have begun are done."""
    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        begun = [pool.submit(work, item) for item in items]
        try:
            for one in concurrent.futures.as_completed(begun):
                one.result()
            return [one.result() for one in begun]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
