#!/usr/bin/python3
"""Connections that do one query and go: logins a second and the proxy's CPU time for each, SCRAM on both legs.

Prints a table and appends JSON lines to build/bench/churn.jsonl. README.md beside this file says how to read both.
"""
import argparse

import contenders
import pgbench
from load import Load
from runner import Report, interleave, show

ORDER = 'direct,ringfence,ringfence-pool,pgbouncer,pgbouncer-verifier,pgbouncer-new,haproxy,nginx'


def measure(contender, clients, seconds):
    run = Load(contender, 'connect', clients, seconds, 'SELECT 1').go()
    out = {'rate': run['rate'], 'p50': run['p50'], 'p99': run['p99']}
    if contender.pid:
        out['cpu_us'] = run['cpu'] / run['rounds'] * 1e6
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--clients', default='8', help='threads that connect (8)')
    parser.add_argument('--seconds', type=float, default=3)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--contenders', default=ORDER)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1
    report = Report('churn')
    with pgbench.server('bench-churn') as (directory, cluster, started):
        contenders.start_all(arguments.contenders.split(','), contenders.makers(directory, cluster.port), started)
        for clients in (int(text) for text in arguments.clients.split(',')):
            for one in started:
                measure(one, clients, 0.5)
            results = interleave('%d threads' % clients, started, arguments.rounds, lambda one: measure(one, clients, arguments.seconds))
            show(report, str(clients), results, [
                ('rate', 'logins/s', '%.0f'), ('cpu_us', 'us/login', '%.0f'), ('p50', 'us', '%.0f'), ('p99', 'us', '%.0f')],
                [('pgbouncer', 'rate'), ('pgbouncer-verifier', 'rate'), ('pgbouncer-verifier', 'cpu_us')])
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
