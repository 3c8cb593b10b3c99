"""Interleaved runs, medians and spreads, a table and JSON lines: the same for every benchmark.

A line of build/bench/<bench>.jsonl: bench, case, contender, metric, value (the median), unit, n, min, max.
"""
import json
import statistics

from contenders import ROOT, say


# Percent of a run's time that a hypervisor may take before the run is done again, and how often that is tried.
STOLEN_MAX = 5
STOLEN_TRIES = 3


class Report:
    def __init__(self, bench):
        self.bench = bench
        self.path = ROOT / ('build/bench/%s.jsonl' % bench)
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, case, contender, metric, values, unit):
        """One line; gives the median."""
        with open(self.path, 'a') as lines:
            lines.write(json.dumps({
                'bench': self.bench, 'case': case, 'contender': contender, 'metric': metric,
                'value': round(statistics.median(values), 4), 'unit': unit, 'n': len(values),
                'min': round(min(values), 4), 'max': round(max(values), 4)}) + '\n')
        return statistics.median(values)


def spread(values, form):
    """median (least-greatest)"""
    return '%s (%s-%s)' % tuple(form % value for value in (statistics.median(values), min(values), max(values)))


def machine_ticks():
    """All cores' ticks since the start, and those that the hypervisor gave to others (proc_stat(5): steal)."""
    with open('/proc/stat') as stat:
        ticks = [int(value) for value in stat.readline().split()[1:9]]
    return sum(ticks), ticks[7]


def undisturbed(measure, one):
    """What measure(one) gave, with the percentage of the cores' time that was stolen meanwhile. A run that lost much is done
    again, a bounded number of times; the least disturbed one counts."""
    best = None
    for attempt in range(STOLEN_TRIES):
        before = machine_ticks()
        run = measure(one)
        after = machine_ticks()
        run['stolen'] = 100 * (after[1] - before[1]) / max(1, after[0] - before[0])
        if best is None or run['stolen'] < best['stolen']:
            best = run
        if best['stolen'] <= STOLEN_MAX:
            break
    return best


def interleave(case, contenders, rounds, measure):
    """A B C A B C ...: for each contender's name its runs, what measure(contender) gave."""
    results = {one.name: [] for one in contenders}
    for turn in range(rounds):
        say('%s: round %d of %d' % (case, turn + 1, rounds))
        for one in contenders:
            results[one.name].append(undisturbed(measure, one))
    return results


def ratios(results, metric, base):
    """Round by round, of a metric to the contender `base`: what disturbs the machine disturbs neighbours alike."""
    return {name: [run[metric] / other[metric] for run, other in zip(runs, results[base])
                   if metric in run and other.get(metric)]
            for name, runs in results.items()} if base in results else {}


def show(report, case, results, metrics, bases=()):
    """Prints a case's table and writes its lines. `metrics`: (metric, unit, format); `bases`: (contender, metric) whose
    ratios are shown too, as far as that contender takes part."""
    bases = [(base, metric, ratios(results, metric, base)) for base, metric in bases if base in results]
    head = '%-24s' % case + ''.join(' %27s' % ('%s, %s' % (metric, unit)) for metric, unit, _ in metrics)
    print(head + ''.join(' %29s' % ('%s of %s' % (metric, base)) for base, metric, _ in bases))
    for name, runs in results.items():
        line = '  %-22s' % name
        for metric, unit, form in metrics:
            line += ' %27s' % cell(report, case, name, metric, [run[metric] for run in runs if metric in run], unit, form)
        for base, metric, values in bases:
            line += ' %29s' % cell(report, case, name, '%s_of_%s' % (metric, base), values[name], 'of ' + base, '%.2f')
        print(line, flush=True)
    stolen = {name: [run['stolen'] for run in runs if 'stolen' in run] for name, runs in results.items()}
    for name, values in stolen.items():
        if values:
            report.write(case, name, 'stolen', values, '%')
    worst = max((value for values in stolen.values() for value in values), default=0)
    if worst > STOLEN_MAX:
        print('  The hypervisor took up to %.0f %% of the cores\' time: these figures are not to be trusted.' % worst)
    print()


def cell(report, case, contender, metric, values, unit, form):
    if not values:
        return '-'
    report.write(case, contender, metric, values, unit)
    return spread(values, form)
