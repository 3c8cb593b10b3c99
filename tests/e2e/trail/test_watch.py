"""attribution_watch: the server is asked what its sessions run, and that is held against what was sent."""
import contextlib
import time

import pytest

import harness
import raw

PASSWORD = harness.USERS['alice']
SWAP = 'DO $$ BEGIN DEALLOCATE a; PREPARE a AS SELECT 2, pg_sleep(%s); END $$'


@pytest.fixture
def watched(own, target):
    """An appliance that watches its target; told, what becomes of a contradiction."""
    def make(**keys):
        return own(targets=[{'name': 'shop', 'host': '127.0.0.1', 'port': target.port, 'database': 'shop', 'user': 'shop_app',
                             'password': harness.APP_PASSWORD, 'sslmode': 'disable', 'attribution_watch': 'on', **keys}]).start()
    return make


@contextlib.contextmanager
def session(one, app):
    with raw.RawClient(one.pg_port) as client:
        yield client.log_in('alice', PASSWORD, 'shop', application_name=app)


def grown(one, name, by, seconds=20):
    """Waits until a counter has grown by so much."""
    begin = one.metrics()[name]
    until = time.monotonic() + seconds
    while one.metrics()[name] < begin + by:
        assert time.monotonic() < until, (name, one.metrics()[name], begin)
        time.sleep(0.1)


def looked_at(one):
    metrics = one.metrics()
    return metrics['ringfence_attribution_watch_compared_total'] + metrics['ringfence_attribution_watch_unknown_total']


def send_and_wait(one, client, messages):
    """Until the watch has looked at the session behind it."""
    before = looked_at(one)
    client.send(messages)
    client.receive_until(b'Z')
    harness.eventually(lambda: looked_at(one) > before, 20, 0.05, 'a look')


def mismatches(one):
    return one.metrics()['ringfence_attribution_mismatches_total']


def wait_for_mismatch(one, count=1, seconds=20):
    until = time.monotonic() + seconds
    while mismatches(one) < count:
        assert time.monotonic() < until
        time.sleep(0.1)


WATCHES = "FROM pg_stat_activity WHERE application_name = 'ringfence watch' AND usename = 'app_trust'"


def watches(target):
    return target.sql('SELECT count(*) ' + WATCHES)[0][0]


def test_a_swapped_text_is_seen_while_it_runs_and_when_it_has_run(watched, app):
    one = watched(attribution_witness='report')
    trail = one.trail()
    for number, sleep in enumerate((30, 0), 1):
        name = '%s-%d' % (app, sleep)
        with session(one, name) as client:
            client.send(raw.parse('a', 'SELECT 1, pg_sleep(0)') + raw.SYNC + raw.query(SWAP % sleep))
            client.receive_until(b'Z')
            client.receive_until(b'Z')
            client.send(raw.bind('', 'a') + raw.execute('') + raw.SYNC)
            wait_for_mismatch(one, number)
            [event] = harness.eventually(lambda: trail.events(name, 'attribution_mismatch'), 20, 0.1, 'the event')
            assert event['severity'] == 'CRITICAL'
            assert event['statement'] == 'SELECT 1, pg_sleep(0)'
            assert event['metadata']['shown'].startswith('PREPARE a AS SELECT 2, pg_sleep(%d)' % sleep)
            assert event['metadata']['source'] == 'activity'
            # It is told of once.
            time.sleep(2.5)
            assert mismatches(one) == number


def test_a_contradicted_session_is_ended(watched, app):
    one = watched()
    with session(one, app) as client:
        client.send(raw.parse('a', 'SELECT 1') + raw.SYNC + raw.query(SWAP % 30))
        client.receive_until(b'Z')
        client.receive_until(b'Z')
        client.send(raw.bind('', 'a') + raw.execute('') + raw.SYNC)
        fields = raw.error_fields(client.receive_until(b'E')[-1][1])
        assert fields['S'] == 'FATAL' and fields['C'] == '08P01' and 'attribution_witness' in fields['H']


def test_ordinary_sessions_are_compared_and_fit(watched, app):
    one = watched()
    long = "SELECT '%s' AS long" % ('x' * 3000)
    wide = "SELECT 'Ünïcödé 日本', '%s'" % ('é' * 600)
    with session(one, app) as client:
        for text in ('SELECT 1', long, wide, '', '-- nothing', 'BEGIN; SELECT 1; SELECT 2', 'SELECT broken', 'ROLLBACK',
                     'PREPARE p AS SELECT 3; SELECT 4', 'EXECUTE p', 'BEGIN', 'DECLARE c CURSOR FOR SELECT 5'):
            send_and_wait(one, client, raw.query(text))
        for messages in (raw.execute('c', 1), raw.parse('s', 'SELECT 6') + raw.describe(b'S', 's'), raw.bind('', 's'),
                         raw.bind('', 'p') + raw.execute(''), raw.parse('', 'SELECT 1/0') + raw.bind('', '') + raw.execute('') +
                         raw.parse('', 'SELECT skipped') + raw.bind('', '') + raw.execute('')):
            send_and_wait(one, client, messages + raw.SYNC)
    assert mismatches(one) == 0
    metrics = one.metrics()
    assert metrics['ringfence_attribution_watch_compared_total'] >= 15
    assert metrics['ringfence_attribution_watch_failures_total'] == 0


def test_a_watch_has_one_connection_that_comes_back(watched, target, app):
    # As a user for whom nobody else watches.
    one = watched(user='app_trust')
    assert watches(target) == 0
    with session(one, app) as first, session(one, app) as second:
        for client in (first, second):
            client.run('SELECT 1')
        grown(one, 'ringfence_attribution_watch_samples_total', 1)
        assert watches(target) == 1
        assert one.metrics()['ringfence_attribution_watch_connections'] == 1
        target.sql('SELECT pg_terminate_backend(pid) ' + WATCHES)
        for _ in range(3):
            first.run('SELECT 2')
            grown(one, 'ringfence_attribution_watch_samples_total', 1)
        assert watches(target) == 1
    assert mismatches(one) == 0


def test_a_server_that_does_not_show_texts_is_no_contradiction(watched, target, app):
    one = watched()
    with session(one, app) as client:
        client.run('SELECT 1')
        target.sql("ALTER SYSTEM SET track_activities = off")
        target.sql("SELECT pg_reload_conf()")
        try:
            before = one.metrics()['ringfence_attribution_watch_unknown_total']

            def is_unknown():
                client.run('SELECT 2')
                return one.metrics()['ringfence_attribution_watch_unknown_total'] > before
            harness.eventually(is_unknown, 20, 0.2, 'a look at a session that shows nothing')
        finally:
            target.sql("ALTER SYSTEM RESET track_activities")
            target.sql("SELECT pg_reload_conf()")
    assert mismatches(one) == 0
