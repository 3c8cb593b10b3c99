#!/usr/bin/python3
"""What streams cost those beside them: latency of small queries sent at times fixed beforehand, alone and beside COPYs at
full speed through the same proxy, one shard, thread or worker, against a real server.

The proxy has a core to itself, and whatever streams beside it yields to whatever asks small queries: what is left is the
proxy's own order of work, and not the system's.

Prints a table and appends JSON lines to build/bench/fairness.jsonl. README.md beside this file says how to read both.
"""
import argparse
import os
import time

import contenders
import pgbench
from contenders import say
from load import LOAD_CORE, PROXY_CORE, Load
from runner import Report, interleave, show

ORDER = 'direct,floor,ringfence-bare,ringfence-full,pgbouncer,haproxy,nginx'
SQL = 'SELECT abalance FROM pgbench_accounts WHERE aid = {}'
COPY = 'COPY wide TO STDOUT'
# The streams begin before the queries, and end after them.
MARGIN_S = 0.5
STREAMS_NICE = 10


def small_queries(contender, arguments):
    return Load(contender, 'clients', arguments.clients, arguments.seconds, SQL, str(arguments.rate), mode=['prepared'],
                core=LOAD_CORE)


def yield_to_others(cluster):
    """The server's processes that stream."""
    for (pid,) in cluster.sql("SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY wide%%' AND state = 'active'"):
        os.setpriority(os.PRIO_PROCESS, pid, STREAMS_NICE)


def measure(contender, arguments, cluster):
    small = small_queries(contender, arguments)
    small.begin()
    alone = small.finish()
    small = small_queries(contender, arguments)
    streams = Load(contender, 'clients', arguments.streams, arguments.seconds + 2 * MARGIN_S, COPY, mode=['simple'],
                   core=LOAD_CORE, nice=STREAMS_NICE)
    streams.begin()
    time.sleep(MARGIN_S)
    yield_to_others(cluster)
    small.begin()
    beside = small.finish()
    streamed = streams.finish()
    return {'p99_alone': max(1, alone['p99']), 'p50_beside': beside['p50'], 'p99_beside': beside['p99'],
            'times_alone': beside['p99'] / max(1, alone['p99']), 'stream_mb_s': streamed['bytes'] / streamed['seconds'] / 1e6,
            'answered': beside['rounds'] / max(1, alone['rounds'])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--clients', type=int, default=8, help='connections with small queries (8)')
    parser.add_argument('--rate', type=int, default=500, help='small queries a second, all together (500)')
    parser.add_argument('--streams', type=int, default=2, help='COPYs at the same time (2)')
    parser.add_argument('--seconds', type=float, default=4)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--megabytes', type=int, default=256, help='size of one COPY (256)')
    parser.add_argument('--contenders', default=ORDER)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1
    report = Report('fairness')
    with pgbench.server('bench-fairness') as (directory, cluster, started):
        say('filling the table that is streamed')
        cluster.sql("CREATE TABLE wide AS SELECT repeat('x', 8000) AS t FROM generate_series(1, %d)" % (
            arguments.megabytes * 1_000_000 // 8000), database='bench')
        cluster.sql('GRANT SELECT ON wide TO bench', database='bench')
        if LOAD_CORE is not None:
            # Its processes for connections inherit it.
            os.sched_setaffinity(int((cluster.data / 'postmaster.pid').read_text().splitlines()[0]), {LOAD_CORE})
        makers = contenders.makers(directory, cluster.port)
        # The streams' statement is one more that may pass.
        makers['ringfence-full'] = lambda: contenders.start_full(directory / 'full', cluster.port, also=['^COPY wide TO '])
        contenders.start_all(arguments.contenders.split(','), makers, started)
        for one in started:
            if LOAD_CORE is not None and one.pid:
                one.pin(PROXY_CORE)
            measure(one, argparse.Namespace(**{**vars(arguments), 'seconds': 0.3}), cluster)
        case = '%d streams, %d/s of %d' % (arguments.streams, arguments.rate, arguments.clients)
        results = interleave(case, started, arguments.rounds, lambda one: measure(one, arguments, cluster))
        show(report, case, results, [
            ('p99_alone', 'us', '%.0f'), ('p50_beside', 'us', '%.0f'), ('p99_beside', 'us', '%.0f'),
            ('times_alone', 'x', '%.2f'), ('stream_mb_s', 'MB/s', '%.0f'), ('answered', 'of alone', '%.2f')],
            [('haproxy', 'p99_beside'), ('direct', 'p99_beside')])
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
