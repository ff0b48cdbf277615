"""Runs a process and says how long it took and how much memory it had."""

import os
import pathlib
import subprocess
import threading
import time


class Run:
    """What came of one process."""

    def __init__(self, command, rc, out, err, seconds, peak_mb, tree_mb):
        self.command, self.rc, self.out, self.err = command, rc, out, err
        self.seconds = seconds
        self.peak_mb = peak_mb  # largest resident set of one process
        self.tree_mb = tree_mb  # of it and its children together, sampled

    def reason(self):
        """Why it failed, in its own last words."""
        lines = [line for line in self.err.strip().splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit code {self.rc}"


def tree(root):
    """The process ids of a process and all below it."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except OSError:
            pass
    return found


def proportional_mb(pid):
    """Resident memory, pages shared with others counted in part."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


class TreeSampler(threading.Thread):
    """Once a second, the memory of a process that has children."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.peak, self._done = pid, 0.0, threading.Event()

    def run(self):
        while not self._done.wait(1.0):
            pids = tree(self.pid)
            if len(pids) > 1:
                self.peak = max(self.peak, sum(map(proportional_mb, pids)))

    def stop(self):
        self._done.set()
        self.join()


def run(command, env=None, log=None):
    """Runs to the end; stdout is returned, stderr goes to the log too."""
    command = [str(word) for word in command]
    folder = pathlib.Path(log).parent
    folder.mkdir(parents=True, exist_ok=True)
    out_path, err_path = f"{log}.out", f"{log}.err"
    with open(out_path, "wb") as out, open(err_path, "wb") as err:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=err, env={**os.environ, **(env or {})})
        sampler = TreeSampler(child.pid)
        sampler.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
    peak = usage.ru_maxrss / 1024
    out, err = (pathlib.Path(path).read_text(errors="replace")
                for path in (out_path, err_path))
    return Run(command, child.returncode, out, err, seconds, peak,
               max(peak, sampler.peak))
