#!/usr/bin/python3
"""The control plane under load: requests a second and their p99, how soon a grant is in force, what pgbench notices of it.

Prints tables and appends JSON lines to build/bench/api.jsonl. README.md beside this file says what is measured.
"""
import argparse
import http.client
import json
import re
import subprocess
import threading
import time

import psycopg

import contenders
import pgbench
from contenders import PASSWORD, harness, say
from runner import Report

USER_PASSWORD = 'correct horse 7'


class Client:
    """One connection of the API, which is kept."""

    def __init__(self, one):
        self.connection = http.client.HTTPConnection('127.0.0.1', one.admin_port, timeout=60)

    def ask(self, method, path, body=None):
        headers = {'Authorization': 'Bearer ' + harness.TOKEN}
        if body is not None:
            headers['Content-Type'] = 'application/json'
        self.connection.request(method, '/api/v1/' + path, None if body is None else json.dumps(body), headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise SystemExit('%s %s: %d %s' % (method, path, answer.status, text[:300]))
        return json.loads(text) if text else None


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def spread_out(one, clients, items, send):
    """send(client, item) for each item by so many clients at once: (seconds in all, seconds of each)."""
    left, taken, times = iter(items), threading.Lock(), []

    def work():
        client = Client(one)
        while True:
            with taken:
                item = next(left, None)
            if item is None:
                return
            began = time.monotonic()
            send(client, item)
            times.append(time.monotonic() - began)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - began, times


def tell(report, case, seconds, times):
    rate = len(times) / seconds
    report.write(case, 'ringfence', 'rate', [rate], '1/s')
    for name, part in (('p50', 0.5), ('p99', 0.99)):
        report.write(case, 'ringfence', name, [percentile(times, part) * 1000], 'ms')
    print('%-28s %8d %10.0f %10.1f %10.1f' % (case, len(times), rate, percentile(times, 0.5) * 1000,
                                              percentile(times, 0.99) * 1000), flush=True)


def fill(report, one, arguments):
    client = Client(one)
    client.ask('POST', 'groups', {'name': 'crowd'})
    print('%-28s %8s %10s %10s %10s' % ('case', 'requests', '1/s', 'p50 ms', 'p99 ms'))
    tell(report, 'create users', *spread_out(
        one, arguments.clients, range(arguments.users),
        lambda client, number: client.ask('POST', 'users', {'name': 'user%d' % number, 'groups': ['crowd']})))
    tell(report, 'create grants', *spread_out(
        one, arguments.clients, range(arguments.grants),
        lambda client, number: client.ask('POST', 'grants', {
            'user': 'user%d' % (number % arguments.users), 'tag': 'tag%d' % (number // arguments.users), 'level': 'read'})))


def listing(report, one, arguments):
    for path in ('users?limit=100', 'grants?limit=100', 'users/user1'):
        tell(report, 'GET ' + path, *spread_out(one, arguments.clients, range(500), lambda client, _: client.ask('GET', path)))


def in_force(report, one, arguments):
    """From the request until a session that is open may do what the grant admits."""
    client, times = Client(one), []
    client.ask('POST', 'users', {'name': 'waiting', 'password': USER_PASSWORD})
    client.ask('POST', 'grants', {'user': 'waiting', 'tag': 'bench', 'level': 'write'})
    for number in range(20):
        with psycopg.connect(host='127.0.0.1', port=one.pg_port, user='waiting', password=USER_PASSWORD, dbname='bench',
                             autocommit=True) as session:
            session.execute('SELECT 1')
            began = time.monotonic()
            given = client.ask('POST', 'grants', {'user': 'waiting', 'tag': '*', 'level': 'ddl', 'priority': number + 1})
            while True:
                try:
                    session.execute('ANALYZE pgbench_branches')
                    break
                except psycopg.errors.InsufficientPrivilege:
                    pass
            times.append(time.monotonic() - began)
        client.ask('DELETE', 'grants/' + given['id'])
    tell(report, 'a grant is in force', sum(times), times)


def p99_of_pgbench(contender, seconds):
    """Of single transactions, in ms, from pgbench's log."""
    for old in contender.directory.glob('pgbench_log.*'):
        old.unlink()
    done = subprocess.run(
        [harness.PG_BIN / 'pgbench', '-n', '-S', '-M', 'prepared', '-c', '8', '-j', '1', '-T', str(seconds), '-l',
         '--log-prefix', str(contender.directory / 'pgbench_log')],
        text=True, capture_output=True, cwd='/', env={
            'PATH': '/usr/bin:/bin', 'PGPASSWORD': PASSWORD, 'PGHOST': '127.0.0.1', 'PGUSER': contenders.USER,
            'PGPORT': str(contender.port), 'PGDATABASE': 'bench', 'PGSSLMODE': 'disable', 'LC_ALL': 'C'})
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    micros = [int(line.split()[2]) for path in contender.directory.glob('pgbench_log.*') for line in path.open()]
    return percentile(micros, 0.99) / 1000, float(re.search(r'tps = (\S+)', done.stdout)[1])


def beside_pgbench(report, contender, arguments):
    """pgbench alone and beside changes of the control plane, in turns."""
    one, alone, beside = contender.appliance, [], []
    for number in range(arguments.rounds):
        say('beside pgbench: round %d of %d' % (number + 1, arguments.rounds))
        alone.append(p99_of_pgbench(contender, arguments.seconds))
        is_over = threading.Event()

        def change():
            client = Client(one)
            while not is_over.is_set():
                for enabled in (False, True):
                    client.ask('PATCH', 'users/user1', {'enabled': enabled})
                time.sleep(0.05)

        changing = threading.Thread(target=change)
        changing.start()
        beside.append(p99_of_pgbench(contender, arguments.seconds))
        is_over.set()
        changing.join()
    ratios = [b[0] / a[0] for a, b in zip(alone, beside)]
    report.write('beside pgbench', 'ringfence', 'p99_ratio', ratios, 'of alone')
    print('\npgbench -S, 8 clients: p99 alone %.2f ms, beside some 40 changes a second %.2f ms: ratio %s' % (
        percentile([a[0] for a in alone], 0.5), percentile([b[0] for b in beside], 0.5),
        ', '.join('%.2f' % ratio for ratio in sorted(ratios))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='few records: an impression, no result')
    parser.add_argument('--users', type=int, default=10_000)
    parser.add_argument('--grants', type=int, default=100_000)
    parser.add_argument('--clients', type=int, default=8, help='connections of the API (8)')
    parser.add_argument('--rounds', type=int, default=7, help='of pgbench alone and beside changes (7)')
    parser.add_argument('--seconds', type=int, default=5, help='length of a run of pgbench (5)')
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.users, arguments.grants, arguments.rounds, arguments.seconds = 200, 1_000, 2, 2
    report = Report('api')
    with pgbench.server('bench-api') as (directory, cluster, started):
        contender = contenders.start_ringfence(directory / 'ringfence', cluster.port, store='embedded')
        contender.directory = directory
        started.append(contender)
        fill(report, contender.appliance, arguments)
        listing(report, contender.appliance, arguments)
        in_force(report, contender.appliance, arguments)
        beside_pgbench(report, contender, arguments)
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
