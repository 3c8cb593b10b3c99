#!/usr/bin/python3
"""COPY out of and into a real server, wide and narrow rows: megabytes a second and the proxy's CPU seconds a gigabyte.

Prints a table and appends JSON lines to build/bench/stream.jsonl. README.md beside this file says how to read both.
"""
import argparse

import contenders
import pgbench
from contenders import say
from load import Load
from runner import Report, interleave, show

ORDER = 'direct,floor,ringfence-bare,ringfence,ringfence-full,ringfence-tcp,pgbouncer,haproxy,nginx'
ROW_BYTES = {'wide': 8000, 'narrow': 100}


def measure(contender, direction, table, seconds, cluster):
    if direction == 'out':
        run = Load(contender, 'clients', 1, seconds, 'COPY %s TO STDOUT (FORMAT binary)' % table, mode=['simple']).go()
    else:
        run = Load(contender, 'copy-in', 1, seconds, 'COPY sink FROM STDIN', str(ROW_BYTES[table])).go()
        cluster.sql('TRUNCATE sink', database='bench')
    out = {'mb_s': run['bytes'] / run['seconds'] / 1e6}
    if contender.pid:
        out['cpu_s_gb'] = run['cpu'] / run['bytes'] * 1e9
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second and 128 MB: an impression, no result')
    parser.add_argument('--megabytes', type=int, default=1024, help='size of one COPY out (1024)')
    parser.add_argument('--seconds', type=float, default=3, help='length of a run, at least one whole COPY (3)')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--tables', default='wide,narrow')
    parser.add_argument('--directions', default='out,in')
    parser.add_argument('--contenders', default=ORDER)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds, arguments.megabytes = 1, 1, min(arguments.megabytes, 128)
    report = Report('stream')
    with pgbench.server('bench-stream') as (directory, cluster, started):
        for table in arguments.tables.split(','):
            say('filling %s' % table)
            size = ROW_BYTES[table]
            cluster.sql("CREATE TABLE %s AS SELECT repeat('x', %d) AS t FROM generate_series(1, %d)" % (
                table, size, arguments.megabytes * 1_000_000 // size), database='bench')
            # As it is read: not compressed, not out of line.
            cluster.sql('GRANT SELECT ON %s TO bench' % table, database='bench')
        cluster.sql('CREATE UNLOGGED TABLE sink (t text); GRANT ALL ON sink TO bench', database='bench')
        makers = contenders.makers(directory, cluster.port)
        makers['ringfence-full'] = lambda: contenders.start_full(directory / 'full', cluster.port, also=['^COPY [a-z]+ TO '])
        contenders.start_all(arguments.contenders.split(','), makers, started)
        for direction in arguments.directions.split(','):
            for table in arguments.tables.split(','):
                # Who may only read does not copy in.
                able = [one for one in started if direction == 'out' or one.name != 'ringfence-full']
                results = interleave('%s/%s' % (direction, table), able, arguments.rounds, lambda one: measure(
                    one, direction, table, arguments.seconds, cluster))
                show(report, '%s/%s' % (direction, table), results, [('mb_s', 'MB/s', '%.0f'), ('cpu_s_gb', 's/GB', '%.3f')],
                     [('direct', 'mb_s'), ('nginx', 'cpu_s_gb'), ('haproxy', 'cpu_s_gb')])
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
