"""TLS whose sending the kernel takes over, on both legs, with psql and PostgreSQL; and that its absence is told.

Where the kernel has no TLS, as little as that is tested here; tests/kernel boots one that has it and runs this file in it.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess

import psycopg
import pytest

import certificates
import harness

ULP = pathlib.Path('/proc/sys/net/ipv4/tcp_available_ulp')
HAS_KERNEL = ULP.exists() and 'tls' in ULP.read_text().split()
needs_kernel = pytest.mark.skipif(not HAS_KERNEL, reason='this kernel has no module tls loaded; ./dev test kernel-tls boots one')
ROWS = 15_000
QUERY = "SELECT n, md5(n::text), repeat('x', n %% 200) FROM generate_series(1, %d) n" % ROWS


@pytest.fixture(scope='module')
def server():
    """A PostgreSQL with TLS on its port."""
    directory = harness.work_directory('ktls-server')
    files = certificates.Authority(directory / 'ca').issue('server', '/CN=localhost', 'DNS:localhost,IP:127.0.0.1')
    cluster = harness.Cluster(directory / 'pg', {'ssl': 'on', 'ssl_cert_file': directory / 'pg/server.crt',
                                                 'ssl_key_file': directory / 'pg/server.key', 'log_statement': 'none'})
    for source, name in zip(files, ('server.crt', 'server.key')):
        shutil.copy(source, cluster.directory / name)
        if os.getuid() == 0:
            os.chown(cluster.directory / name, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
        (cluster.directory / name).chmod(0o600)
    (cluster.data / 'pg_hba.conf').write_text('local all all trust\nhostssl all all all scram-sha-256\n')
    cluster.start()
    cluster.sql("CREATE ROLE app LOGIN PASSWORD 'pw'")
    cluster.sql('CREATE TABLE landed (n int, digest text, filler text)')
    cluster.sql('ALTER TABLE landed OWNER TO app')
    cluster.files = files
    yield cluster
    cluster.stop()
    harness.remove(directory)


class Gate:
    def __init__(self, server, mode):
        self.directory = harness.work_directory('ktls')
        self.port = harness.free_port()
        self.server = server
        self.one = harness.Appliance(
            self.directory, server, shards=1, log={'level': 'info', 'format': 'text'},
            store=f'postgres://postgres@/postgres?host={server.socket}&port={server.port}', audit={'enabled': False},
            listeners=[{'name': 'main', 'address': '127.0.0.1', 'port': self.port, 'tls': 'require'}],
            tls={'certificate_file': str(server.files[0]), 'key_file': str(server.files[1]), 'kernel': mode},
            targets=[{'name': 'shop', 'host': '127.0.0.1', 'port': server.port, 'database': 'postgres', 'user': 'app',
                      'password': 'pw', 'tags': ['e2e'], 'sslmode': 'require'}]).start()

    def close(self):
        self.one.stop()
        harness.remove(self.directory)

    def connect(self, **more):
        return psycopg.connect(**{**self.one.conninfo(), 'port': self.port, 'sslmode': 'require', **more}, autocommit=True)

    def psql(self, *arguments, stdin=None, **environment):
        return self.one.psql('-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', *arguments, stdin=stdin, timeout=300,
                             PGPORT=str(self.port), PGSSLMODE='require', **environment)

    def told(self):
        """How the start-up log says that records are made."""
        return next(line for line in self.one.log().splitlines() if 'sending=' in line)

    def sent_by(self, leg, by='kernel'):
        return self.one.metrics()['ringfence_tls_connections{leg="%s",direction="sending",by="%s"}' % (leg, by)]

    def taken_over(self, leg):
        return self.one.metrics()['ringfence_kernel_tls_connections_total{leg="%s"}' % leg]


@pytest.fixture(scope='module', params=['always', 'auto', 'off'])
def gate(server, request):
    made = Gate(server, request.param)
    made.mode = request.param
    yield made
    made.close()


def expected():
    return hashlib.md5(''.join('%d\t%s\t%s\n' % (n, hashlib.md5(str(n).encode()).hexdigest(), 'x' * (n % 200))
                               for n in range(1, ROWS + 1)).encode()).hexdigest()


def test_the_log_says_who_makes_the_records_and_why(gate):
    told = gate.told()
    metrics = gate.one.metrics()
    may = metrics['ringfence_kernel_tls{direction="sending"}']
    assert metrics['ringfence_kernel_tls{direction="receiving"}'] == 0
    if gate.mode == 'off':
        assert 'by this process: tls.kernel is off' in told and may == 0
    elif not HAS_KERNEL:
        assert 'by this process: the kernel has no module tls: modprobe tls' in told and may == 0
    elif gate.mode == 'always':
        assert 'by the kernel, at' in told and may == 1
    else:  # As it came out.
        assert ('by the kernel for streams, at' in told) == (may == 1)
        assert may == 1 or 'by this process: the kernel takes' in told
    assert (metrics['ringfence_kernel_tls_cost'] > 0) == (HAS_KERNEL and gate.mode != 'off')


def test_streams_both_ways_arrive_to_the_last_byte(gate):
    before = gate.taken_over('client'), gate.taken_over('server')
    out = gate.psql('-c', 'COPY (%s) TO STDOUT' % QUERY).stdout
    assert hashlib.md5(out.encode()).hexdigest() == expected()
    gate.psql('-c', 'TRUNCATE landed', '-c', 'COPY landed FROM STDIN', stdin=out)
    assert gate.server.sql('SELECT count(*), sum(n), sum(length(filler)) FROM landed') == [
        (ROWS, ROWS * (ROWS + 1) // 2, sum(n % 200 for n in range(1, ROWS + 1)))]
    metrics = gate.one.metrics()
    takes = metrics['ringfence_kernel_tls{direction="sending"}']
    after = gate.taken_over('client'), gate.taken_over('server')
    if takes:
        assert after[0] > before[0] and after[1] > before[1]
    else:
        assert after == before == (0, 0)
    assert metrics['ringfence_kernel_tls_refused_total'] == 0


def test_small_statements_and_errors_are_as_ever(gate):
    with gate.connect() as connection:
        for n in range(50):
            assert connection.execute('SELECT %s::int + 1', (n,)).fetchone() == (n + 1,)
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute('SELECT 1/0')
        assert connection.execute('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()').fetchone() == (True,)
        by_kernel = gate.sent_by('client'), gate.sent_by('server')
        assert gate.sent_by('client') + gate.sent_by('client', 'process') >= 1
        if HAS_KERNEL and gate.mode == 'always':
            assert by_kernel == (1, 1)
        else:
            assert by_kernel == (0, 0)
    harness.eventually(lambda: gate.sent_by('client') == 0 and gate.sent_by('server') == 0, what='the counts to go back')


def test_tls_1_2_stays_in_the_process(gate):
    before = gate.taken_over('client')
    out = gate.psql('-c', 'COPY (%s) TO STDOUT' % QUERY, PGSSLMAXPROTOCOLVERSION='TLSv1.2').stdout
    assert hashlib.md5(out.encode()).hexdigest() == expected()
    assert gate.taken_over('client') == before


@needs_kernel
def test_a_client_that_is_killed_in_the_middle_costs_nobody_else(gate):
    endless = "COPY (SELECT repeat('x', 10000) FROM generate_series(1, 20000)) TO STDOUT"
    with subprocess.Popen([harness.PG_BIN / 'psql', '-X', '-q', '-c', endless],
                          stdout=subprocess.PIPE, env=gate.one.environment(PGPORT=str(gate.port), PGSSLMODE='require')) as psql:
        assert len(psql.stdout.read(2_000_000)) == 2_000_000
        psql.kill()
    harness.eventually(lambda: gate.one.metrics()['ringfence_tls_connections{leg="client",direction="receiving",by="process"}'] == 0,
                       30, what='the session to end')
    assert gate.psql('-c', 'SELECT 41 + 1').stdout.strip() == '42'
