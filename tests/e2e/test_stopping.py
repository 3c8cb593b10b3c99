"""The admin API while the appliance stops: every request gets an answer, and nothing that comes then keeps the stores from
being stopped."""
import contextlib
import json
import os
import signal
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
