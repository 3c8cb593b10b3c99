#!/usr/bin/python3
"""pgbench -S through Ringfence in several configurations, pgbouncer in session mode, haproxy and nginx in TCP mode, the
bare relay, and directly.

Prints a table and appends JSON lines to build/bench/pg.jsonl. README.md beside this file says how to read both.
"""
import argparse

import contenders
import pgbench
from runner import Report, interleave, show

ORDER = 'direct,floor,ringfence,ringfence-full,ringfence-auto,pgbouncer,haproxy,nginx'


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--seconds', type=int, default=3, help='length of a run (3)')
    parser.add_argument('--rounds', type=int, default=5, help='runs of each case and contender (5)')
    parser.add_argument('--clients', default='1,8,64', help='(1,8,64); 512 needs a machine that has the memory')
    parser.add_argument('--modes', default='prepared,simple', help='prepared, extended, simple (prepared,simple)')
    parser.add_argument('--all', action='store_true', help='1, 8, 64 and 512 clients, prepared, extended and simple')
    parser.add_argument('--contenders', default=ORDER)
    arguments = parser.parse_args()
    if arguments.all:
        arguments.clients, arguments.modes = '1,8,64,512', 'prepared,extended,simple'
    if arguments.quick:
        arguments.seconds, arguments.rounds = min(arguments.seconds, 1), 1
    report = Report('pg')
    with pgbench.server('bench') as (directory, cluster, started):
        contenders.start_all(arguments.contenders.split(','), contenders.makers(directory, cluster.port), started)
        for mode in arguments.modes.split(','):
            for clients in (int(text) for text in arguments.clients.split(',')):
                connecting = {one.name: pgbench.warm(one, mode, clients) for one in started}
                case = '%s/%d' % (mode, clients)
                results = interleave(case, started, arguments.rounds, lambda one: pgbench.measure(
                    one, mode, clients, arguments.seconds, connecting[one.name]))
                show(report, case, results, [
                    ('tps', 'transactions/s', '%.0f'), ('latency_ms', 'ms', '%.3f'), ('proxy_cpu_us', 'us/transaction', '%.1f'),
                    ('store_cpu_us', 'us/transaction', '%.1f')], [('direct', 'tps'), ('pgbouncer', 'proxy_cpu_us')])
        for one in started:
            if one.store_pid:
                rows = one.appliance.trail().rows("SELECT count(*) AS n FROM ringfence.audit_query WHERE "
                                                  "statement LIKE 'SELECT abalance%'")[0]['n']
                counters = one.appliance.metrics()
                drops = {name: value for name, value in counters.items() if 'drop' in name and '{' not in name}
                print('%s: %d transactions, %d statements in its trail; drops: %s' % (
                    one.name, one.sent, rows, drops or 'none'))
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
