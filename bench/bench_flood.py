#!/usr/bin/python3
"""What a flood costs those beside it: p99 of a session's small queries, and the age of their oldest record when it gets into
the store, beside strangers and one reader who send as fast as one process can.

On a small machine whoever sends takes the time that he needs from everybody, so each figure is a ratio to the same flood
sent to a listener that closes at once.

Prints a table and appends JSON lines to build/bench/flood.jsonl. README.md beside this file says how to read both.
"""
import argparse
import pathlib
import socket
import statistics
import subprocess
import sys
import threading
import time

import contenders
import pgbench
from contenders import say
from runner import Report, show, undisturbed

FLOODS = ['admin', 'login', 'database', 'cancel', 'texts']
RATIO_MAX = 2
# A flood ends by its time; this bounds it where a machine is very fast.
COUNT_MAX = 200_000
SQL = 'SELECT abalance FROM pgbench_accounts WHERE aid = %s'
MARGIN_S = 0.3


class Closer:
    """Accepts, and closes at once."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except OSError:
                return
            accepted.close()

    def close(self):
        self.listener.close()


def closer_main():
    """As a process of its own, so that it does not share our interpreter."""
    closer = Closer()
    print(closer.port, flush=True)
    sys.stdin.read()
    closer.close()


def start_closer():
    process = subprocess.Popen([sys.executable, __file__, '--closer'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def start_flood(kind, port, seconds):
    return subprocess.Popen([sys.executable, str(pathlib.Path(__file__).with_name('flood_load.py')), kind, str(port), str(seconds),
                             str(COUNT_MAX)], stdout=subprocess.PIPE, text=True)


def small_queries(connection, seconds, rate):
    """Latencies in us of queries that are due at times fixed beforehand; each counts from when it was due."""
    out = []
    begin = time.monotonic()
    for n in range(int(seconds * rate)):
        due = begin + n / rate
        rest = due - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        connection.execute(SQL, (n % 1000 + 1,), prepare=True).fetchone()
        out.append((time.monotonic() - due) * 1e6)
    return out


def oldest_ms(one, name):
    """Of the session's records: from when a statement began to when its row was made for the batch that was committed."""
    row = one.appliance.trail().rows(
        "SELECT count(*) AS rows, 1000 * extract(epoch FROM max(recorded_at - ts))::float AS age FROM ringfence.audit_event "
        "WHERE application_name = %s AND action = 'postgres_query'", name)[0]
    return row['rows'], row['age']


def measure(one, kind, port, arguments, name):
    """With the flood at `port`."""
    with contenders.harness.psycopg.connect(host='127.0.0.1', port=one.port, user=contenders.USER, password=contenders.PASSWORD,
                                            dbname='bench', autocommit=True, application_name=name) as connection:
        small_queries(connection, 0.2, arguments.rate)
        flood = start_flood(kind, port, arguments.seconds + 2 * MARGIN_S)
        time.sleep(MARGIN_S)
        took = small_queries(connection, arguments.seconds, arguments.rate)
        sent = int(flood.communicate(timeout=60)[0])
    wanted = int(arguments.seconds * arguments.rate) + int(0.2 * arguments.rate)
    contenders.harness.eventually(lambda: oldest_ms(one, name)[0] >= wanted, 300, 0.2, 'the last record in the store')
    return {'p99': statistics.quantiles(took, n=100)[98], 'oldest': max(1.0, oldest_ms(one, name)[1]), 'sent': sent}


def show_ratios(report, case, results):
    for metric in ('p99', 'oldest'):
        values = [run[metric] / other[metric] for run, other in zip(results['ringfence'], results['closes at once'])]
        middle = report.write(case, 'ringfence', metric + '_of_closes', values, 'of closes at once')
        print('  %s beside the flood at us, of that beside the flood at the other: %.2f (%.2f-%.2f)%s' % (
            metric, middle, min(values), max(values), '' if middle <= RATIO_MAX else ': MORE THAN %d' % RATIO_MAX))
    print(flush=True)


def main():
    if sys.argv[1:] == ['--closer']:
        closer_main()
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of two seconds: an impression, no result')
    parser.add_argument('--seconds', type=float, default=5)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--rate', type=int, default=200, help='small queries a second (200)')
    parser.add_argument('--floods', default=','.join(FLOODS))
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 2
    report = Report('flood')
    closer, closer_port = start_closer()
    try:
        with pgbench.server('bench-flood') as (directory, cluster, started):
            contenders.start_all(['ringfence'], contenders.makers(directory, cluster.port), started)
            one = started[0]
            for kind in arguments.floods.split(','):
                results = {'closes at once': [], 'ringfence': []}
                for turn in range(arguments.rounds):
                    say('%s: round %d of %d' % (kind, turn + 1, arguments.rounds))
                    for name, runs in results.items():
                        own_port = one.appliance.admin_port if kind == 'admin' else one.port
                        port = own_port if name == 'ringfence' else closer_port
                        runs.append(undisturbed(
                            lambda port: measure(one, kind, port, arguments, '%s-%d-%d' % (kind, turn, time.monotonic_ns())), port))
                show(report, kind, results, [('p99', 'us', '%.0f'), ('oldest', 'ms', '%.0f'), ('sent', 'requests', '%.0f')])
                show_ratios(report, kind, results)
    finally:
        closer.stdin.close()
        closer.wait(10)
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
