"""The table that `cargo xtask bench cells` prints: medians, ratios, targets, and beside each miss the reason."""
import datetime
import os

import rows

COLUMNS = ["floor", "ochre", "cached", "evcxr"]

# Why a target is missed, by row; shown only when it is missed. What is measured decides, this only explains.
WHY = {
    "loop-integer": "Cells check integer arithmetic for overflow, as debug builds and evcxr do; the column *checked* is what cargo's program needs with the same checks.",
    "loop-nested": "The index arithmetic is checked for overflow; the column *checked* is what cargo's program needs with the same checks.",
}


def render(medians, runs, config, rounds, misses):
    """The whole page as Markdown."""
    lines = [
        "# Cells: bare rustc, Ochre, Ochre from cache, evcxr_jupyter",
        "",
        f"Printed by `cargo xtask bench cells` on {datetime.date.today()}: medians of {rounds} rounds, all columns in the same run on the same texts, one after the",
        f"other at each cell. Machine: {os.cpu_count()} shared cores (load {os.getloadavg()[1]:.1f} at the end), {config['rustc_version']}, evcxr_jupyter {config['evcxr_version'] or 'not measured'}.",
        "Milliseconds from `execute_request` to reply and idle, through jupyter_client over ZeroMQ. *floor*: the rustc command lines and texts that",
        "Ochre ran for the cell's libraries, run again directly. *runs*: how often Ochre ran rustc for the cell, attempts included.",
        "*In turn*: the same new cells in a session of 4 cells and one of 49, one after the other.",
        "",
        "| | floor | runs | Ochre | from cache | evcxr | Ochre/floor | Ochre/evcxr | target | reached |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    reasons = []
    measured = [rows.READY, rows.FIRST] + [c.row for c in rows.plain() + rows.polars() + rows.tensors() if c.row] + [rows.RUN_ALL]
    for row in measured:
        lines.append(latency(row, medians, runs, config, reasons))
    lines += ["", *loops(medians, reasons), "", *memory(medians, reasons)]
    if misses:
        reasons.append(f"The cache missed {misses} times in sessions that should have compiled nothing: the column *from cache* is not only that.")
    if not config["evcxr_polars"]:
        lines += ["", "† not measured in this run (`--evcxr-polars` does; its first polars cell builds polars): figures published in the design document."]
    if reasons:
        lines += ["", "Missed:", *[f"- {reason}" for reason in reasons]]
    return "\n".join(lines) + "\n"


def latency(row, medians, runs, config, reasons):
    values = dict(medians.get(row.key, {}))
    dagger = ""
    if row.key == "polars-first" and "polars-build" in medians:
        values["evcxr"] = values.get("evcxr", 0.0) + medians["polars-build"]["evcxr"]
    if "evcxr" not in values and row.key in rows.PUBLISHED:
        values["evcxr"], dagger = rows.PUBLISHED[row.key], "†"
    targets, missed = judge(row, values, medians, dagger)
    if missed:
        reasons.append(f"{row.label}: {'; '.join(missed)}. {WHY.get(row.key, '')}".rstrip())
    reached = "" if not targets else "no: " + "; ".join(missed) if missed else "yes"
    count = runs.get(row.key, "")
    cells = [milliseconds(values.get("floor")), str(count), milliseconds(values.get("ochre")), milliseconds(values.get("cached"))]
    cells += [milliseconds(values.get("evcxr")) + dagger, ratio(values, "floor"), ratio(values, "evcxr"), ", ".join(targets), reached]
    return f"| {row.label} | " + " | ".join(cells) + " |"


def judge(row, values, medians, dagger):
    """What is wanted of a row, and what of it is missed; `dagger` marks a peer that was not measured here."""
    ours, targets, missed = values.get("ochre", 0.0), [], []

    def want(text, value, limit, shown):
        targets.append(text)
        if value > limit:
            missed.append(shown)

    if row.seconds:
        want(f"< {row.seconds * 1000:.0f} ms", ours, row.seconds, milliseconds(ours) + " ms")
    if row.floor and values.get("floor"):
        factor = ours / values["floor"]
        want(f"≤ {row.floor} floor", factor, row.floor, f"{factor:.2f} times the floor")
    if row.peer and values.get("evcxr"):
        part = ours / values["evcxr"]
        want(f"≤ 1/{1 / row.peer:.0f} evcxr{dagger}", part, row.peer, f"1/{1 / part:.1f} of evcxr{dagger}")
    if row.cached and "cached" in values:
        want(f"cached < {row.cached * 1000:.0f} ms", values["cached"], row.cached, f"{milliseconds(values['cached'])} ms from cache")
    if row.ages:
        age = medians["aging"]["old"] / medians["aging"]["young"]
        want(f"as the 5th (in turn: {age:.2f} times)", age, rows.AS_FAST, f"{age:.2f} times the 5th")
    return targets, missed


def loops(medians, reasons):
    """Run times, each loop timing itself; the effect of overflow checks in a column of its own."""
    lines = [
        "Hot loops, milliseconds of run time. Ochre checks arithmetic for overflow as a debug build does; *checked* is `cargo run --release` with `-C overflow-checks=on`.",
        "",
        "| | cargo run --release | checked | Ochre | evcxr | Ochre/release | Ochre/checked | target | reached |",
        "|---|--:|--:|--:|--:|--:|--:|---|---|",
    ]
    for loop in rows.LOOPS:
        values = medians.get(loop.key, {})
        factor = values["ochre"] / values["floor"]
        reached = "yes" if factor <= loop.factor else f"no: {factor:.2f} times"
        if factor > loop.factor:
            reasons.append(f"{loop.label}: {factor:.2f} times `cargo run --release`. {WHY.get(loop.key, '')}".rstrip())
        cells = [milliseconds(values.get(c)) for c in ["floor", "checked", "ochre", "evcxr"]]
        lines.append(f"| {loop.label} | " + " | ".join(cells) + f" | {factor:.2f} | {values['ochre'] / values['checked']:.2f} | ≤ {loop.factor} release | {reached} |")
    return lines


def memory(medians, reasons):
    """Resident sizes."""
    lines = [
        "Memory, resident megabytes.", "",
        "| | Ochre kernel | Ochre worker | evcxr kernel | evcxr child | target | reached |", "|---|--:|--:|--:|--:|---|---|",
    ]
    for when, label in [("started", "after the first `2+1`"), ("plain", "after 50 plain cells"), ("polars", "after the polars cells"), ("tensors", "after the tensors' cells")]:
        own, below = medians.get(f"memory-kernel-{when}", {}), medians.get(f"memory-worker-{when}", {})
        values = [own.get("ochre"), below.get("ochre"), own.get("evcxr"), below.get("evcxr")]
        ours = own.get("ochre", 0.0)
        good = ours < rows.MEMORY_LIMIT_MB
        if not good:
            reasons.append(f"kernel memory {label}: {ours:.0f} MB. {WHY.get('memory', '')}".rstrip())
        cells = [f"{v:.0f}" if v is not None else "" for v in values]
        lines.append(f"| {label} | " + " | ".join(cells) + f" | kernel < {rows.MEMORY_LIMIT_MB} | {'yes' if good else 'no'} |")
    return lines


def milliseconds(seconds):
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f}" if seconds >= 0.1 else f"{seconds * 1000:.1f}"


def ratio(values, column):
    if not values.get(column) or not values.get("ochre"):
        return ""
    factor = values["ochre"] / values[column]
    return f"{factor:.2f}" if factor >= 0.1 else f"1/{1 / factor:.0f}"
