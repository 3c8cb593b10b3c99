"""The admin API and what it says about sessions."""
import json
import re
import urllib.request

import psycopg
import pytest

import harness


def test_healthz_and_readyz_need_no_token(appliance):
    assert appliance.http('/healthz', token=None)[0] == 200
    assert appliance.http('/readyz', token=None)[0] == 200


@pytest.mark.parametrize('token', [None, 'wrong', harness.TOKEN + 'x', harness.TOKEN[:-1], ''])
@pytest.mark.parametrize('path, method', [
    ('/api/v1/stats', 'GET'), ('/api/v1/sessions', 'GET'), ('/api/v1/sessions/1', 'DELETE')])
def test_the_api_needs_its_token(appliance, path, method, token):
    status, body = appliance.http(path, method, token=token)
    assert status == 401
    assert harness.TOKEN not in body


@pytest.mark.parametrize('path, method, status', [
    ('/nowhere', 'GET', 404), ('/api/v1/nowhere', 'GET', 404), ('/api/v1/sessions', 'POST', 405),
    ('/api/v1/stats', 'DELETE', 405), ('/healthz', 'POST', 405),
    ('/api/v1/sessions/00000000-0000-7000-8000-000000000000', 'DELETE', 404),
    ('/api/v1/sessions/not-an-id', 'DELETE', None), ('/api/v1/../../etc/passwd', 'GET', None)])
def test_what_does_not_exist_is_refused(appliance, path, method, status):
    got = appliance.http(path, method)[0]
    assert got == status if status else 400 <= got < 500


def test_metrics_is_prometheus_text_that_counts_statements(appliance, app):
    before = appliance.metrics()
    with appliance.connect(application_name=app) as connection:
        for _ in range(10):
            connection.execute('SELECT 1')
    grown = harness.eventually(
        lambda: {name: value - before.get(name, 0) for name, value in appliance.metrics().items()
                 if value - before.get(name, 0) >= 10 and 'statements' in name}, what='ten statements more')
    assert grown
    status, body = appliance.http('/metrics')
    for line in body.splitlines():
        assert re.match(r'(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [-+0-9.eEinfNa]+)$', line), line
    names = {line.split()[2] for line in body.splitlines() if line.startswith('# TYPE')}
    assert any('build_info' in name for name in names)
    assert all(name.startswith('ringfence_') or name.startswith('process_') for name in names)
    assert any(line.startswith('# HELP') for line in body.splitlines())
    assert any('_bucket' in line for line in body.splitlines())


def test_stats_is_an_object(appliance):
    assert isinstance(appliance.json('/api/v1/stats'), dict)


def test_a_session_is_listed_with_who_and_where(appliance, app):
    with appliance.connect(application_name=app):
        listed = harness.eventually(
            lambda: [s for s in appliance.sessions() if s.get('application_name') == app], what='the session')
        assert len(listed) == 1
        assert listed[0]['user'] == 'alice'
        assert listed[0]['target'] == 'shop'
        assert listed[0]['client_addr'].startswith('127.0.0.1')
    harness.eventually(lambda: not [s for s in appliance.sessions() if s.get('application_name') == app],
                       what='the session to go')


def end_session(appliance, app):
    [listed] = harness.eventually(
        lambda: [s for s in appliance.sessions() if s.get('application_name') == app], what='the session')
    status, _ = appliance.http('/api/v1/sessions/%s' % listed['id'], 'DELETE')
    assert status in (200, 202, 204)
    return listed['id']


def test_deleting_an_idle_session_ends_it_with_a_fatal(appliance, trail, app):
    connection = appliance.connect(application_name=app)
    connection.execute('SELECT 1')
    end_session(appliance, app)
    with pytest.raises(psycopg.OperationalError) as caught:
        for _ in range(3):
            connection.execute('SELECT 2')
    assert caught.value.sqlstate == '57P01' or 'terminat' in str(caught.value)
    trail.settled(app)


def test_deleting_a_busy_session_ends_it_and_its_statement(appliance, trail, app):
    import threading
    connection = appliance.connect(application_name=app)
    [[pid]] = connection.execute('SELECT pg_backend_pid()').fetchall()
    failures = []

    def work():
        try:
            connection.execute('SELECT pg_sleep(60)')
        except psycopg.Error as error:
            failures.append(error)
    thread = threading.Thread(target=work)
    thread.start()
    harness.time.sleep(0.3)
    end_session(appliance, app)
    thread.join(15)
    assert not thread.is_alive()
    assert 'terminating connection due to administrator command' in str(failures[0])
    rows = trail.settled(app)
    assert rows[-1]['outcome'] in ('cancelled', 'unknown', 'failure')
    harness.eventually(lambda: not appliance.target.sql('SELECT 1 FROM pg_stat_activity WHERE pid = %s', pid),
                       30, 0.1, 'the backend to end')


def test_http_keep_alive_and_head(appliance):
    import http.client
    connection = http.client.HTTPConnection('127.0.0.1', appliance.admin_port, timeout=10)
    for _ in range(5):
        connection.request('GET', '/healthz')
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
    connection.close()


@pytest.mark.parametrize('bytes_sent', [
    b'\x00\x01\x02\x03\r\n\r\n', b'GET / HTTP/1.1\r\n\r\n', b'GET /healthz HTTP/9.9\r\n\r\n',
    b'GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    b'GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n',
    b'GET /' + b'a' * 100_000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
    b'GET /healthz HTTP/1.1\r\n' + b'X: y\r\n' * 20_000 + b'\r\n',
], ids=['binary', 'no host', 'version', 'two lengths', 'smuggling', 'long target', 'many headers'])
def test_broken_requests_are_refused_and_harm_nobody(appliance, bytes_sent):
    import socket
    with socket.create_connection(('127.0.0.1', appliance.admin_port), timeout=15) as client:
        try:
            client.sendall(bytes_sent)
            client.shutdown(1)
            answer = client.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            answer = b''
        assert answer == b'' or re.match(rb'HTTP/1\.[01] (4|5)\d\d ', answer), answer[:80]
    assert appliance.http('/healthz')[0] == 200


def test_json_answers_say_so(appliance):
    request = urllib.request.Request('http://127.0.0.1:%d/api/v1/stats' % appliance.admin_port,
                                     headers={'Authorization': 'Bearer ' + harness.TOKEN})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers['Content-Type'].startswith('application/json')
        json.loads(answer.read())
