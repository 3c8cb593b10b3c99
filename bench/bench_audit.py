#!/usr/bin/python3
"""What the trail costs: rows a second from the journal to the committed row against libpq's COPY of the same rows, and
statements a second with audit.durability disk against process.

Prints tables and appends JSON lines to build/bench/audit.jsonl. README.md beside this file says how to read both.
"""
import argparse
import json
import subprocess

import contenders
import pgbench
from contenders import say
from runner import Report, spread

REPORT = Report('audit')
write = REPORT.write


def rows(arguments):
    say('%d rows in batches of %d, %d rounds' % (arguments.rows, arguments.batch, arguments.rounds))
    done = subprocess.run([contenders.PROGRAMS / 'audit_rows', str(arguments.rows), str(arguments.batch), str(arguments.rounds)], check=True,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    results = {}
    for line in done.stdout.splitlines():
        run = json.loads(line)
        results.setdefault(run['contender'], []).append(run)
    others = ('copy', 'copy_links', 'copy_rows')
    print('%-12s %22s %18s %18s %18s %20s %20s %14s' % ('contender', 'rows/s', 'of copy', 'of copy_links', 'of copy_rows',
                                                        'client CPU us/row', 'store CPU us/row', 'bytes/row'))
    case = '%d rows' % arguments.batch
    for name, runs in results.items():
        # Round by round: what disturbs the machine disturbs neighbours alike.
        ratios = {other: [run['rows_per_s'] / same['rows_per_s'] for run, same in zip(runs, results[other])]
                  for other in others}
        units = (('rows_per_s', 'rows/s'), ('client_cpu_us', 'us/row'), ('store_cpu_us', 'us/row'), ('bytes_per_row', 'bytes'))
        figures = {metric: [run[metric] for run in runs] for metric, _ in units}
        for metric, unit in units:
            write(case, name, metric, figures[metric], unit)
        for other, values in ratios.items():
            write(case, name, 'of_' + other, values, 'of ' + other)
        print('%-12s %22s %18s %18s %18s %20s %20s %14s' % (
            name, spread(figures['rows_per_s'], '%.0f'), *(spread(ratios[other], '%.2f') for other in others),
            spread(figures['client_cpu_us'], '%.2f'), spread(figures['store_cpu_us'], '%.2f'),
            spread(figures['bytes_per_row'], '%.0f')))


def durability(arguments):
    with pgbench.server('bench') as (directory, cluster, started):
        for mode in ('process', 'disk'):
            say('starting ringfence with audit.durability: ' + mode)
            started.append(contenders.start_ringfence(directory / mode, cluster.port, mode, audit={'durability': mode}))
        print('%-10s %8s %26s %26s %22s %20s' % ('mode', 'clients', 'process: statements/s', 'disk: statements/s',
                                                 'disk of process', 'statements a sync'))
        for mode in arguments.modes.split(','):
            for clients in (int(text) for text in arguments.clients.split(',')):
                results = {one.name: [] for one in started}
                syncs = []
                for one in started:
                    one.connect_seconds = 0
                    pgbench.pgbench(one, mode, clients, '-t', '100')
                for _ in range(arguments.rounds):
                    for one in started:
                        before = one.appliance.metrics()
                        run = pgbench.timed(one, mode, clients, arguments.seconds)
                        after = one.appliance.metrics()
                        results[one.name].append(run[1])
                        if one.name == 'disk':
                            made = after['ringfence_trail_syncs_total'] - before['ringfence_trail_syncs_total']
                            syncs.append(run[0] / max(1, made))
                ratios = [disk / process for disk, process in zip(results['disk'], results['process'])]
                case = '%s/%d' % (mode, clients)
                for name, values in results.items():
                    write(case, name, 'tps', values, 'statements/s')
                write(case, 'disk', 'tps_ratio', ratios, 'of process')
                write(case, 'disk', 'statements_a_sync', syncs, 'statements')
                print('%-10s %8d %26s %26s %22s %20s' % (
                    mode, clients, spread(results['process'], '%.0f'), spread(results['disk'], '%.0f'),
                    spread(ratios, '%.2f'), spread(syncs, '%.1f')))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round: an impression, no result')
    parser.add_argument('--rows', type=int, default=200_000, help='rows of a run (200000)')
    parser.add_argument('--batch', type=int, default=10_000, help='rows of a batch (10000)')
    parser.add_argument('--rounds', type=int, default=5, help='runs of each contender (5)')
    parser.add_argument('--seconds', type=int, default=3, help='length of a pgbench run (3)')
    parser.add_argument('--clients', default='1,8,64', help='(1,8,64)')
    parser.add_argument('--modes', default='prepared,simple', help='(prepared,simple)')
    parser.add_argument('--only', choices=['rows', 'durability'], help='one of the two parts')
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.rows, arguments.seconds = 1, min(arguments.rows, 50_000), 1
    if arguments.only != 'durability':
        rows(arguments)
    if arguments.only != 'rows':
        durability(arguments)
    print('JSON lines: %s' % REPORT.path)


if __name__ == '__main__':
    main()
