#!/usr/bin/env python3
"""The figures as text: one line a model, row and contender, then the goals.

  scripts/bench/table.py FILE.json…   what --json wrote, as a Markdown table
"""

import json
import pathlib
import statistics
import sys

from contenders import ROWS

# What is to be reached: (row, who of engraft's, against whom, at least).
GOALS = [
    ("head", "engraft", "tutorial", 30.0),
    ("head", "engraft", "tuned", 5.0),
    ("head", "engraft again", "tutorial", 200.0),
    ("last_third", "engraft", "tutorial", 5.0),
    ("last_third", "engraft", "tuned", 2.0),
    ("all", "engraft", "tutorial", 1.5),
    ("all", "engraft", "tuned", 1.1),
    ("tencrop", "engraft", "tutorial", 2.5),
    ("tencrop", "engraft", "tuned", 1.3),
    ("decode", "engraft", "tutorial", 3.0),
    ("prefix", "engraft", "tuned", 1.0),
    ("predict", "engraft", "python", 5.0),
]
GEMM_SHARE = ("resnet18", 0.70)  # of the matrix rate, in row prefix


def summarise(runs):
    """Medians and spread of one contender's rounds, {} where none worked."""
    good = [r for r in runs if "value" in r]
    errors = sorted({r["error"] for r in runs if "error" in r})
    out = {"rounds": len(good), "errors": errors,
           "skipped": bool(errors) and all(r.get("skipped") for r in runs)}
    if not good:
        return out
    values = [r["value"] for r in good]
    out.update(median=statistics.median(values), min=min(values),
               max=max(values),
               extrapolated=any(r.get("extrapolated") for r in good))
    for key, how in (("accuracy", statistics.mean), ("peak_mb", max),
                     ("tree_mb", max), ("compile_s", max)):
        known = [r[key] for r in good if r.get(key) is not None]
        if known:
            out[key] = how(known)
    known = [statistics.median(r["epoch_s"]) for r in good if r.get("epoch_s")]
    if known:
        out["epoch_s"] = statistics.median(known)
    return out


def ratio(row, other, mine):
    """How many times as good as `other` is `mine`, None if unknown."""
    if "median" not in other or "median" not in mine:
        return None
    pair = other["median"], mine["median"]
    return pair[0] / pair[1] if ROWS[row][1] else pair[1] / pair[0]


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def aligned(lines, left):
    """Columns; the first `left` to the left, the last too, others right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    last = len(widths) - 1
    return "\n".join("  ".join(
        cell.ljust(w) if i < left or i == last else cell.rjust(w)
        for i, (cell, w) in enumerate(zip(line, widths))).rstrip()
        for line in lines)


def note_of(row, entry, runs):
    notes = list(entry["errors"])
    good = [r for r in runs if "value" in r]
    extra = good[0].get("extra", {}) if good else {}
    if extra.get("note"):
        notes.append(extra["note"])
    if extra.get("choices"):
        notes.append(", ".join(f"{k}: {v}" for k, v
                               in extra["choices"].items()))
    if row == "decode" and "ms_per_picture" in extra:
        for kind in ("crop+flip", "crop+flip+colour"):
            values = [r["extra"]["ms_per_picture"][kind] for r in good]
            if all(values):
                notes.append(f"one decoding, one view, {kind}: "
                             f"{number(statistics.median(values))}")
    if row == "prefix" and "images_per_s" in extra:
        notes += [f"{k} {number(v)}" for k, v in extra["images_per_s"].items()]
        notes.append(f"matrices {extra['gemm_gflops']:.0f} GFLOP/s")
    if 0 < entry["rounds"] < len(runs):
        notes.append(f"{entry['rounds']} of {len(runs)} rounds")
    return "; ".join(notes)


def lines_of(results):
    head = ("model", "row", "contender", "median", "unit", "min to max",
            "ratio", "accuracy", "peak MB", "with workers", "compile s",
            "note")
    lines = [head]
    for result in results:
        row, model = result["row"], result["model"]
        mine = result["contenders"].get("engraft", {}).get("summary", {})
        for name, contender in result["contenders"].items():
            s = contender["summary"]
            note = note_of(row, s, contender["runs"])
            if "median" not in s:
                lines.append((model["name"], row, name,
                              "skipped" if s["skipped"] else "failed",
                              *[""] * 7, note))
                continue
            mark = "~" if s["extrapolated"] else ""
            times = ratio(row, s, mine)
            right = s.get("accuracy")
            lines.append((
                model["name"], row, name, mark + number(s["median"]),
                ROWS[row][0], f"{number(s['min'])} to {number(s['max'])}",
                "" if times is None else f"{mark}{number(times)}x",
                "" if right is None or model.get("random_weights")
                else f"{100 * right:.1f} %",
                *(f"{s[k]:.0f}" if k in s else "" for k in ("peak_mb",
                                                            "tree_mb")),
                f"{s['compile_s']:.0f}" if s.get("compile_s") else "", note))
    return lines


def gemm_share(result):
    """Engraft's prefix as a share of the rate of matrix products."""
    peers = result["contenders"]
    mine = peers.get("engraft", {}).get("summary", {})
    known = [r["extra"] for r in peers.get("tuned", {}).get("runs", [])
             if "value" in r]
    if "median" not in mine or not known:
        return None
    rate = statistics.median(k["gemm_gflops"] for k in known)
    return mine["median"] * known[0]["flops_per_image"] / 1e9 / rate


def goals(results):
    """Each goal with what was measured: a list of dicts."""
    out = []

    def add(result, what, wanted, got, unit="x", mark=""):
        verdict = "not measured" if got is None else \
            "reached" if got >= wanted else "MISSED"
        out.append({"model": result["model"]["name"], "goal": what,
                    "wanted": wanted, "got": got, "unit": unit,
                    "extrapolated": bool(mark), "verdict": verdict})

    for result in results:
        row = result["row"]
        summaries = {name: c["summary"]
                     for name, c in result["contenders"].items()}
        for _, who, whom, wanted in [g for g in GOALS if g[0] == row]:
            other = summaries.get(whom, {})
            got = ratio(row, other, summaries.get(who, {}))
            add(result, f"{row}: {who} against {whom}", wanted, got,
                mark="~" if other.get("extrapolated") else "")
        if row == "prefix" and result["model"]["name"] == GEMM_SHARE[0]:
            add(result, "prefix: share of the matrix rate", GEMM_SHARE[1],
                gemm_share(result), "")
        for who in ("engraft", "engraft again"):
            mine = summaries.get(who, {})
            for whom, other in summaries.items():
                if whom.startswith("engraft"):
                    continue
                if row == "head" and not result["model"]["random_weights"] \
                        and "accuracy" in mine and "accuracy" in other:
                    add(result, f"head: {who}, accuracy at least {whom}'s",
                        100 * other["accuracy"], 100 * mine["accuracy"], "%",
                        "~" if other["extrapolated"] else "")
                # What a peer's workers do, engraft does within its process.
                if "tree_mb" in mine and "tree_mb" in other:
                    add(result, f"{row}: {who}, times as much peak memory in "
                        f"{whom}, workers included", 1.0,
                        other["tree_mb"] / mine["tree_mb"])
    return out


def goals_text(found):
    lines = [("model", "goal", "wanted", "got", "verdict")]
    for g in found:
        form = (lambda v: f"{v:.1f} %") if g["unit"] == "%" else \
            (lambda v: number(v) + g["unit"])
        got = "" if g["got"] is None else \
            ("~" if g["extrapolated"] else "") + form(g["got"])
        lines.append((g["model"], g["goal"], ">= " + form(g["wanted"]), got,
                      g["verdict"]))
    return aligned(lines, 2)


def text(header, results, found):
    parts = ["\n".join(f"{key:9} {value}" for key, value in header.items()),
             aligned(lines_of(results), 3),
             "ratio: how many times as long as engraft (row prefix: how many "
             "times as slow). ~ extrapolated\nfrom fewer epochs. Seconds are "
             "of the whole process, without what the tuned peer spent\non "
             "choosing and compiling (compile s, the first round's).",
             "goals\n" + goals_text(found)]
    return "\n\n".join(parts) + "\n"


# Markdown ------------------------------------------------------------------

WORK = {
    "head": "head alone",
    "last_third": "last third of the blocks",
    "all": "everything, one epoch",
    "tencrop": "ten-crop test",
    "decode": "a training view, one core",
    "prefix": "forward, pictures/s",
    "predict": "predict one picture, whole process",
}
UNITS = {"s": " s", "ms/picture": " ms", "pictures/s": ""}


def cell(row, summary, mine):
    """Median with its spread, and how many times as long as engraft."""
    if "median" not in summary:
        return "–"
    text = (("~" if summary["extrapolated"] else "")
            + number(summary["median"]) + UNITS[ROWS[row][0]])
    if summary["rounds"] > 1:
        text += f" ({number(summary['min'])}–{number(summary['max'])})"
    times = ratio(row, summary, mine)
    return text if times is None or summary is mine \
        else f"{text}, **{number(times)}×**"


def markdown(documents):
    """A line a model and row, the peers side by side."""
    others = ("tutorial", "tuned", "plain", "python")
    found = [r for d in documents for r in d["results"]]
    shown = [o for o in others if any(o in r["contenders"] for r in found)]
    lines = [["model", "work", "engraft", "again", *shown, "memory, MB"]]
    lines.append(["---"] * len(lines[0]))
    for result in found:
        by_name = {name: c["summary"]
                   for name, c in result["contenders"].items()}
        mine = by_name.get("engraft", {})
        memory = [f"{by_name[n]['tree_mb']:.0f}" for n in ("engraft", *shown)
                  if "tree_mb" in mine and "tree_mb" in by_name.get(n, {})]
        lines.append([
            result["model"]["name"], WORK[result["row"]],
            cell(result["row"], mine, mine),
            cell(result["row"], by_name["engraft again"], {})
            if "engraft again" in by_name else "",
            *(cell(result["row"], by_name[n], mine) if n in by_name else ""
              for n in shown), " / ".join(memory)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    print(markdown([json.loads(pathlib.Path(path).read_text())
                    for path in sys.argv[1:]]))
