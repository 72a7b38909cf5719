"""Tables and targets. A ratio is the median of the ratios within each turn: what disturbs a turn disturbs both."""
import statistics


def _pairs(costs, contender, other, value):
    """The values of two contenders in the turns in which both counted."""
    by_turn = {(cost.contender, cost.turn): value(cost) for cost in costs if not cost.failed}
    turns = sorted({turn for _, turn in by_turn})
    return [(by_turn[contender, turn], by_turn[other, turn]) for turn in turns
            if (contender, turn) in by_turn and (other, turn) in by_turn]


def ratio(costs, contender, other, value):
    """How many times the other's; None where no turn has both."""
    ratios = [one / two for one, two in _pairs(costs, contender, other, value) if two > 0]
    return statistics.median(ratios) if ratios else None


def median(costs, contender, value):
    """The median of the runs that counted; None where none did."""
    values = [value(cost) for cost in costs if cost.contender == contender and not cost.failed]
    return statistics.median(values) if values else None


def wall(cost):
    """Seconds."""
    return cost.wall


def cpu(cost):
    """Seconds, user and system."""
    return cost.cpu


def own_cpu(cost):
    """Seconds, without those of the threads that run SQLite."""
    return cost.cpu - cost.database_cpu


def peak(cost):
    """Megabytes (1,000,000 bytes)."""
    return cost.peak_kb * 1024 / 1e6


def _cell(value, width, digits=2):
    return f"{'-' if value is None else format(value, f'.{digits}f'):>{width}}"


def table(costs, base="raw"):
    """All contenders in the order of their first run, compared with `base`."""
    head = (f"{'contender':<22}{'runs':>5}{'wall s':>9}{'/ base':>7}{'CPU s':>9}{'/ base':>7}{'CPU w/o DB':>12}{'/ base':>7}"
            f"{'peak MB':>9}{'server CPU':>12}{'others CPU':>12}")
    lines = [head, "-" * len(head)]
    for name in dict.fromkeys(cost.contender for cost in costs):
        counted = sum(cost.contender == name and not cost.failed for cost in costs)
        total = sum(cost.contender == name for cost in costs)
        cells = f"{name:<22}{f'{counted}/{total}':>5}"
        for value, width in ((wall, 9), (cpu, 9), (own_cpu, 12)):
            cells += _cell(median(costs, name, value), width) + _cell(ratio(costs, name, base, value), 7)
        cells += _cell(median(costs, name, peak) or None, 9, 1)
        cells += _cell(median(costs, name, lambda cost: cost.server_cpu), 12)
        cells += _cell(median(costs, name, lambda cost: cost.others_cpu / max(cost.wall, .001)), 12)
        lines.append(cells)
    lines += [f"not counted: {cost.contender}, turn {cost.turn}: {cost.failed}" for cost in costs if cost.failed]
    return "\n".join(lines)


def target(words, value, allowed, unit=""):
    """One line saying whether a target was reached."""
    if value is None:
        return f"  {words}: not measured (at most {allowed:.2f}{unit})"
    return f"  {words}: {value:.2f}{unit}, at most {allowed:.2f}{unit}: {'reached' if value <= allowed else 'MISSED'}"
