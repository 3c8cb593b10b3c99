"""A try of a target by the API: it names the stage that fails, shows no secret, and is bounded."""
import concurrent.futures
import json
import os
import shutil
import socket
import time

import psycopg
import pytest

import certificates
import harness
from test_control_api import ADMIN, basic, call, events, make


@pytest.fixture(scope='module')
def one(target):
    directory = harness.work_directory('target-try')
    made = harness.Appliance(directory, target, store='embedded').start()
    make(made, 'users', {'name': 'looker', 'password': 'correct horse 7', 'roles': ['auditor']})
    yield made
    code = made.stop()
    harness.remove(directory)
    assert code == 0, made.log_tail()


@pytest.fixture(scope='module')
def by_tls(tmp_path_factory):
    """A server with TLS, and what signed its certificate."""
    directory = harness.work_directory('target-try-tls')
    ca = certificates.Authority(directory / 'ca')
    place = directory / 'pg'
    cluster = harness.Cluster(place, {'ssl': 'on', 'ssl_cert_file': place / 'server.crt', 'ssl_key_file': place / 'server.key'})
    for source, name in zip(ca.issue('server', '/CN=server', 'DNS:localhost,IP:127.0.0.1'), ('server.crt', 'server.key')):
        shutil.copy(source, place / name)
        if os.getuid() == 0:
            os.chown(place / name, harness.pg_account().pw_uid, harness.pg_account().pw_gid)
        (place / name).chmod(0o600)
    cluster.start()
    cluster.ca = ca.certificate.read_text()
    cluster.stranger = certificates.Authority(directory / 'stranger', 'Some Other CA').certificate.read_text()
    yield cluster
    cluster.stop()
    harness.remove(directory)


def tried(one, which):
    answer = call(one, 'POST', '/api/v1/targets/%s/test' % which, **ADMIN)
    assert answer.status == 200, answer
    assert harness.APP_PASSWORD not in answer.body and 'not that one' not in answer.body
    return answer.json()


def pg_target(name, target, **more):
    return {'name': name, 'hosts': ['127.0.0.1'], 'port': target.port, 'database': 'shop', 'user': 'shop_app',
            'password': harness.APP_PASSWORD, 'sslmode': 'disable', **more}


def test_a_target_of_the_configuration_and_one_of_the_store_are_tried(one, target):
    make(one, 'targets', pg_target('stored', target))
    for which in ('shop', 'socket', 'stored'):
        told = tried(one, which)
        assert told['ok'] is True and told['stage'] is None and told['message'] is None, told
        assert told['server_version'].startswith('1') and told['tls'] is None and told['latency_ms'] >= 0
        assert [host['ok'] for host in told['hosts']] == [True]
    # One that is not enabled, too: before it is.
    assert call(one, 'PATCH', '/api/v1/targets/stored', {'enabled': False}, **ADMIN).status == 200
    assert tried(one, 'stored')['ok'] is True
    rows = events(one, 'target_tested', 4)
    assert {row['outcome'] for row in rows} == {'success'} and rows[0]['user_name'] and rows[0]['target'] == 'shop'


@pytest.mark.parametrize('name, change, stage, told', [
    ('nowhere', {'hosts': ['nowhere.invalid']}, 'resolve', 'nowhere.invalid'),
    ('closed', {'port': 1}, 'connect', 'refused'),
    ('plain', {'sslmode': 'require'}, 'tls', 'no TLS'),
    ('password', {'password': 'not that one'}, 'authenticate', '28P01'),
    ('database', {'database': 'no_such_database'}, 'startup', '3D000'),
])
def test_the_stage_that_fails_is_named(one, target, name, change, stage, told):
    make(one, 'targets', pg_target('try-' + name, target, **change))
    answer = tried(one, 'try-' + name)
    assert answer['ok'] is False and answer['stage'] == stage, answer
    assert told in answer['message'] and answer['hint'], answer
    row = events(one, 'target_tested', target='try-' + name)[0]
    assert row['outcome'] == 'failure' and row['reason'].startswith(stage + ': '), row


def test_each_place_is_told_of(one, target):
    make(one, 'targets', pg_target('places', target, hosts=['nowhere.invalid', '127.0.0.2', '127.0.0.1']))
    told = tried(one, 'places')
    assert told['ok'] is True
    assert [(host['host'], host['ok']) for host in told['hosts']] == \
        [('nowhere.invalid', False), ('127.0.0.2', False), ('127.0.0.1', True)]
    assert told['hosts'][0]['address'] is None and told['hosts'][1]['address'] == '127.0.0.2:%d' % target.port


def test_each_login_of_the_target_is_tried(one, target):
    make(one, 'targets', pg_target('levels', target, read_user='app_clear', read_password='not that one'))
    told = tried(one, 'levels')
    assert told['ok'] is False and told['stage'] == 'authenticate', told
    assert told['message'].startswith('the user of level read: ') and '28P01' in told['message'], told
    change = {'read_password': harness.APP_PASSWORD}
    assert call(one, 'PATCH', '/api/v1/targets/levels', change, **ADMIN).status == 200
    assert tried(one, 'levels')['ok'] is True


def test_certificates_of_the_ca_are_the_record_s(one, by_tls):
    given = {'name': 'by-tls', 'hosts': ['127.0.0.1'], 'port': by_tls.port, 'database': 'postgres', 'user': 'postgres',
             'sslmode': 'verify-full', 'ca_certificate': by_tls.ca}
    make(one, 'targets', given)
    told = tried(one, 'by-tls')
    assert told['ok'] is True and told['tls'].startswith('TLSv1'), told
    assert call(one, 'PATCH', '/api/v1/targets/by-tls', {'ca_certificate': by_tls.stranger}, **ADMIN).status == 200
    told = tried(one, 'by-tls')
    assert told['ok'] is False and told['stage'] == 'tls' and 'certificate' in told['message'], told
    with pytest.raises(psycopg.OperationalError):
        one.connect(database='by-tls')
    assert call(one, 'PATCH', '/api/v1/targets/by-tls', {'ca_certificate': by_tls.ca}, **ADMIN).status == 200
    with one.connect(database='by-tls') as connection:
        assert connection.execute('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()').fetchone() == (True,)


def test_a_tcp_target_is_dialled(one, target):
    for name, port, ok in (('tcp-open', target.port, True), ('tcp-closed', 1, False)):
        make(one, 'targets', {'name': name, 'type': 'tcp', 'hosts': ['127.0.0.1'], 'port': port})
        told = tried(one, name)
        assert told['ok'] is ok and told['stage'] == (None if ok else 'connect'), told


def test_who_may_not_and_what_is_not_there(one):
    assert call(one, 'POST', '/api/v1/targets/shop/test', **basic('looker')).status == 404
    assert call(one, 'POST', '/api/v1/targets/shop/test').status == 401
    assert call(one, 'POST', '/api/v1/targets/nothing/test', **ADMIN).status == 404
    assert call(one, 'POST', '/api/v1/targets/shop/test', {'x': 1}, **ADMIN).status == 400
    assert call(one, 'POST', '/api/v1/targets/shop/test', {}, **ADMIN).status == 200


def test_a_server_that_says_nothing_holds_nobody_up(one):
    with socket.create_server(('127.0.0.1', 0)) as silent:
        port = silent.getsockname()[1]
        make(one, 'targets', {'name': 'silent', 'hosts': ['127.0.0.1'], 'port': port, 'user': 'x', 'sslmode': 'disable'})
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            began = time.monotonic()
            waiting = [pool.submit(call, one, 'POST', '/api/v1/targets/silent/test', **ADMIN) for _ in range(2)]
            silent.settimeout(8)
            held = [silent.accept()[0] for _ in range(2)]
            busy = call(one, 'POST', '/api/v1/targets/shop/test', **ADMIN)
            assert busy.status == 503 and busy.headers['Retry-After'], busy
            # Records go on.
            assert call(one, 'GET', '/api/v1/targets/silent', **ADMIN).status == 200
            for each in waiting:
                told = each.result().json()
                assert told['ok'] is False and told['stage'] == 'authenticate' and 'too long' in told['message'], told
            assert 9 < time.monotonic() - began < 20
            for connection in held:
                connection.close()
    assert tried(one, 'shop')['ok'] is True


def test_no_secret_is_in_the_trail(one):
    text = json.dumps(one.trail().rows('SELECT * FROM ringfence.audit_event'), default=str)
    assert harness.APP_PASSWORD not in text and 'not that one' not in text
