"""Interleaved runs, medians and spreads, a table and JSON lines: the same for every benchmark.

A line of build/bench/<bench>.jsonl: bench, case, contender, metric, value (the median), unit, n, min, max.
"""
import json
import statistics

from contenders import ROOT, say


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


def interleave(case, contenders, rounds, measure):
    """A B C A B C ...: for each contender's name its runs, what measure(contender) gave."""
    results = {one.name: [] for one in contenders}
    for turn in range(rounds):
        say('%s: round %d of %d' % (case, turn + 1, rounds))
        for one in contenders:
            results[one.name].append(measure(one))
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
    head = '%-24s' % case + ''.join('%28s' % ('%s, %s' % (metric, unit)) for metric, unit, _ in metrics)
    print(head + ''.join('%30s' % ('%s of %s' % (metric, base)) for base, metric, _ in bases))
    for name, runs in results.items():
        line = '  %-22s' % name
        for metric, unit, form in metrics:
            line += '%28s' % cell(report, case, name, metric, [run[metric] for run in runs if metric in run], unit, form)
        for base, metric, values in bases:
            line += '%30s' % cell(report, case, name, '%s_of_%s' % (metric, base), values[name], 'of ' + base, '%.2f')
        print(line, flush=True)
    print()


def cell(report, case, contender, metric, values, unit, form):
    if not values:
        return '-'
    report.write(case, contender, metric, values, unit)
    return spread(values, form)
