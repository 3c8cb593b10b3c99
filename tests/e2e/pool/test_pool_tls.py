"""Warm connections over TLS: handed over as others are, and never kept under rules that are no longer in force."""
import os
import shutil

import psycopg
import pytest

import certificates
import harness
from pooling import counts, next_session, pid_of, wait_idle

TLS_OF_ALL = "SELECT coalesce(bool_and(s.ssl), false), count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = 'pooled'"


@pytest.fixture(scope='module')
def place():
    directory = harness.work_directory('pool-tls')
    yield directory
    harness.remove(directory)


@pytest.fixture(scope='module')
def authorities(place):
    """The server's and one that it knows nothing of."""
    made = [certificates.Authority(place / name, name) for name in ('ca', 'stranger')]
    made[0].server = made[0].issue('server', '/CN=server', 'DNS:localhost,IP:127.0.0.1')
    return made


@pytest.fixture(scope='module')
def server(place, authorities):
    directory = place / 'pg'
    cluster = harness.Cluster(directory, {'ssl': 'on', 'ssl_cert_file': directory / 'server.crt', 'ssl_key_file': directory / 'server.key'})
    for source, name in zip(authorities[0].server, ('server.crt', 'server.key')):
        shutil.copy(source, directory / name)
        if os.getuid() == 0:
            os.chown(directory / name, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
        (directory / name).chmod(0o600)
    (cluster.data / 'pg_hba.conf').write_text('local all all trust\nhostssl all pooled all scram-sha-256\n')
    cluster.start()
    cluster.sql("CREATE ROLE pooled LOGIN PASSWORD 'pw'")
    yield cluster
    cluster.stop()


@pytest.fixture
def one(own, server, request, authorities):
    """Keeps one connection; request.param: what the target's TLS is."""
    rule = dict(request.param)
    if rule.get('sslmode', '').startswith('verify'):
        rule['sslrootcert'] = str(authorities[0].certificate)
    target = {'name': 'shop', 'host': '127.0.0.1', 'port': server.port, 'database': 'postgres', 'user': 'pooled', 'password': 'pw',
              'tags': ['e2e'], 'pool': {'max': 1, 'idle': '10m'}, **rule}
    return own(shards=1, targets=[target]).start()


MODES = [{'sslmode': 'require'}, {'sslmode': 'verify-full'}, {'sslmode': 'verify-full', 'channel_binding': 'require'}]


@pytest.mark.parametrize('one', MODES, indirect=True, ids=str)
def test_a_connection_with_tls_is_handed_over_clean(one, server):
    with one.connect(application_name='first') as connection:
        before = pid_of(connection)
        connection.execute("SET work_mem = '77MB'")
        connection.execute('CREATE TEMP TABLE mine AS SELECT 1')
    for number in range(3):
        with next_session(one, before, application_name='next') as connection:
            assert connection.execute('SHOW work_mem').fetchone()[0] == '4MB'
            assert connection.execute("SELECT to_regclass('pg_temp.mine') IS NULL").fetchone()[0]
            assert connection.execute("SELECT current_setting('application_name')").fetchone()[0] == 'ringfence/alice: next'
            assert connection.execute('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()').fetchone()[0]
            # More than a TLS record, both ways.
            assert connection.execute('SELECT length(%s)', ('x' * 100_000,)).fetchone()[0] == 100_000
            assert len(connection.execute("SELECT repeat('y', 100000)").fetchone()[0]) == 100_000
    wait_idle(one)
    found = counts(one)
    assert found['hits'] == 3 and found['misses'] == 1 and found['failures'] == 0
    assert server.sql(TLS_OF_ALL)[0] == (True, 1)


@pytest.mark.parametrize('one', MODES[:1], indirect=True, ids=str)
def test_a_session_with_tls_that_says_nothing_for_a_while_is_named(one, server):
    with one.connect(application_name='waits') as connection:
        harness.eventually(lambda: server.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ringfence/alice: waits'")[0][0] == 1,
                           what='the name')
        assert connection.execute('SELECT 1').fetchone()[0] == 1


@pytest.mark.parametrize('one', MODES[:1], indirect=True, ids=str)
def test_a_connection_with_tls_that_the_server_closes_while_it_waits_is_not_handed_out(one, server):
    with one.connect() as connection:
        before = pid_of(connection)
    wait_idle(one)
    server.sql('SELECT pg_terminate_backend(%s)', before)
    wait_idle(one, 0)
    with one.connect() as connection:
        assert pid_of(connection) != before


@pytest.mark.parametrize('one', MODES[1:2], indirect=True, ids=str)
def test_other_authorities_close_what_was_made_under_the_old_ones(one, server, authorities):
    with one.connect() as connection:
        before = pid_of(connection)
    wait_idle(one)
    # In use while the rules change: it is not kept either.
    during = one.connect()
    assert pid_of(during) == before
    one.config['targets'][0]['sslrootcert'] = str(authorities[1].certificate)
    one.write_config()
    one.reload()
    harness.eventually(lambda: one.metrics()['ringfence_configuration_reloads_total'] == 1, what='the reload')
    assert during.execute('SELECT 1').fetchone()[0] == 1
    during.close()
    harness.eventually(lambda: counts(one)['discards'] == 1 and counts(one)['idle'] == 0, what='it to be closed')
    # A server whose certificate nobody vouches for any more is not logged in to.
    with pytest.raises(psycopg.OperationalError):
        one.connect()
    one.config['targets'][0]['sslrootcert'] = str(authorities[0].certificate)
    one.write_config()
    one.reload()
    harness.eventually(lambda: one.metrics()['ringfence_configuration_reloads_total'] == 2, what='the reload')
    with one.connect() as connection:
        assert pid_of(connection) != before


@pytest.mark.parametrize('one', MODES[1:2], indirect=True, ids=str)
def test_the_same_file_with_other_authorities_in_it_closes_what_waits(one, server, authorities, tmp_path):
    bundle = one.directory / 'roots.pem'
    shutil.copy(authorities[0].certificate, bundle)
    one.config['targets'][0]['sslrootcert'] = str(bundle)
    one.write_config()
    one.reload()
    harness.eventually(lambda: one.metrics()['ringfence_configuration_reloads_total'] == 1, what='the reload')
    with one.connect() as connection:
        before = pid_of(connection)
    wait_idle(one)
    shutil.copy(authorities[1].certificate, bundle)
    one.reload()
    wait_idle(one, 0)
    harness.eventually(lambda: not server.sql('SELECT 1 FROM pg_stat_activity WHERE pid = %s', before), what='the server to see it go')
    with pytest.raises(psycopg.OperationalError):
        one.connect()
