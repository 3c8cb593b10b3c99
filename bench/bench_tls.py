#!/usr/bin/python3
"""TLS on the client's leg: small queries, COPY out and new connections through Ringfence, pgbouncer and haproxy.

Prints a table and appends JSON lines to build/bench/tls.jsonl. README.md beside this file says what is compared.
"""
import argparse
import json
import subprocess

import contenders
import pgbench
from contenders import PASSWORD, PROGRAMS, USER
from runner import Report, interleave, show

import certificates  # Beside the harness.

QUERY = 'SELECT abalance FROM pgbench_accounts WHERE aid = 4242'
COPY = 'COPY wide TO STDOUT (FORMAT binary)'
CASES = [('query', 1, QUERY), ('query', 8, QUERY), ('query', 64, QUERY), ('copy', 1, COPY), ('copy', 4, COPY), ('connect', 8, '')]
UNITS = {'query': ('queries/s', 'us/query'), 'copy': ('MB/s', 's/GB'), 'connect': ('connections/s', 'us/connection')}


def start_ringfence(directory, port, name, files, **more):
    return as_starttls(contenders.start_ringfence(
        directory, port, name, tls={'certificate_file': str(files[0]), 'key_file': str(files[1])}, listener_tls='require', **more))


def start_pgbouncer(directory, port, files):
    return as_starttls(contenders.start_pgbouncer(
        directory, port, files=zip(files, ('server.crt', 'server.key')), settings=f"""client_tls_sslmode = require
client_tls_cert_file = {directory}/server.crt
client_tls_key_file = {directory}/server.key
server_tls_sslmode = disable"""))


def start_haproxy(directory, port, files):
    """It cannot answer SSLRequest."""
    contender = contenders.start_haproxy(directory, port, 'ssl crt {directory}/both.pem alpn postgresql',
                                         [(files[0].read_bytes() + files[1].read_bytes(), 'both.pem')])
    contender.kind = 'direct'
    return contender


def as_starttls(contender):
    contender.kind = 'starttls'
    return contender


def measure(contender, mode, clients, seconds, sql):
    contender.settled()
    with subprocess.Popen([PROGRAMS / 'tls_load', str(contender.port), contender.kind, mode, str(clients), str(seconds), USER, PASSWORD,
                           'bench', sql], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        if load.stdout.readline() != 'ready\n':
            raise SystemExit('the load through %s did not begin' % contender.name)
        before = contender.used()
        load.stdin.write('\n')
        load.stdin.flush()
        result = json.loads(load.stdout.readline())
    used = contender.settled()[0] - before[0]
    out = {'rate': result['rounds'] / result['seconds'], 'cpu': used / max(1, result['rounds']) * 1e6}
    if mode == 'copy':
        out = {'rate': result['bytes'] / result['seconds'] / 1e6, 'cpu': used / result['bytes'] * 1e9}  # MB/s, s/GB.
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
    report = Report('tls')
    with pgbench.server('bench-tls') as (directory, cluster, started):
        files = certificates.Authority(directory / 'ca').issue('server', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1')
        cluster.sql('CREATE TABLE wide AS SELECT repeat(md5(n::text), 250) AS t FROM generate_series(1, 16000) n', database='bench')
        cluster.sql('GRANT SELECT ON wide TO bench', database='bench')
        makers = {
            'ringfence': lambda: start_ringfence(directory / 'rf', cluster.port, 'ringfence', files),
            'ringfence-no-trail': lambda: start_ringfence(directory / 'rf2', cluster.port, 'ringfence-no-trail', files,
                                                          audit={'enabled': False}),
            'pgbouncer': lambda: start_pgbouncer(directory / 'pgbouncer', cluster.port, files),
            'haproxy': lambda: start_haproxy(directory / 'haproxy', cluster.port, files)}
        contenders.start_all(arguments.contenders.split(','), makers, started)
        for mode, clients, sql in CASES:
            if mode not in arguments.modes.split(','):
                continue
            for one in started:
                measure(one, mode, clients, 0.3, sql)
            case = '%s/%d' % (mode, clients)
            results = interleave(case, started, arguments.rounds, lambda one: measure(one, mode, clients, arguments.seconds, sql))
            rate, cpu = UNITS[mode]
            show(report, case, results, [('rate', rate, '%.0f'), ('cpu', cpu, '%.2f')],
                 [('pgbouncer', 'cpu'), ('haproxy', 'rate'), ('haproxy', 'cpu')])
    print('JSON lines: %s' % report.path)


if __name__ == '__main__':
    main()
