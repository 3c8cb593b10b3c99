#!/usr/bin/python3
"""Reading a large trail: the newest rows of a user by the API and by SQL, and how long verify takes.

Prints tables and appends JSON lines to build/bench/trail.jsonl. README.md beside this file says how to read both.
"""
import argparse
import statistics
import subprocess
import time

import psycopg

import contenders
import pgbench
from bench_api import Client
from contenders import harness, say
from runner import Report

USERS = ('half', 'many', 'first')
BY_VIEW = 'SELECT * FROM ringfence.audit_query WHERE user_name = %s ORDER BY chain_no DESC LIMIT 100'
BY_BLOCKS = """SELECT * FROM ringfence.audit_query_block WHERE user_name = %s AND block_no IN (SELECT first_chain_no
  FROM ringfence.audit_block WHERE keys && ARRAY['user:' || %s, 'user:*'] ORDER BY first_chain_no DESC LIMIT 200)
  ORDER BY chain_no DESC LIMIT 100"""


def timed(work, rounds):
    times = []
    for _ in range(rounds):
        began = time.monotonic()
        count = work()
        times.append((time.monotonic() - began) * 1000)
        if count != 100:
            raise SystemExit('%d rows, not 100' % count)
    return times


def tell(report, case, times):
    report.write(case, 'ringfence', 'ms', times, 'ms')
    print('%-24s %10.1f %10.1f %10.1f' % (case, times[0], statistics.median(times), max(times)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rows', type=int, default=10_000_000)
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--quick', action='store_true', help='200,000 rows')
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rows = 200_000
    report = Report('trail')
    with pgbench.server('bench') as (directory, cluster, started):
        started.append(contenders.start_ringfence(directory / 'trail', cluster.port))
        one = started[0].appliance
        node = one.config['node'] if 'node' in one.config else 'e2e'
        one.stop()
        say('writing %d rows' % arguments.rows)
        began = time.monotonic()
        subprocess.run([contenders.PROGRAMS / 'trail_fill', one.state, node, str(arguments.rows)], check=True)
        say('%.0f s; starting ringfence on them' % (time.monotonic() - began))
        one.start()
        dsn = one.store_conninfo()
        with psycopg.connect(dsn, autocommit=True) as store:
            size = store.execute("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'ringfence'::regnamespace "
                                 "AND relkind = 'r'").fetchone()[0]
            report.write('size', 'ringfence', 'bytes_per_row', [float(size) / arguments.rows], 'bytes')
            print('%d rows, %.0f bytes each with indexes and links' % (arguments.rows, float(size) / arguments.rows))
            print('%-24s %10s %10s %10s' % ('newest 100 rows', 'first ms', 'median ms', 'most ms'))
            client = Client(one)
            for user in USERS:
                tell(report, 'api ' + user, timed(lambda: len(client.ask('GET', 'queries?limit=100&user=' + user)['items']), arguments.rounds))
            for user in USERS:
                tell(report, 'sql by blocks ' + user, timed(lambda: len(store.execute(BY_BLOCKS, (user, user)).fetchall()), arguments.rounds))
            for user in USERS:
                tell(report, 'sql by view ' + user, timed(lambda: len(store.execute(BY_VIEW, (user,)).fetchall()), 1))
        began = time.monotonic()
        done = subprocess.run([harness.BINARY, 'audit', 'verify', '--config', one.config_file], capture_output=True, text=True,
                              env=harness.clean_environment())
        took = time.monotonic() - began
        if done.returncode != 0:
            raise SystemExit(done.stdout + done.stderr)
        report.write('verify', 'ringfence', 'rows_per_s', [arguments.rows / took], 'rows/s')
        print('verify: %.0f s, %.0f rows/s' % (took, arguments.rows / took))


if __name__ == '__main__':
    main()
