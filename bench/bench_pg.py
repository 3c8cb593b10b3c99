#!/usr/bin/python3
"""pgbench -S through Ringfence (trail on), pgbouncer in session mode, haproxy in TCP mode, and directly.

Prints a table and appends JSON lines to build/bench/pg.jsonl. README.md beside this file says how to read both.
"""
import argparse
import json
import math
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests/e2e'))
import harness  # noqa: E402  (clusters and the appliance as processes, shared with the end-to-end tests)

TICK = os.sysconf('SC_CLK_TCK')
USER, PASSWORD = 'bench', 'bench-password'


def cpu_seconds(pid, reaped=False):
    """utime+stime of a process, all its threads, those that have ended too; with `reaped` its dead children's."""
    with open('/proc/%d/stat' % pid) as stat:
        fields = stat.read().rsplit(') ', 1)[1].split()
    return sum(int(value) for value in fields[11:15 if reaped else 13]) / TICK


def tree_cpu_seconds(pid):
    """The same of a PostgreSQL server with all its backends, those that have ended too."""
    total = cpu_seconds(pid, reaped=True)
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit():
            try:
                if int(entry.joinpath('stat').read_text().rsplit(') ', 1)[1].split()[1]) == pid:
                    total += cpu_seconds(int(entry.name), reaped=True)
            except (OSError, ValueError):
                pass
    return total


class Contender:
    """Where pgbench connects, and the process whose time is counted."""

    def __init__(self, name, port, pid=None, store_pid=None, close=None):
        self.name, self.port, self.pid, self.store_pid, self.close = name, port, pid, store_pid, close or (lambda: None)
        self.sent = 0  # Transactions in all.

    def used(self):
        return (cpu_seconds(self.pid) if self.pid else 0.0, tree_cpu_seconds(self.store_pid) if self.store_pid else 0.0)

    def settled(self):
        """What is used once nothing is left to do: the writer of the trail works after the last answer."""
        before = self.used()
        deadline = time.monotonic() + 60
        quiet = 0
        while self.pid and quiet < 3 and time.monotonic() < deadline:
            time.sleep(0.25)
            now = self.used()
            quiet = quiet + 1 if now[0] - before[0] <= 0.01 and now[1] - before[1] <= 0.02 else 0
            before = now
        return before


def wait_for_port(port, process):
    import socket

    def answers():
        if process.poll() is not None:
            raise SystemExit('a contender ended with %s at once' % process.returncode)
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return True
        except OSError:
            return False
    harness.eventually(answers, 20, what='port %d' % port)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_pgbouncer(directory, cluster):
    port = harness.free_port()
    directory.mkdir()
    (directory / 'users.txt').write_text('"%s" "%s"\n' % (USER, PASSWORD))
    (directory / 'pgbouncer.ini').write_text(f"""[databases]
bench = host=127.0.0.1 port={cluster.port} dbname=bench
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/users.txt
pool_mode = session
max_client_conn = 300
default_pool_size = 150
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
""")
    process = subprocess.Popen(['pgbouncer', '-q', directory / 'pgbouncer.ini'], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, **{**harness.as_pg(), 'env': {'PATH': '/usr/sbin:/usr/bin:/bin'}})
    wait_for_port(port, process)
    return Contender('pgbouncer', port, process.pid, close=lambda: end(process))


def start_haproxy(directory, cluster):
    port = harness.free_port()
    directory.mkdir()
    (directory / 'haproxy.cfg').write_text(f"""global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen postgres
  bind 127.0.0.1:{port}
  server one 127.0.0.1:{cluster.port}
""")
    environment = {'PATH': '/usr/sbin:/usr/bin:/bin'}
    process = subprocess.Popen(['haproxy', '-db', '-q', '-f', directory / 'haproxy.cfg'], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=environment)
    wait_for_port(port, process)
    return Contender('haproxy', port, process.pid, close=lambda: end(process))


def start_ringfence(directory, cluster, name, shards, audit=()):
    one = harness.Appliance(
        directory, cluster, shards=shards, log={'level': 'warning', 'format': 'text'}, audit=dict(audit),
        users=[{'name': USER, 'password': PASSWORD, 'roles': ['operator']}],
        targets=[{'name': 'bench', 'host': '127.0.0.1', 'port': cluster.port, 'database': 'bench', 'user': USER,
                  'password': PASSWORD, 'sslmode': 'disable'}])
    one.start()
    [pid_file] = list(one.state.rglob('postmaster.pid'))
    store = int(pid_file.read_text().splitlines()[0])
    contender = Contender(name, one.pg_port, one.process.pid, store, close=one.stop)
    contender.appliance = one
    return contender


def pgbench(contender, mode, clients, *length):
    """(transactions, transactions a second without connecting, mean latency in ms); None when it never began."""
    environment = {'PATH': os.environ['PATH'], 'PGPASSWORD': PASSWORD, 'PGHOST': '127.0.0.1', 'PGUSER': USER,
                   'PGPORT': str(contender.port), 'PGDATABASE': 'bench', 'PGSSLMODE': 'disable', 'LC_ALL': 'C'}
    done = subprocess.run([harness.PG_BIN / 'pgbench', '-n', '-S', '-M', mode, '-c', str(clients),
                           '-j', str(min(clients, 2)), *length], text=True, capture_output=True, env=environment, cwd='/')
    if done.returncode != 0:
        raise SystemExit('pgbench through %s failed:\n%s' % (contender.name, done.stderr))
    contender.sent += int(re.search(r'actually processed: (\d+)', done.stdout)[1])
    number = lambda pattern: float(re.search(pattern, done.stdout)[1])  # Of a very short run: nan or inf.
    if 'initial connection time' not in done.stdout:
        return None
    # pgbench's clock starts before it connects, its rate after that: the next run is so much longer.
    connect = number(r'initial connection time = (\S+)') / 1000
    contender.connect_seconds = max(connect, getattr(contender, 'connect_seconds', 0))
    return (int(number(r'actually processed: (\d+)')), number(r'tps = (\S+)'), number(r'latency average = (\S+)'))


def timed(contender, mode, clients, seconds):
    for _ in range(3):
        length = seconds + math.ceil(contender.connect_seconds)
        if (run := pgbench(contender, mode, clients, '-T', str(length))) is not None:
            return run
        contender.connect_seconds += 5  # A busy machine: it had not connected when its time was over.
    raise SystemExit('pgbench through %s did not connect in time' % contender.name)


def measure(contender, mode, clients, seconds, connecting):
    before = contender.settled()
    run = timed(contender, mode, clients, seconds)
    transactions, rate, latency = run
    after = contender.settled()
    # What logging in costs is taken off: it was measured by itself and is not a cost of a transaction.
    counted = transactions - clients
    return {'tps': rate, 'latency_ms': latency, 'transactions': transactions,
            'proxy_cpu_us': max(0.0, after[0] - before[0] - connecting[0]) / counted * 1e6,
            'store_cpu_us': max(0.0, after[1] - before[1] - connecting[1]) / counted * 1e6}


def cost_of_connecting(contender, mode, clients):
    runs = []
    for _ in range(2):
        before = contender.settled()
        pgbench(contender, mode, clients, '-t', '1')
        after = contender.settled()
        runs.append((after[0] - before[0], after[1] - before[1]))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def make_cluster(directory):
    """The server behind every contender; fill() starts it."""
    cluster = harness.Cluster(directory / 'pg', {
        'log_statement': 'none', 'shared_buffers': '512MB', 'max_connections': 700, 'autovacuum': 'off'})
    (cluster.data / 'pg_hba.conf').write_text(
        'local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n')
    return cluster


def fill(cluster):
    say('filling the database (pgbench scale 10)')
    cluster.start()
    cluster.sql("CREATE ROLE bench LOGIN PASSWORD '%s'" % PASSWORD)
    cluster.sql('CREATE DATABASE bench OWNER bench')
    subprocess.run([harness.PG_BIN / 'pgbench', '-i', '-s', '10', '-q'], check=True, capture_output=True, cwd='/', env={
        'PATH': os.environ['PATH'], 'PGPASSWORD': PASSWORD, 'PGHOST': '127.0.0.1', 'PGUSER': USER,
        'PGPORT': str(cluster.port), 'PGDATABASE': 'bench'})
    cluster.sql('CREATE EXTENSION pg_prewarm', database='bench')
    cluster.sql("SELECT pg_prewarm('pgbench_accounts'), pg_prewarm('pgbench_accounts_pkey')", database='bench')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--seconds', type=int, default=3, help='length of a run (3)')
    parser.add_argument('--rounds', type=int, default=5, help='runs of each case and contender (5)')
    parser.add_argument('--clients', default='1,8,64', help='(1,8,64)')
    parser.add_argument('--modes', default='prepared,simple', help='(prepared,simple)')
    parser.add_argument('--contenders', default='direct,ringfence,ringfence-auto,pgbouncer,haproxy')
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.rounds = min(arguments.seconds, 1), 1
    wanted = arguments.contenders.split(',')
    cases = [(mode, int(clients)) for mode in arguments.modes.split(',') for clients in arguments.clients.split(',')]
    output = ROOT / 'build/bench/pg.jsonl'
    output.parent.mkdir(parents=True, exist_ok=True)

    directory = harness.work_directory('bench')
    cluster = make_cluster(directory)
    contenders = []
    try:
        fill(cluster)
        contenders.append(Contender('direct', cluster.port))
        makers = {
            'ringfence': lambda: start_ringfence(directory / 'rf1', cluster, 'ringfence', 1),
            'ringfence-auto': lambda: start_ringfence(directory / 'rf2', cluster, 'ringfence-auto', 'auto'),
            'pgbouncer': lambda: start_pgbouncer(directory / 'pgbouncer', cluster),
            'haproxy': lambda: start_haproxy(directory / 'haproxy', cluster)}
        for name in wanted:
            if name in makers:
                say('starting ' + name)
                contenders.append(makers[name]())
        contenders = [one for one in contenders if one.name in wanted or one.name == 'direct']
        table, written = [], {}
        for mode, clients in cases:
            connecting = {}
            for one in contenders:
                one.connect_seconds = 0
            for one in contenders:
                pgbench(one, mode, clients, '-t', '100')  # Warm: pools, caches, plans.
                connecting[one.name] = cost_of_connecting(one, mode, clients)
            results = {one.name: [] for one in contenders}
            for turn in range(arguments.rounds):
                say('%s, %d clients: round %d of %d' % (mode, clients, turn + 1, arguments.rounds))
                for one in contenders:
                    results[one.name].append(measure(one, mode, clients, arguments.seconds, connecting[one.name]))
            direct = statistics.median(run['tps'] for run in results['direct'])
            for one in contenders:
                runs = results[one.name]
                row = {'mode': mode, 'clients': clients, 'contender': one.name}
                metrics = [('tps', 'transactions/s'), ('latency_ms', 'ms')]
                if one.pid:
                    metrics.append(('proxy_cpu_us', 'us/transaction'))
                if one.store_pid:
                    metrics.append(('store_cpu_us', 'us/transaction'))
                with open(output, 'a') as lines:
                    for metric, unit in metrics + [('tps_ratio', 'of direct')]:
                        values = [run[metric] if metric != 'tps_ratio' else run['tps'] / direct for run in runs]
                        row[metric] = statistics.median(values)
                        lines.write(json.dumps({
                            'bench': 'pg', 'case': '%s/%d' % (mode, clients), 'contender': one.name, 'metric': metric,
                            'value': round(row[metric], 4), 'unit': unit, 'n': len(values),
                            'min': round(min(values), 4), 'max': round(max(values), 4)}) + '\n')
                table.append(row)
        show(table)
        for one in contenders:
            if one.store_pid:
                rows = one.appliance.trail().rows("SELECT count(*) AS n FROM ringfence.audit_query WHERE "
                                                  "statement LIKE 'SELECT abalance%'")[0]['n']
                counters = one.appliance.metrics()
                drops = {name: value for name, value in counters.items() if 'drop' in name and '{' not in name}
                print('%s: %d transactions, %d statements in its trail; drops: %s' % (
                    one.name, one.sent, rows, drops or 'none'))
    finally:
        for one in contenders:
            one.close()
        cluster.stop()
        harness.remove(directory)
    print('JSON lines: %s' % output)


def say(text):
    print(text, file=sys.stderr, flush=True)


def show(table):
    print('%-10s %8s  %-15s %14s %10s %12s %15s %15s' % (
        'mode', 'clients', 'contender', 'transactions/s', 'of direct', 'latency ms', 'proxy CPU us/tx', 'store CPU us/tx'))
    last = None
    for row in table:
        if last not in (None, (row['mode'], row['clients'])):
            print()
        last = (row['mode'], row['clients'])
        cell = lambda name, form: form % row[name] if name in row else '-'
        print('%-10s %8d  %-15s %14.0f %10.2f %12.3f %15s %15s' % (
            row['mode'], row['clients'], row['contender'], row['tps'], row['tps_ratio'], row['latency_ms'],
            cell('proxy_cpu_us', '%.1f'), cell('store_cpu_us', '%.1f')))


if __name__ == '__main__':
    main()
