#!/usr/bin/python3
"""Latency at half load: p50, p99 and p99.9 of small queries sent at times fixed beforehand, half as many a second as the
slowest contender can serve, against a real server.

Prints a table and appends JSON lines to build/bench/tail.jsonl. README.md beside this file says how to read both.
"""
import argparse

import contenders
import pgbench
from contenders import say
from load import queries
from runner import Report, interleave, show

ORDER = 'direct,floor,ringfence,ringfence-full,pgbouncer,haproxy,nginx'
SQL = 'SELECT abalance FROM pgbench_accounts WHERE aid = {}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--clients', type=int, default=32, help='connections (32)')
    parser.add_argument('--seconds', type=float, default=5)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--modes', default='prepared', help='prepared, extended, simple (prepared)')
    parser.add_argument('--contenders', default=ORDER)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1
    report = Report('tail')
    with pgbench.server('bench-tail') as (directory, cluster, started):
        contenders.start_all(arguments.contenders.split(','), contenders.makers(directory, cluster.port), started)
        for mode in arguments.modes.split(','):
            full = min(queries(one, mode, arguments.clients, 2, SQL)['rate'] for one in started)
            rate = int(full / 2)
            say('the slowest serves %d a second, so %d are sent' % (full, rate))
            case = '%s/%d' % (mode, arguments.clients)
            results = interleave(case, started, arguments.rounds, lambda one: queries(
                one, mode, arguments.clients, arguments.seconds, SQL, rate))
            if 'direct' in results:
                for runs in results.values():
                    for run, direct in zip(runs, results['direct']):
                        run['p99_added'] = run['p99'] - direct['p99']
            show(report, '%s at %d/s' % (case, rate), results, [
                ('p50', 'us', '%.0f'), ('p99', 'us', '%.0f'), ('p999', 'us', '%.0f'), ('p99_added', 'us', '%.0f')])
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
