#!/usr/bin/python3
"""TLS on the client's leg: small queries, COPY out and new connections through Ringfence, pgbouncer and haproxy.

Prints a table and appends JSON lines to build/bench/tls.jsonl. README.md beside this file says what is compared.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import bench_pg as base

harness = base.harness
sys.path.insert(0, str(base.ROOT / 'tests/e2e'))
import certificates  # noqa: E402

LOAD = pathlib.Path(os.environ.get('RINGFENCE_TLS_LOAD', base.ROOT / 'build/release/bench/tls_load'))
QUERY = 'SELECT abalance FROM pgbench_accounts WHERE aid = 4242'
COPY = 'COPY wide TO STDOUT (FORMAT binary)'
CASES = [('query', 1, QUERY), ('query', 8, QUERY), ('query', 64, QUERY), ('copy', 1, COPY), ('copy', 4, COPY), ('connect', 8, '')]


def start_ringfence(directory, cluster, name, files, **more):
    port = harness.free_port()
    one = harness.Appliance(
        directory, cluster, shards=1, log={'level': 'warning', 'format': 'text'},
        listeners=[{'name': 'main', 'port': port, 'tls': 'require'}],
        tls={'certificate_file': str(files[0]), 'key_file': str(files[1])},
        users=[{'name': base.USER, 'password': base.PASSWORD, 'roles': ['operator']}],
        targets=[{'name': 'bench', 'host': '127.0.0.1', 'port': cluster.port, 'user': base.USER, 'password': base.PASSWORD,
                  'sslmode': 'disable'}], **more)
    one.start()
    contender = base.Contender(name, port, one.process.pid, close=one.stop)
    contender.kind = 'starttls'
    return contender


def start_pgbouncer(directory, cluster, files):
    port = harness.free_port()
    directory.mkdir()
    for source, name in zip(files, ('server.crt', 'server.key')):
        (directory / name).write_bytes(source.read_bytes())
        (directory / name).chmod(0o600)
        if os.getuid() == 0:
            os.chown(directory / name, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
    (directory / 'users.txt').write_text('"%s" "%s"\n' % (base.USER, base.PASSWORD))
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
client_tls_sslmode = require
client_tls_cert_file = {directory}/server.crt
client_tls_key_file = {directory}/server.key
server_tls_sslmode = disable
log_connections = 0
log_disconnections = 0
""")
    process = subprocess.Popen(['pgbouncer', '-q', directory / 'pgbouncer.ini'], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, **{**harness.as_pg(), 'env': {'PATH': '/usr/sbin:/usr/bin:/bin'}})
    base.wait_for_port(port, process)
    contender = base.Contender('pgbouncer', port, process.pid, close=lambda: base.end(process))
    contender.kind = 'starttls'
    return contender


def start_haproxy(directory, cluster, files):
    port = harness.free_port()
    directory.mkdir()
    (directory / 'both.pem').write_bytes(files[0].read_bytes() + files[1].read_bytes())
    (directory / 'haproxy.cfg').write_text(f"""global
  nbthread 1
  maxconn 1000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen postgres
  bind 127.0.0.1:{port} ssl crt {directory}/both.pem alpn postgresql
  server one 127.0.0.1:{cluster.port}
""")
    process = subprocess.Popen(['haproxy', '-db', '-q', '-f', directory / 'haproxy.cfg'], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={'PATH': '/usr/sbin:/usr/bin:/bin'})
    base.wait_for_port(port, process)
    contender = base.Contender('haproxy', port, process.pid, close=lambda: base.end(process))
    contender.kind = 'direct'
    return contender


def measure(contender, mode, clients, seconds, sql):
    contender.settled()
    with subprocess.Popen([LOAD, str(contender.port), contender.kind, mode, str(clients), str(seconds), base.USER, base.PASSWORD,
                           'bench', sql], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        if load.stdout.readline() != 'ready\n':
            raise SystemExit('the load through %s did not begin' % contender.name)
        before = contender.used()
        load.stdin.write('\n')
        load.stdin.flush()
        result = json.loads(load.stdout.readline())
    used = contender.settled()[0] - before[0]
    out = {'rate': result['rounds'] / result['seconds'], 'cpu_us': used / max(1, result['rounds']) * 1e6}
    if mode == 'copy':
        out = {'rate': result['bytes'] / result['seconds'] / 1e6, 'cpu_us': used / result["bytes"] * 1e15}  # MB/s, us/GB.
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--quick', action='store_true', help='one round of one second: an impression, no result')
    parser.add_argument('--seconds', type=float, default=3)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--modes', default='query,copy,connect')
    parser.add_argument('--contenders', default='ringfence,ringfence-no-trail,pgbouncer,haproxy')
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seconds, arguments.rounds = 1, 1
    output = base.ROOT / 'build/bench/tls.jsonl'
    output.parent.mkdir(parents=True, exist_ok=True)
    directory = harness.work_directory('bench-tls')
    files = certificates.Authority(directory / 'ca').issue('server', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1')
    cluster = base.make_cluster(directory)
    contenders = []
    try:
        base.fill(cluster)
        cluster.sql('CREATE TABLE wide AS SELECT repeat(md5(n::text), 250) AS t FROM generate_series(1, 16000) n', database='bench')
        cluster.sql('GRANT SELECT ON wide TO bench', database='bench')
        makers = {
            'ringfence': lambda: start_ringfence(directory / 'rf', cluster, 'ringfence', files),
            'ringfence-no-trail': lambda: start_ringfence(directory / 'rf2', cluster, 'ringfence-no-trail', files,
                                                          audit={'enabled': False}),
            'pgbouncer': lambda: start_pgbouncer(directory / 'pgbouncer', cluster, files),
            'haproxy': lambda: start_haproxy(directory / 'haproxy', cluster, files)}
        for name in arguments.contenders.split(','):
            base.say('starting ' + name)
            contenders.append(makers[name]())
        print('%-8s %8s  %-20s %12s %16s' % ('mode', 'clients', 'contender', 'rate', 'proxy CPU'))
        for mode, clients, sql in CASES:
            if mode not in arguments.modes.split(','):
                continue
            for one in contenders:
                measure(one, mode, clients, 0.3, sql)
            results = {one.name: [] for one in contenders}
            for turn in range(arguments.rounds):
                base.say('%s, %d clients: round %d of %d' % (mode, clients, turn + 1, arguments.rounds))
                for one in contenders:
                    results[one.name].append(measure(one, mode, clients, arguments.seconds, sql))
            for one in contenders:
                show(output, mode, clients, one.name, results[one.name])
    finally:
        for one in contenders:
            one.close()
        cluster.stop()
        harness.remove(directory)
    print('JSON lines: %s' % output)


def show(output, mode, clients, name, runs):
    units = {'query': ('queries/s', 'us/query'), 'copy': ('MB/s', 'us/GB'), 'connect': ('connections/s', 'us/connection')}[mode]
    medians = {}
    with open(output, 'a') as lines:
        for metric, unit in zip(('rate', 'cpu_us'), units):
            values = [run[metric] for run in runs]
            medians[metric] = statistics.median(values)
            lines.write(json.dumps({'bench': 'tls', 'case': '%s/%d' % (mode, clients), 'contender': name, 'metric': metric,
                                    'value': round(medians[metric], 3), 'unit': unit, 'n': len(values),
                                    'min': round(min(values), 3), 'max': round(max(values), 3)}) + '\n')
    cpu = '%.3f s/GB' % (medians['cpu_us'] / 1e6) if mode == 'copy' else '%.1f %s' % (medians['cpu_us'], units[1])
    print('%-8s %8d  %-20s %12.0f %16s   %s' % (mode, clients, name, medians['rate'], cpu, units[0]), flush=True)


if __name__ == '__main__':
    main()
