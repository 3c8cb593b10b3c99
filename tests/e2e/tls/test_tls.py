"""TLS on every leg, with real clients, real servers and the openssl command."""
import base64
import os
import pathlib
import re
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request

import psycopg
import pytest

import certificates
import harness
import matrix
import raw
from programs import modules  # noqa: F401

ALICE = harness.USERS['alice']
STARTUP_MS = 4000


@pytest.fixture(scope='module')
def place():
    directory = harness.work_directory('tls')
    yield directory
    harness.remove(directory)


@pytest.fixture(scope='module')
def ca(place):
    made = certificates.Authority(place / 'ca')
    local = 'DNS:localhost,IP:127.0.0.1'
    made.good = made.issue('server', '/CN=server', local)
    made.expired = made.issue('expired', '/CN=server', local, begin=-10, days=-1)
    made.wrong_host = made.issue('wrong_host', '/CN=elsewhere', 'DNS:elsewhere.example')
    made.self_signed = made.self_signed('alone', '/CN=server', local)
    made.revoked = made.issue('revoked', '/CN=server', local)
    made.rsa = made.issue('rsa', '/CN=server', local, algorithm='rsa')
    made.ed25519 = made.issue('ed25519', '/CN=server', local, algorithm='ed25519')
    made.alice = made.issue('alice', '/CN=alice')
    made.mapped = made.issue('mapped', '/CN=Alice of Wonderland', 'email:alice@example.org')
    made.client_expired = made.issue('client_expired', '/CN=alice', begin=-10, days=-1)
    made.client_revoked = made.issue('client_revoked', '/CN=alice')
    made.revoke(made.revoked[0], made.client_revoked[0])
    return made


@pytest.fixture(scope='module')
def stranger(place):
    made = certificates.Authority(place / 'stranger', 'Some Other CA')
    made.alice = made.issue('alice', '/CN=alice')
    return made


@pytest.fixture(scope='module')
def server(place, ca):
    """A PostgreSQL with TLS, roles that it lets in by one kind of connection only, and one by certificate."""
    directory = place / 'pg'
    cluster = harness.Cluster(directory, {'ssl': 'on', 'ssl_cert_file': directory / 'server.crt',
                                          'ssl_key_file': directory / 'server.key', 'ssl_ca_file': directory / 'ca.crt'})
    for source, name in ((ca.good[0], 'server.crt'), (ca.good[1], 'server.key'), (ca.certificate, 'ca.crt')):
        shutil.copy(source, directory / name)
        if os.getuid() == 0:
            os.chown(directory / name, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
        (directory / name).chmod(0o600)
    (cluster.data / 'pg_hba.conf').write_text('\n'.join([
        'local all all trust',
        'hostssl all tls_only all scram-sha-256',
        'hostnossl all plain_only all scram-sha-256',
        'hostssl all by_certificate all cert',
        'host all any all scram-sha-256',
        'host all md5 all md5',
        'host all trusted all trust', '']))
    cluster.start()
    cluster.sql('CREATE DATABASE shop')
    for role in ('tls_only', 'plain_only', 'by_certificate', 'any', 'trusted'):
        cluster.sql("CREATE ROLE %s LOGIN PASSWORD 'pw'" % ('"any"' if role == 'any' else role))
    with cluster.connect() as connection:
        connection.execute("SET password_encryption = 'md5'")
        connection.execute("CREATE ROLE md5 LOGIN PASSWORD 'pw'")
    yield cluster
    cluster.stop()


def pair(files, prefix='tls_'):
    return {prefix + 'certificate_file': str(files[0]), prefix + 'key_file': str(files[1])}


@pytest.fixture(scope='module')
def gate(place, ca, server, store_cluster):
    """An appliance with a listener for each policy, by name in .ports, and targets for each way to the server."""
    ports = {}
    by_ca = {'tls_client_ca_file': str(ca.certificate), 'tls_crl_file': str(ca.crl)}

    def listener(name, **more):
        ports[name] = harness.free_port()
        return {'name': name, 'address': '127.0.0.1', 'port': ports[name], **more}
    listeners = [
        listener('off', tls='off'),
        listener('prefer', tls='prefer'),
        listener('require', tls='require'),
        listener('verify', tls='verify', **by_ca),
        listener('verify_password', tls='verify', tls_client_login='password', **by_ca),
        listener('certificate', tls='verify', tls_client_login='certificate', **by_ca),
        listener('asked', tls='require', tls_client_login='certificate', **by_ca),
        listener('email', tls='verify', tls_client_name='email', tls_client_login='certificate',
                 tls_client_users=[{'certificate': 'alice@example.org', 'user': 'alice'}], **by_ca),
        listener('expired', tls='prefer', **pair(ca.expired)),
        listener('wrong_host', tls='prefer', **pair(ca.wrong_host)),
        listener('self_signed', tls='prefer', **pair(ca.self_signed)),
        listener('revoked', tls='prefer', **pair(ca.revoked)),
        listener('rsa', tls='prefer', **pair(ca.rsa)),
        listener('ed25519', tls='prefer', **pair(ca.ed25519)),
    ]
    root = {'sslrootcert': str(ca.certificate)}

    def to(name, user='any', host='127.0.0.1', **more):
        return {'name': name, 'host': host, 'port': server.port, 'database': 'shop', 'user': user, 'password': 'pw', **more}
    targets = [to('shop', sslmode='verify-full', channel_binding='require', **root), to('socket', host=str(server.socket), user='trusted',
                                                                     sslmode='require')]
    for role in ('any', 'tls_only', 'plain_only'):
        for mode in ('disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'):
            targets.append(to('%s_%s' % (role, mode), user=role, sslmode=mode, **(root if 'verify' in mode else {})))
    targets += [
        to('named_localhost', host='localhost', sslmode='verify-full', **root),
        to('unbound', sslmode='require', channel_binding='disable'),
        to('md5_bound', user='md5', sslmode='require', channel_binding='require'),
        to('trust_bound', user='trusted', sslmode='require', channel_binding='require'),
        to('plain_bound', sslmode='allow', channel_binding='require'),
        to('certificate', user='by_certificate', sslmode='verify-full', sslcert=str(place / 'by_certificate.crt'),
           sslkey=str(place / 'by_certificate.key'), **root),
    ]
    issued = ca.issue('by_certificate', '/CN=by_certificate')
    shutil.copy(issued[0], place / 'by_certificate.crt')
    shutil.copy(issued[1], place / 'by_certificate.key')
    store_cluster.sql('CREATE DATABASE store_tls')
    one = harness.Appliance(
        place / 'gate', server, listeners=listeners, targets=targets, tls=pair(ca.good, ''),
        limits={'startup_ms': STARTUP_MS}, store='postgres://postgres@127.0.0.1:%d/store_tls' % store_cluster.port)
    one.ports = ports
    one.start()
    yield one
    code = one.stop()
    assert code == 0, one.log_tail()


@pytest.fixture(scope='module')
def gate_trail(gate):
    trail = gate.trail()
    yield trail
    if trail.connection:
        trail.connection.close()


def psql(gate, listener, sslmode, database='shop', command='\\conninfo', **environment):
    return gate.psql('-At', '-c', 'SELECT 1', '-c', command, check=False, PGHOST='127.0.0.1', PGPORT=str(gate.ports[listener]),
                     PGSSLMODE=sslmode, database=database, **environment)


def client(files):
    return {'PGSSLCERT': str(files[0]), 'PGSSLKEY': str(files[1])}


def auth_event(trail, application):
    [event] = harness.eventually(lambda: trail.events(application, 'postgres_client_auth'), what='the login of ' + application)
    return event


# ---------------------------------------------------------------- clients: psql's sslmodes

PLAIN, TLS = 'plain', 'tls'
MODES = [
    ('off', 'disable', PLAIN), ('off', 'allow', PLAIN), ('off', 'prefer', PLAIN),
    ('off', 'require', 'server does not support SSL'), ('off', 'verify-full', 'server does not support SSL'),
    ('prefer', 'disable', PLAIN), ('prefer', 'allow', PLAIN), ('prefer', 'prefer', TLS), ('prefer', 'require', TLS),
    ('prefer', 'verify-ca', TLS), ('prefer', 'verify-full', TLS),
    ('require', 'disable', 'takes connections with TLS only'), ('require', 'allow', TLS), ('require', 'prefer', TLS),
    ('require', 'require', TLS), ('require', 'verify-ca', TLS), ('require', 'verify-full', TLS),
    ('verify', 'require', 'certificate required|handshake failure|unexpected'), ('verify', 'disable', 'with TLS only'),
]


@pytest.mark.parametrize('listener,mode,expected', MODES, ids=['%s-%s' % m[:2] for m in MODES])
def test_psql_sslmode(gate, ca, listener, mode, expected):
    environment = {'PGSSLROOTCERT': str(ca.certificate)} if 'verify' in mode else {}
    done = psql(gate, listener, mode, **environment)
    if expected in (PLAIN, TLS):
        assert done.returncode == 0, done.stderr
        assert ('SSL connection (protocol: TLSv1.3' in done.stdout) == (expected == TLS), done.stdout
    else:
        assert done.returncode != 0 and re.search(expected, done.stderr), done.stderr


def test_channel_binding_can_be_required(gate, gate_trail, ca, app):
    done = psql(gate, 'prefer', 'verify-full', PGCHANNELBINDING='require', PGSSLROOTCERT=str(ca.certificate),
                application_name=app)
    assert done.returncode == 0, done.stderr
    event = auth_event(gate_trail, app)
    assert event['auth_method'] == 'scram-sha-256-plus' and event['transport'] == 'tls'
    assert event['metadata'] == {'tls_cipher': 'TLS_AES_128_GCM_SHA256', 'tls_resumed': False, 'tls_version': 'TLSv1.3'}
    done = psql(gate, 'off', 'disable', PGCHANNELBINDING='require')
    assert 'channel binding' in done.stderr


@pytest.mark.parametrize('listener', ['rsa', 'ed25519'])
def test_other_kinds_of_certificates(gate, ca, listener):
    done = psql(gate, listener, 'verify-full', PGSSLROOTCERT=str(ca.certificate),
                PGCHANNELBINDING='require' if listener == 'rsa' else 'prefer')
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('listener,reason', [('expired', 'certificate verify failed'), ('wrong_host', 'does not match host name'),
                                             ('self_signed', 'certificate verify failed'),
                                             ('revoked', 'certificate verify failed')])
def test_bad_server_certificates_are_noticed_by_clients(gate, ca, listener, reason):
    done = psql(gate, listener, 'verify-full', PGSSLROOTCERT=str(ca.certificate), PGSSLCRL=str(ca.crl))
    assert done.returncode != 0 and re.search(reason, done.stderr), done.stderr


# ---------------------------------------------------------------- client certificates

@pytest.mark.parametrize('listener,files,user,password,method', [
    ('verify', 'alice', 'alice', ALICE, 'certificate+scram-sha-256-plus'),
    ('verify_password', 'alice', 'bob', harness.USERS['bob'], 'scram-sha-256-plus'),
    ('certificate', 'alice', 'alice', 'not needed', 'certificate'),
    ('asked', 'alice', 'alice', 'not needed', 'certificate'),
    ('asked', None, 'alice', ALICE, 'scram-sha-256-plus'),
    ('email', 'mapped', 'alice', 'not needed', 'certificate'),
])
def test_certificate_says_who(gate, gate_trail, ca, app, listener, files, user, password, method):
    more = client(getattr(ca, files)) if files else {}
    done = psql(gate, listener, 'require', application_name=app, user=user, PGPASSWORD=password, **more)
    assert done.returncode == 0, done.stderr
    event = auth_event(gate_trail, app)
    assert event['auth_method'] == method and event['user_name'] == user
    if files:
        assert event['metadata']['client_certificate'].startswith('CN=')


@pytest.mark.parametrize('listener,files,user,password,reason', [
    ('verify', 'alice', 'bob', harness.USERS['bob'], 'certificate authentication failed for user "bob"'),
    ('verify', 'alice', 'alice', 'wrong', 'password authentication failed'),
    ('certificate', 'alice', 'bob', harness.USERS['bob'], 'certificate authentication failed'),
    ('certificate', 'mapped', 'alice', ALICE, 'certificate authentication failed'),
    ('email', 'alice', 'alice', ALICE, 'certificate authentication failed'),
    ('asked', 'alice', 'bob', harness.USERS['bob'], 'certificate authentication failed'),
])
def test_certificate_of_somebody_else(gate, ca, listener, files, user, password, reason):
    done = psql(gate, listener, 'require', user=user, PGPASSWORD=password, **client(getattr(ca, files)))
    assert done.returncode != 0 and reason in done.stderr, done.stderr


@pytest.mark.parametrize('which,metric', [('client_expired', 'expired'), ('client_revoked', 'revoked'),
                                          ('stranger', 'untrusted'), (None, 'no_certificate')])
def test_bad_client_certificates_are_refused(gate, gate_trail, ca, stranger, which, metric):
    name = 'ringfence_tls_failures_total{leg="client",reason="%s"}' % metric
    before = gate.metrics()[name]
    files = stranger.alice if which == 'stranger' else getattr(ca, which) if which else None
    done = psql(gate, 'verify', 'require', **(client(files) if files else {}))
    assert done.returncode != 0
    assert gate.metrics()[name] == before + 1
    if which:
        harness.eventually(lambda: gate_trail.rows(
            "SELECT 1 FROM ringfence.audit_event WHERE action = 'postgres_auth_failed' AND reason LIKE 'TLS handshake: %%'"
            " AND outcome = 'denied' AND ts > now() - interval '1 minute'"), what='the refusal in the trail')


# ---------------------------------------------------------------- other drivers

def test_psycopg_verify_full(gate, ca):
    with gate.connect(port=gate.ports['require'], host='localhost', sslmode='verify-full', sslrootcert=str(ca.certificate)) as c:
        assert c.execute('SELECT 1').fetchone() == (1,)
        assert c.pgconn.ssl_in_use
        [session] = [s for s in gate.sessions() if s['tls']]
        assert session['state'] in ('idle', 'active')


def test_asyncpg_direct_and_negotiated(gate, ca):
    asyncpg = pytest.importorskip('asyncpg')
    import asyncio
    context = ssl.create_default_context(cafile=str(ca.certificate))

    async def run():
        connection = await asyncpg.connect(host='127.0.0.1', port=gate.ports['require'], user='alice', password=ALICE,
                                           database='shop', ssl=context)
        try:
            return await connection.fetchval('SELECT 41 + 1')
        finally:
            await connection.close()
    assert asyncio.run(run()) == 42


JAVA = '''
import java.sql.*;
public class Tls {
  public static void main(String[] a) throws Exception {
    try (Connection c = DriverManager.getConnection(a[0], "alice", a[1]); Statement s = c.createStatement();
         ResultSet r = s.executeQuery("SELECT 42")) { r.next(); System.out.println(r.getInt(1)); }
  }
}
'''


def test_jdbc(gate, ca):
    jar = pathlib.Path('/usr/share/java/postgresql.jar')
    if not jar.exists() or not shutil.which('javac'):
        pytest.skip('pgjdbc or a JDK is not installed')
    place = matrix.cache('jdbc-tls')
    source = place / 'Tls.java'
    if not (place / 'Tls.class').exists() or source.read_text() != JAVA:
        source.write_text(JAVA)
        subprocess.run(['javac', '-d', place, source], check=True)

    def run(mode, password):
        url = 'jdbc:postgresql://localhost:%d/shop?sslmode=%s&sslrootcert=%s' % (gate.ports['require'], mode, ca.certificate)
        return subprocess.run(['java', '-XX:TieredStopAtLevel=1', '-cp', '%s:%s:/usr/share/java/*' % (place, jar), 'Tls', url, password],
                              capture_output=True, text=True, timeout=120, check=False)
    good = run('verify-full', ALICE)
    assert good.stdout.strip() == '42', good.stderr
    assert 'TLS only' in run('disable', ALICE).stderr


NODE = '''
const { Client } = require('pg');
const fs = require('fs');
(async () => {
  const client = new Client({host: 'localhost', port: +process.argv[2], user: 'alice', password: process.argv[3],
    database: 'shop', ssl: {ca: fs.readFileSync(process.argv[4]).toString()}});
  await client.connect();
  console.log((await client.query('SELECT 42 AS n')).rows[0].n);
  await client.end();
})().catch((error) => { console.error(error.message); process.exit(1); });
'''


def test_node_pg(gate, ca, modules):  # noqa: F811
    done = subprocess.run(['node', '-e', NODE, '--', 'x', str(gate.ports['require']), ALICE, str(ca.certificate)],
                          capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, 'NODE_PATH': str(modules)})
    assert done.stdout.strip() == '42', done.stderr


# ---------------------------------------------------------------- openssl s_client

def s_client(gate, listener, *arguments, stdin=b'', timeout=20):
    done = subprocess.run(['openssl', 's_client', '-connect', '127.0.0.1:%d' % gate.ports[listener], *arguments],
                          input=stdin, capture_output=True, timeout=timeout, check=False)
    return done.returncode, done.stdout.decode('latin-1') + done.stderr.decode('latin-1')


def test_openssl_starttls_and_direct(gate, ca):
    code, out = s_client(gate, 'prefer', '-starttls', 'postgres', '-CAfile', str(ca.certificate), '-verify_return_error')
    assert code == 0 and 'Verification: OK' in out and 'TLSv1.3' in out, out
    code, out = s_client(gate, 'prefer', '-alpn', 'postgresql', '-CAfile', str(ca.certificate), '-verify_return_error')
    assert code == 0 and 'ALPN protocol: postgresql' in out, out


def test_direct_tls_needs_alpn(gate):
    with TlsClient(gate.ports['prefer'], direct=True) as one:
        with pytest.raises(raw.ServerError, match='application protocol'):
            one.log_in('alice', ALICE, 'shop')
    code, out = s_client(gate, 'prefer', '-alpn', 'h2')
    assert code != 0 and 'no application protocol' in out, out


def test_direct_tls_where_there_is_none_is_answered_by_an_alert(gate):
    code, out = s_client(gate, 'off', '-alpn', 'postgresql')
    assert code != 0 and 'handshake failure' in out, out


def test_old_versions_and_weak_ciphers_are_refused(gate):
    for arguments in (['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], ['-tls1_2', '-cipher', 'AES128-SHA'],
                      ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA']):
        code, out = s_client(gate, 'prefer', '-starttls', 'postgres', *arguments)
        assert code != 0 and 'Cipher is (NONE)' in out, out
    code, out = s_client(gate, 'prefer', '-starttls', 'postgres', '-tls1_2')
    assert code == 0 and 'ECDHE-ECDSA-AES128-GCM-SHA256' in out, out


def test_renegotiation_is_refused(gate):
    code, out = s_client(gate, 'prefer', '-starttls', 'postgres', '-tls1_2', stdin=b'R\n')
    assert 'RENEGOTIATING' in out and ('no renegotiation' in out or 'ssl handshake failure' in out.lower()), out


def test_sessions_resume_and_early_data_is_never_taken(gate, place):
    kept = place / 'session.pem'
    before = gate.metrics()['ringfence_tls_resumed_total{leg="client"}']
    code, out = s_client(gate, 'prefer', '-alpn', 'postgresql', '-tls1_2', '-sess_out', str(kept))
    assert code == 0 and 'New, TLSv1.2' in out, out
    code, out = s_client(gate, 'prefer', '-alpn', 'postgresql', '-tls1_2', '-sess_in', str(kept))
    assert code == 0 and 'Reused, TLSv1.2' in out, out
    assert gate.metrics()['ringfence_tls_resumed_total{leg="client"}'] == before + 1
    # TLS 1.3: the ticket comes behind the handshake, so somebody has to read it.
    tickets = []
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(['postgresql'])
    for _ in range(2):
        with socket.create_connection(('127.0.0.1', gate.ports['prefer']), 10) as plain:
            with context.wrap_socket(plain, session=tickets[-1] if tickets else None) as tls:
                tls.sendall(raw.startup({'user': 'alice', 'database': 'shop'}))
                assert tls.recv(1) == b'R'
                assert tls.session_reused == bool(tickets)
                tickets.append(tls.session)
    early = place / 'early'
    early.write_bytes(raw.startup({'user': 'alice', 'database': 'shop'}))
    code, out = s_client(gate, 'prefer', '-alpn', 'postgresql', '-sess_out', str(kept), stdin=early.read_bytes())
    code, out = s_client(gate, 'prefer', '-alpn', 'postgresql', '-sess_in', str(kept), '-early_data', str(early))
    assert 'Early data was not sent' in out or 'Early data was rejected' in out, out


def test_no_tickets_where_certificates_count(gate, ca):
    code, out = s_client(gate, 'verify', '-alpn', 'postgresql', '-tls1_2', '-cert', str(ca.alice[0]), '-key', str(ca.alice[1]))
    assert code == 0 and 'TLS session ticket' not in out, out


# ---------------------------------------------------------------- what clients should not do

class TlsClient(raw.RawClient):
    """A client whose TLS records the test carries itself, so that it can cut and change them."""

    def __init__(self, port, direct=False, alpn=None, ciphertext_piece=None, **more):
        super().__init__(port, **more)
        self.ciphertext_piece = ciphertext_piece
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols([alpn])
        if not direct:
            self.socket.sendall(raw.SSL_REQUEST)
            assert self.socket.recv(1) == b'S'
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        self.drive(self.tls.do_handshake)

    def drive(self, step):
        while True:
            try:
                result = step()
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                more = self.socket.recv(1 << 16)
                if not more:
                    raise EOFError('the server closed the connection') from None
                self.incoming.write(more)

    def flush(self):
        data = self.outgoing.read()
        piece = self.ciphertext_piece or len(data) or 1
        for at in range(0, len(data), piece):
            self.socket.sendall(data[at:at + piece])

    def send(self, data):
        self.drive(lambda: self.tls.write(data))

    def receive_exactly(self, count):
        while len(self.buffer) < count:
            more = self.drive(lambda: self.tls.read(1 << 16))
            if not more:
                raise EOFError('end')
            self.buffer += more
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def endpoint_hash(self):
        import hashlib
        return hashlib.sha256(self.tls.getpeercert(binary_form=True)).digest()


def test_bytes_one_at_a_time(gate):
    with TlsClient(gate.ports['require'], ciphertext_piece=1) as one:
        one.log_in('alice', ALICE, 'shop')
        assert raw.kinds(one.run('SELECT 1')) == b'TDCZ'


def test_bytes_in_front_of_the_handshake_are_refused(gate):
    name = 'ringfence_tls_failures_total{leg="client",reason="early_bytes"}'
    before = gate.metrics()[name]
    with raw.RawClient(gate.ports['prefer']) as one:
        one.send(raw.SSL_REQUEST + raw.startup({'user': 'alice', 'database': 'shop'}))
        kind, body = one.receive()
        assert kind == b'E' and 'unencrypted data after SSL request' in raw.error_fields(body)['M']
        assert one.at_end()
    assert gate.metrics()[name] == before + 1


def test_a_handshake_that_stops_half_way_ends_by_its_deadline(gate):
    with raw.RawClient(gate.ports['prefer']) as silent, raw.RawClient(gate.ports['prefer']) as half:
        begin = time.monotonic()
        for one in (silent, half):
            one.send(raw.SSL_REQUEST)
            assert one.receive_exactly(1) == b'S'
        half.send(b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
        for one in (silent, half):
            assert one.socket.recv(1) == b''
        assert time.monotonic() - begin < STARTUP_MS / 1000 + 15


def test_garbage_instead_of_a_handshake(gate):
    for garbage in (b'GET / HTTP/1.1\r\n\r\n', os.urandom(300), b'\x16\x03\x01\xff\xff' + b'\1' * 300):
        with raw.RawClient(gate.ports['prefer']) as one:
            one.send(raw.SSL_REQUEST)
            assert one.receive_exactly(1) == b'S'
            one.send(garbage)
            rest = b''
            try:
                while more := one.socket.recv(1000):
                    rest += more
            except ConnectionResetError:
                pass
            assert rest == b'' or rest[0] == 0x15  # An alert.


def test_gss_encryption_is_declined_and_tls_inside_of_tls_too(gate):
    with raw.RawClient(gate.ports['prefer']) as one:
        one.send(raw.GSSENC_REQUEST)
        assert one.receive_exactly(1) == b'N'
        one.send(raw.SSL_REQUEST)
        assert one.receive_exactly(1) == b'S'
    with TlsClient(gate.ports['prefer']) as one:
        one.send(raw.SSL_REQUEST)
        kind, body = one.receive()
        assert kind == b'E' and raw.error_fields(body)['C'] == '08P01'


class BoundScram(raw.Scram):
    def __init__(self, password, header, data=b''):
        super().__init__(password)
        self.header, self.data = header, data
        self.first = header + self.bare

    def final(self, server_first):
        done = super().final(server_first)
        if self.header == b'n,,':
            return done
        import hashlib
        import hmac
        fields = dict(part.split(b'=', 1) for part in server_first.split(b','))
        salted = hashlib.pbkdf2_hmac('sha256', self.password, base64.b64decode(fields[b's']), int(fields[b'i']))
        key = hmac.digest(salted, b'Client Key', 'sha256')
        without_proof = b'c=' + base64.b64encode(self.header + self.data) + b',r=' + fields[b'r']
        signed = self.bare + b',' + server_first + b',' + without_proof
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, 'sha256')
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return without_proof + b',p=' + base64.b64encode(proof)


@pytest.mark.parametrize('mechanism,header,data,expected', [
    (b'SCRAM-SHA-256-PLUS', b'p=tls-server-end-point,,', None, None),
    (b'SCRAM-SHA-256', b'n,,', b'', None),
    (b'SCRAM-SHA-256', b'y,,', b'', 'channel binding negotiation error'),
    (b'SCRAM-SHA-256-PLUS', b'p=tls-server-end-point,,', b'x' * 32, 'channel binding check failed'),
    (b'SCRAM-SHA-256-PLUS', b'p=tls-server-end-point,,', b'', 'channel binding check failed'),
    (b'SCRAM-SHA-256-PLUS', b'p=tls-unique,,', None, 'unsupported SCRAM channel-binding type'),
    (b'SCRAM-SHA-256-PLUS', b'n,,', b'', 'without channel binding'),
    (b'SCRAM-SHA-256-PLUS', b'y,,', b'', 'without channel binding'),
    (b'SCRAM-SHA-256', b'p=tls-server-end-point,,', None, 'without SCRAM-SHA-256-PLUS'),
], ids=lambda v: None if v is None else str(v)[:30])
def test_channel_binding_cannot_be_talked_down(gate, mechanism, header, data, expected):
    with TlsClient(gate.ports['prefer']) as one:
        one.send(raw.startup({'user': 'alice', 'database': 'shop'}))
        kind, body = one.receive()
        assert kind == b'R' and body[4:] == b'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'
        scram = BoundScram(ALICE, header, one.endpoint_hash() if data is None else data)
        one.send(raw.message(b'p', mechanism + b'\0' + struct.pack('!i', len(scram.first)) + scram.first))
        kind, body = one.receive()
        if kind == b'R':
            one.send(raw.message(b'p', scram.final(body[4:])))
            kind, body = one.receive()
        if expected is None:
            assert kind == b'R' and struct.unpack('!I', body[:4])[0] == 12
        else:
            assert kind == b'E' and expected in raw.error_fields(body)['M'], body


def test_plus_without_tls_is_refused(gate):
    with raw.RawClient(gate.ports['prefer']) as one:
        one.send(raw.startup({'user': 'alice', 'database': 'shop'}))
        kind, body = one.receive()
        assert body[4:] == b'SCRAM-SHA-256\0\0'
        first = b'p=tls-server-end-point,,n=,r=abcdefghijkl'
        one.send(raw.message(b'p', b'SCRAM-SHA-256-PLUS\0' + struct.pack('!i', len(first)) + first))
        assert one.receive()[0] == b'E'


def test_cancel_works_in_the_clear_and_inside_of_tls(gate):
    with gate.connect(port=gate.ports['require'], sslmode='require') as one:
        timer = threading.Timer(0.5, one.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            one.execute('SELECT pg_sleep(30)')
    with TlsClient(gate.ports['require']) as one:
        one.log_in('alice', ALICE, 'shop')
        one.send(raw.query('SELECT pg_sleep(30)'))
        time.sleep(0.5)
        with TlsClient(gate.ports['require']) as other:
            other.send(struct.pack('!IHH', 8 + len(one.key), 1234, 5678) + one.key)
            messages = one.receive_until(b'Z')
        assert b'E' in raw.kinds(messages)


# ---------------------------------------------------------------- servers: sslmodes

def server_leg(gate, database, command="SELECT coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()), 'off')"):
    return gate.psql('-At', '-c', command, check=False, PGHOST='127.0.0.1', PGPORT=str(gate.ports['off']), database=database)


SERVER_MODES = [
    ('any', 'disable', 'off'), ('any', 'allow', 'off'), ('any', 'prefer', 'TLSv1.3'), ('any', 'require', 'TLSv1.3'),
    ('any', 'verify-ca', 'TLSv1.3'), ('any', 'verify-full', 'TLSv1.3'),
    ('tls_only', 'disable', None), ('tls_only', 'allow', 'TLSv1.3'), ('tls_only', 'prefer', 'TLSv1.3'),
    ('tls_only', 'require', 'TLSv1.3'), ('tls_only', 'verify-full', 'TLSv1.3'),
    ('plain_only', 'disable', 'off'), ('plain_only', 'allow', 'off'), ('plain_only', 'prefer', 'off'),
    ('plain_only', 'require', None), ('plain_only', 'verify-ca', None), ('plain_only', 'verify-full', None),
]


@pytest.mark.parametrize('role,mode,expected', SERVER_MODES, ids=['%s-%s' % m[:2] for m in SERVER_MODES])
def test_server_sslmode(gate, role, mode, expected):
    done = server_leg(gate, '%s_%s' % (role, mode))
    if expected is None:
        assert done.returncode != 0 and 'cannot be used now' in done.stderr, done.stderr
    else:
        assert done.stdout.strip() == expected, done.stderr


@pytest.mark.parametrize('database,expected,method', [
    ('shop', 'TLSv1.3', 'scram-sha-256-plus'), ('unbound', 'TLSv1.3', 'scram-sha-256'),
    ('named_localhost', 'TLSv1.3', 'scram-sha-256-plus'), ('certificate', 'TLSv1.3', 'trust'), ('socket', 'off', 'trust'),
    ('md5_bound', None, None), ('trust_bound', None, None), ('plain_bound', None, None)])
def test_server_login(gate, gate_trail, app, database, expected, method):
    done = gate.psql('-At', '-c', "SELECT coalesce((SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()), 'off')",
                     check=False, PGHOST='127.0.0.1', PGPORT=str(gate.ports['off']), database=database, application_name=app)
    if expected is None:
        assert done.returncode != 0
        [event] = harness.eventually(lambda: gate_trail.events(app, 'postgres_auth_failed'), what='the failure')
        assert 'channel binding is required' in event['reason']
        return
    assert done.stdout.strip() == expected, done.stderr
    [event] = harness.eventually(lambda: gate_trail.events(app, 'postgres_auth'), what='the login')
    assert event['metadata'] == {'server_auth_method': method, 'server_tls': expected}


def test_cancel_goes_to_the_server_by_tls(gate):
    with gate.connect(port=gate.ports['require'], sslmode='require', database='any_verify-full') as one:
        before = gate.metrics()['ringfence_tls_handshakes_total{leg="server"}']
        timer = threading.Timer(0.5, one.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            one.execute('SELECT pg_sleep(30)')
        assert gate.metrics()['ringfence_tls_handshakes_total{leg="server"}'] == before + 1


class FakeServer:
    """Says S to SSLRequest, shakes hands with the given certificate, and lets everybody in. `early`: and sends bytes in the
    clear behind its S."""

    def __init__(self, files, early=b'', answer=b'S'):
        self.early, self.answer = early, answer
        self.startups = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*map(str, files))
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.serve(connection)
            except (OSError, EOFError):
                pass
            connection.close()

    def serve(self, connection):
        first = connection.recv(8)
        if first == raw.SSL_REQUEST:
            connection.sendall(self.answer + self.early)
            if self.answer == b'S':
                connection = self.context.wrap_socket(connection, server_side=True)
            first = b''
        first += connection.recv(10000)
        if first:
            self.startups.append(first)
        ok = raw.message(b'R', struct.pack('!I', 0)) + raw.message(b'K', struct.pack('!II', 1, 2)) + raw.message(b'Z', b'I')
        connection.sendall(ok)
        while connection.recv(1000):
            pass

    def close(self):
        self.listener.close()


@pytest.fixture(scope='module')
def bad_servers(gate, ca, stranger):
    """Targets on servers with certificates that are wrong in each way, added by a reload."""
    kinds = {'expired': ca.expired, 'wrong_host': ca.wrong_host, 'self_signed': ca.self_signed, 'revoked': ca.revoked}
    servers = {name: FakeServer(files) for name, files in kinds.items()}
    servers['early'] = FakeServer(ca.good, early=raw.message(b'E', b'SERROR\0C00000\0Minjected\0\0'))
    servers['no_tls'] = FakeServer(ca.good, answer=b'N')
    servers['error'] = FakeServer(ca.good, answer=b'E')
    kept = list(gate.config['targets'])
    for name, one in servers.items():
        for mode in ('prefer', 'require', 'verify-ca', 'verify-full'):
            root = {'sslrootcert': str(ca.certificate), 'sslcrl': str(ca.crl)} if 'verify' in mode else {}
            gate.config['targets'].append({'name': '%s_%s' % (name, mode), 'host': '127.0.0.1', 'port': one.port,
                                           'database': 'x', 'user': 'x', 'sslmode': mode, **root})
    reload(gate)
    yield servers
    gate.config['targets'] = kept
    reload(gate)
    for one in servers.values():
        one.close()


def reload(gate):
    before = gate.metrics()['ringfence_configuration_reloads_total']
    gate.write_config()
    gate.reload()
    harness.eventually(lambda: gate.metrics()['ringfence_configuration_reloads_total'] > before, what='the reload:\n' + gate.log_tail())


BAD_SERVERS = [
    ('expired', 'require', True), ('expired', 'verify-ca', 'expired'), ('expired', 'verify-full', 'expired'),
    ('wrong_host', 'require', True), ('wrong_host', 'verify-ca', True), ('wrong_host', 'verify-full', 'not for "127.0.0.1"'),
    ('self_signed', 'require', True), ('self_signed', 'verify-ca', 'self.signed'), ('self_signed', 'verify-full', 'self.signed'),
    ('revoked', 'require', True), ('revoked', 'verify-ca', 'revoked'), ('revoked', 'verify-full', 'revoked'),
    ('early', 'require', 'unencrypted data'), ('no_tls', 'require', 'has no TLS'), ('no_tls', 'prefer', True),
    ('error', 'require', 'with an error'),
]


@pytest.mark.parametrize('kind,mode,expected', BAD_SERVERS, ids=['%s-%s' % m[:2] for m in BAD_SERVERS])
def test_bad_servers(gate, gate_trail, bad_servers, app, kind, mode, expected):
    del bad_servers[kind].startups[:]
    with raw.RawClient(gate.ports['off']) as one:
        if expected is True:
            one.log_in('alice', ALICE, '%s_%s' % (kind, mode), application_name=app)
            assert len(bad_servers[kind].startups) == 1
            return
        with pytest.raises(raw.ServerError, match='cannot be used now'):
            one.log_in('alice', ALICE, '%s_%s' % (kind, mode), application_name=app)
    assert bad_servers[kind].startups == []
    [event] = harness.eventually(lambda: gate_trail.events(app, 'postgres_auth_failed'), what='the failure')
    assert re.search(expected, event['reason']), event['reason']


# ---------------------------------------------------------------- reload

def served_fingerprint(port):
    with TlsClient(port) as one:
        import hashlib
        return hashlib.sha256(one.tls.getpeercert(binary_form=True)).hexdigest().upper()


def plain_fingerprint(path):
    return certificates.fingerprint(path).replace(':', '')


@pytest.fixture
def changing(place, ca, server, store_cluster, own):
    """An appliance whose certificate the test replaces, with a session that keeps asking."""
    directory = harness.work_directory('change')
    for source, name in zip(ca.good, ('c.crt', 'c.key')):
        shutil.copy(source, directory / name)
    port = harness.free_port()
    one = own(listeners=[{'name': 'main', 'port': port, 'tls': 'require'}], tls=pair((directory / 'c.crt', directory / 'c.key'), ''),
              targets=[{'name': 'shop', 'host': '127.0.0.1', 'port': server.port, 'user': 'any', 'password': 'pw', 'sslmode': 'require'}])
    one.tls_port, one.files = port, directory
    one.start()
    yield one
    harness.remove(directory)


def put(directory, files, order=(0, 1)):
    """Replaces certificate and key as certbot and Kubernetes do: a new file under the old name."""
    for i in order:
        name = ('c.crt', 'c.key')[i]
        shutil.copy(files[i], directory / (name + '.tmp'))
        os.rename(directory / (name + '.tmp'), directory / name)


def test_certificates_are_replaced_under_load(changing, ca):
    one = changing
    stop, failures, counts = threading.Event(), [], [0] * 3

    def ask(index):
        try:
            with one.connect(port=one.tls_port, sslmode='require') as connection:
                while not stop.is_set():
                    assert connection.execute('SELECT repeat(%s, 20000)', ('x',)).fetchone()[0] == 'x' * 20000
                    counts[index] += 1
        except Exception as error:  # noqa: BLE001
            failures.append(error)
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    harness.eventually(lambda: all(counts), what='queries')
    assert served_fingerprint(one.tls_port) == plain_fingerprint(ca.good[0])
    # The files change: nobody says so.
    put(one.files, ca.rsa)
    harness.eventually(lambda: served_fingerprint(one.tls_port) == plain_fingerprint(ca.rsa[0]), what='the new certificate')
    expiry = one.metrics()['ringfence_tls_certificate_expiry_seconds{use="listener",name="main",development="false"}']
    assert abs(expiry - time.time() - 30 * 86400) < 86400
    # A bad one changes nothing.
    put(one.files, (ca.good[0], ca.rsa[1]))
    harness.eventually(lambda: one.metrics()['ringfence_tls_stale'] == 1, what='the complaint')
    assert served_fingerprint(one.tls_port) == plain_fingerprint(ca.rsa[0])
    assert 'cannot be used; those in use stay' in one.log() and 'does not belong to the certificate' in one.log()
    one.reload()
    harness.eventually(lambda: 'the configuration was not reloaded' in one.log(), what='the refusal')
    assert served_fingerprint(one.tls_port) == plain_fingerprint(ca.rsa[0])
    put(one.files, ca.good)
    one.reload()
    harness.eventually(lambda: served_fingerprint(one.tls_port) == plain_fingerprint(ca.good[0]), what='the good one')
    assert one.metrics()['ringfence_tls_stale'] == 0
    so_far = list(counts)
    harness.eventually(lambda: all(now > then for now, then in zip(counts, so_far)), what='more queries')
    stop.set()
    for thread in threads:
        thread.join(30)
    assert not failures


def test_a_listener_that_the_new_file_does_not_name_keeps_its_rules(changing):
    one = changing
    one.config['listeners'][0]['name'] = 'renamed'
    one.config['listeners'][0]['tls'] = 'off'
    reload(one)
    with pytest.raises(psycopg.OperationalError, match='TLS only'):
        one.connect(port=one.tls_port, sslmode='disable')
    assert 'key=listeners' in one.log()


def test_development_certificate(own, server):
    port = harness.free_port()
    one = own(listeners=[{'name': 'main', 'port': port}], targets=[])
    one.start()
    certificate = one.state / 'development.crt'
    assert (one.state / 'development.key').stat().st_mode & 0o777 == 0o600
    shown = certificates.fingerprint(certificate)
    assert 'made a certificate for development' in one.log() and shown in one.log()
    for host in ('localhost', '127.0.0.1'):
        with pytest.raises(psycopg.OperationalError, match='is not available'):  # Past TLS and the login.
            one.connect(port=port, host=host, sslmode='verify-full', sslrootcert=str(certificate))
    assert one.stop() == 0
    one.start()
    assert certificates.fingerprint(certificate) == shown
    assert one.metrics()['ringfence_tls_certificate_expiry_seconds{use="listener",name="main",development="true"}'] > time.time()
    assert one.stop() == 0


# ---------------------------------------------------------------- the admin API

def test_admin_over_https(own, ca):
    one = own(admin={'tls': 'require', 'token': harness.TOKEN}, tls=pair(ca.good, ''), targets=[])
    one.start(ready=False)
    context = ssl.create_default_context(cafile=str(ca.certificate))

    def get(path):
        request = urllib.request.Request('https://localhost:%d%s' % (one.admin_port, path))
        request.add_header('Authorization', 'Bearer ' + harness.TOKEN)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                return answer.status, answer.read().decode()
        except (OSError, urllib.error.HTTPError):
            return 0, ''
    harness.eventually(lambda: get('/readyz')[0] == 200, 60, what='/readyz')
    metrics = get('/metrics')[1]
    assert 'ringfence_tls_handshakes_total{leg="admin"}' in metrics
    assert 'ringfence_tls_certificate_expiry_seconds{use="admin",name="admin",development="false"}' in metrics
    status, body = one.http('/readyz')
    assert status == 400 and 'HTTPS' in body
    done = subprocess.run(['curl', '-sS', '--cacert', str(ca.certificate), '-H', 'Authorization: Bearer ' + harness.TOKEN,
                           'https://localhost:%d/api/v1/stats' % one.admin_port], capture_output=True, text=True, check=False)
    assert '"state"' in done.stdout, done.stderr
    assert one.stop() == 0


@pytest.mark.long
def test_readers_that_all_stop_get_everything_in_the_end(gate):
    """More unread answers than the shards have buffers, on both kinds of connections."""
    ports = [gate.ports['require'], gate.ports['off']]
    size, rows = 100_000, 60
    clients = []
    try:
        for i in range(240):
            one = TlsClient(ports[0]) if i % 2 == 0 else raw.RawClient(ports[1])
            clients.append(one)
            one.log_in('alice', ALICE, 'any_require' if i % 4 < 2 else 'any_disable')
            one.send(raw.query("SELECT repeat('%s', %d) FROM generate_series(1, %d)" % (chr(97 + i % 26), size, rows)))
        for i, one in enumerate(clients):
            got = raw.rows(one.receive_until(b'Z'))
            assert len(got) == rows and all(row == [bytes([97 + i % 26]) * size] for row in got)
    finally:
        for one in clients:
            one.socket.close()
