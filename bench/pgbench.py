"""pgbench against a contender: the real server filled for it, runs, and what a transaction costs the proxy."""
import contextlib
import math
import os
import re
import subprocess

from contenders import PASSWORD, USER, harness, say


def make_cluster(directory):
    """The server behind every contender; fill() starts it."""
    cluster = harness.Cluster(directory / 'pg', {
        'log_statement': 'none', 'shared_buffers': '512MB', 'max_connections': 1500, 'autovacuum': 'off'})
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


@contextlib.contextmanager
def server(name):
    """A filled server: (directory, cluster, contenders); those that are added to the list are closed in the end."""
    directory = harness.work_directory(name)
    cluster = make_cluster(directory)
    started = []
    try:
        fill(cluster)
        yield directory, cluster, started
    finally:
        for one in started:
            one.close()
        cluster.stop()
        harness.remove(directory)


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
    transactions, rate, latency = timed(contender, mode, clients, seconds)
    after = contender.settled()
    run = {'tps': rate, 'latency_ms': latency, 'transactions': transactions}
    # What logging in costs is taken off: it was measured by itself and is not a cost of a transaction.
    counted = transactions - clients
    if contender.pid:
        run['proxy_cpu_us'] = max(0.0, after[0] - before[0] - connecting[0]) / counted * 1e6
    if contender.store_pid:
        run['store_cpu_us'] = max(0.0, after[1] - before[1] - connecting[1]) / counted * 1e6
    return run


def cost_of_connecting(contender, mode, clients):
    runs = []
    for _ in range(2):
        before = contender.settled()
        pgbench(contender, mode, clients, '-t', '1')
        after = contender.settled()
        runs.append((after[0] - before[0], after[1] - before[1]))
    return min(run[0] for run in runs), min(run[1] for run in runs)


def warm(contender, mode, clients):
    """Pools, caches, plans; gives what logging all clients in costs."""
    contender.connect_seconds = 0
    pgbench(contender, mode, clients, '-t', '100')
    return cost_of_connecting(contender, mode, clients)
