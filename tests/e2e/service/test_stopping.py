"""The admin API while the appliance stops: every request gets an answer, and nothing that comes then keeps the stores from
being stopped."""
import contextlib
import json
import os
import signal
import socket
import urllib.error
import urllib.request

import pytest

import harness
import witness

QUESTION = json.dumps({'user': 'alice', 'target': 'shop', 'statement': 'SELECT 1'}).encode()


@pytest.fixture
def stopping(own, app):
    """Makes an appliance with a store of its own that is told to stop while that store takes nothing."""
    @contextlib.contextmanager
    def make(**changes):
        one = own(store='embedded', **changes).start()
        with one.connect(application_name=app) as connection:
            connection.execute('SELECT 1')
        trail = one.trail()
        trail.settled(app)
        backends = trail.rows("SELECT pid FROM pg_stat_activity WHERE datname = 'ringfence' AND pid <> pg_backend_pid()")
        trail.connection.close()
        [pid_file] = one.state.rglob('postmaster.pid')
        one.postmaster = int(pid_file.read_text().splitlines()[0])
        with witness.stopped([row['pid'] for row in backends]):
            one.process.send_signal(signal.SIGTERM)
            harness.eventually(lambda: one.json('/api/v1/stats')['state'] == 'draining', 10, 0.02, 'the drain')
            yield one
    return make


def explain(one):
    """(status, content type, body), or None: nobody answers any more."""
    request = urllib.request.Request('http://127.0.0.1:%d/api/v1/policy/explain' % one.admin_port, data=QUESTION, method='POST')
    request.add_header('Authorization', 'Bearer ' + harness.TOKEN)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers['Content-Type'], answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers['Content-Type'], refusal.read().decode()
    except OSError:
        return None


def has_stopped(one):
    assert one.process.wait(60) == 0, one.log_tail()
    assert 'assertion' not in one.log().lower(), one.log_tail()
    with pytest.raises(ProcessLookupError):
        os.kill(one.postmaster, 0)


def test_questions_to_the_policies_are_refused_while_the_appliance_stops(stopping):
    with stopping() as one:
        # The data shards end meanwhile; the store, which stands still, keeps the rest from ending.
        for _ in range(100):
            status, kind, body = explain(one)
            assert (status, kind) == (503, 'application/problem+json'), body
            assert 'shutting down' in body
        assert one.process.poll() is None
    has_stopped(one)


@pytest.mark.parametrize('method, path, expected', [
    ('GET', '/api/v1/sessions', 200), ('DELETE', '/api/v1/sessions/018f0000-0000-7000-8000-000000000001', 404),
    ('POST', '/api/v1/policy/explain', 503)])
def test_a_request_that_comes_to_its_end_when_the_data_shards_are_gone_is_answered(stopping, method, path, expected):
    with contextlib.ExitStack() as open_ones:
        with stopping() as one:
            address = ('127.0.0.1', one.admin_port)
            late, idle = (open_ones.enter_context(socket.create_connection(address, timeout=30)) for _ in range(2))
            late.sendall(('%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n' % (method, path, harness.TOKEN)).encode())
            # It is read by its beginning when another connection, which came later, is answered.
            idle.sendall(b'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
            assert idle.recv(4096).startswith(b'HTTP/1.1 200 ')
        # The store goes on: the trail is stored, the admin API is told to stop, and idle connections end.
        assert idle.recv(4096) == b''
        late.sendall(b'\r\n')
        heard = b''
        while piece := late.recv(65536):
            heard += piece
        assert heard.startswith(b'HTTP/1.1 %d ' % expected) and b'Connection: close\r\n' in heard, heard
        has_stopped(one)
