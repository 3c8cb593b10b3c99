"""Strangers and users who send much: what they may add to the trail, and that others' records are not held up by it."""
import http.client
import os
import threading

import psycopg
import pytest

import harness
import raw

MIB = 1 << 20


@pytest.fixture
def one(own):
    made = own(audit={'batch_ms': 50, 'failures_window_ms': 60_000})
    made.start()
    yield made
    if made.process.poll() is None:
        assert made.stop() == 0


def nothing_was_refused(one):
    """By the store: neither a row nor a batch."""
    metrics = one.metrics()
    assert metrics['ringfence_writer_poisoned_total'] == 0
    assert metrics['ringfence_writer_failures_total'] == 0
    assert metrics['ringfence_writer_isolation_tries_total'] == 0


def told(one, action):
    """(events of their own, sum of the counts, rows) of failures."""
    rows = one.trail().rows("SELECT * FROM ringfence.audit_event WHERE action = %s AND outcome = 'denied' ORDER BY ts", action)
    counts = [row for row in rows if row['metadata'] and 'count' in row['metadata']]
    return len(rows) - len(counts), sum(row['metadata']['count'] for row in counts), rows


def knock(port, count):
    """Requests without a token, each with a path of its own of 6 KB."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=30)
    for _ in range(count):
        connection.request('GET', '/' + os.urandom(3_000).hex())
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 401
        if answer.will_close:
            connection.close()
    connection.close()


def test_requests_without_a_token_hold_nobody_up(one, app):
    """1,500 with random paths of 6 KB: they are a handful of rows, and none that the store refuses."""
    knockers = [threading.Thread(target=knock, args=(one.admin_port, 500)) for _ in range(3)]
    for knocker in knockers:
        knocker.start()
    with one.connect(application_name=app) as connection:
        asked = 0
        while any(knocker.is_alive() for knocker in knockers):
            connection.execute('SELECT %d' % asked)
            asked += 1
    for knocker in knockers:
        knocker.join()
    assert len(one.trail().settled(app)) == asked
    assert one.metrics()['ringfence_admin_authentication_failures_total'] == 1_500
    nothing_was_refused(one)
    first, counted, rows = told(one, 'admin_auth_failed')
    assert (first, counted) == (1, 0)
    assert rows[0]['entity_id'].endswith(' bytes]') and len(rows[0]['entity_id'].encode()) == 512
    # The rest is in memory, and told at the end.
    assert one.stop() == 0
    one.start()
    assert told(one, 'admin_auth_failed')[:2] == (1, 1_499)
    nothing_was_refused(one)


def test_a_path_that_stands_alone_is_cut_with_a_mark(one):
    assert one.http('/' + '%C3%A4' * 400, token='')[0] == 401
    rows = harness.eventually(lambda: told(one, 'admin_auth_failed')[2], what='the event')
    assert len(rows[0]['entity_id'].encode()) <= 512 and '…[' in rows[0]['entity_id']
    nothing_was_refused(one)


@pytest.mark.parametrize('password', [harness.USERS['alice'], 'wrong'])
def test_long_names_in_the_startup_packet(one, app, password):
    """Random, so that no compression helps; also with the right password, after which the database is an entity."""
    names = {'database': os.urandom(2_000).hex(), 'application_name': app + os.urandom(1_500).hex()}
    with raw.RawClient(one.pg_port) as client:
        with pytest.raises(raw.ServerError):
            client.log_in('alice', password, **names)
    with one.connect(application_name=app) as connection:
        connection.execute('SELECT 1')
    assert len(one.trail().settled(app)) == 1
    nothing_was_refused(one)
    rows = one.trail().rows("SELECT * FROM ringfence.audit_event WHERE database LIKE '%% bytes]'")
    assert {row['action'] for row in rows} >= ({'postgres_auth_failed'} if password == 'wrong' else {'access_denied'})
    for row in rows:
        assert row['database'].endswith('…[4000 bytes]') and len(row['database'].encode()) <= 256
        assert len(row['application_name'].encode()) <= 256
        assert len((row['entity_id'] or '').encode()) <= 512


def fail(one, user='alice', **more):
    with raw.RawClient(one.pg_port) as client:
        with pytest.raises(raw.ServerError) as refused:
            client.log_in(user, 'wrong', 'shop', **more)
        assert refused.value.fields['C'] == '28P01'


def test_failed_logins_are_counted_and_a_stop_loses_none(own):
    one = own(shards=1, audit={'batch_ms': 50, 'failures_window_ms': 60_000})
    one.start()
    for n in range(60):
        fail(one, application_name='guess-%d' % n)
    for n in range(40):
        fail(one, user='nobody-%d' % n)
    fail(one, user='bob')
    assert one.metrics()['ringfence_logins_failed_total'] == 101
    harness.eventually(lambda: told(one, 'postgres_auth_failed')[0] == 17, what='the first ones')
    assert one.stop() == 0
    one.start()
    first, counted, rows = told(one, 'postgres_auth_failed')
    # Alice's, and fifteen of those who are invented; what is beyond them has the address in common.
    assert (first, first + counted) == (17, 101)
    by = {row['metadata']['of']: row for row in rows if row['metadata']}
    assert set(by) == {'user', 'address'}
    assert by['user']['user_name'] == 'alice' and by['user']['metadata']['count'] == 59
    assert by['user']['client_addr'] == '127.0.0.1' and by['user']['reason'] == 'wrong password'
    assert by['user']['metadata']['first'] <= by['user']['metadata']['last']
    assert by['address']['user_name'] is None and by['address']['metadata']['count'] == 25
    assert one.stop() == 0


def test_a_window_ends_and_what_was_counted_is_told(own):
    one = own(shards=1, audit={'batch_ms': 50, 'failures_window_ms': 1_000})
    one.start()
    for _ in range(20):
        fail(one)
    harness.eventually(lambda: sum(told(one, 'postgres_auth_failed')[:2]) == 20, what='all of them')
    assert one.stop() == 0


def test_a_kill_loses_no_first_failure(own):
    one = own(shards=1, audit={'batch_ms': 50, 'failures_window_ms': 60_000})
    one.start()
    for user in ('alice', 'bob', 'carol'):
        fail(one, user=user)
        fail(one, user=user)
    one.kill()
    one.start()
    rows = harness.eventually(lambda: (lambda found: found if found[0] >= 3 else None)(told(one, 'postgres_auth_failed')),
                              what='the first ones')[2]
    assert [row['user_name'] for row in rows] == ['alice', 'bob', 'carol']
    assert one.stop() == 0


def test_logins_and_refusals_of_users_are_never_counted_together(one, app):
    for _ in range(5):
        with raw.RawClient(one.pg_port) as client:
            with pytest.raises(raw.ServerError):
                client.log_in('alice', harness.USERS['alice'], 'nowhere', application_name=app)
    harness.eventually(lambda: len(one.trail().events(app, 'access_denied')) == 5, what='five refusals')
    assert len(one.trail().events(app, 'postgres_client_auth')) == 5


def test_a_user_who_fills_the_trail_is_slowed_and_loses_nothing(own, app):
    one = own(shards=2, audit={'batch_ms': 50, 'volume_per_user': {'bytes_per_s': MIB, 'burst_bytes': MIB}})
    one.start()
    texts = 100
    # In one flight, which comes faster than the bound however slow the machine is.
    with one.connect(application_name=app) as connection, connection.pipeline():
        for n in range(texts):
            connection.execute("SELECT %d, '%s'" % (n, os.urandom(30_000).hex()))
    # Others are not: bob's are looked at at once.
    assert one.metrics()['ringfence_trail_volume_waits_total'] > 0
    waits = one.metrics()['ringfence_trail_volume_waits_total']
    with one.connect('bob', application_name=app + '-bob') as connection:
        for n in range(100):
            connection.execute('SELECT %d' % n)
    assert one.metrics()['ringfence_trail_volume_waits_total'] == waits
    rows = one.trail().settled(app)
    assert [int(row['statement'].split(',')[0].split()[1]) for row in rows] == list(range(texts))
    assert one.metrics()['ringfence_trail_volume_refusals_total'] == 0
    assert one.stop() == 0


def test_a_burst_of_ordinary_work_meets_no_bound(one, app):
    with one.connect(application_name=app) as connection:
        with connection.pipeline():
            for n in range(3_000):
                connection.execute('SELECT %s::int', (n,))
    assert one.metrics()['ringfence_trail_volume_waits_total'] == 0
    assert len(one.trail().settled(app)) >= 3_000


def test_a_trigger_of_the_stores_that_refuses_many_rows_holds_nobody_up(own, app):
    """A variant of what the store may dislike: by a trigger, in many rows of one batch, short texts among them."""
    one = own(audit={'block_rows': 0, 'batch_ms': 400, 'failures_window_ms': 60_000})
    one.start()
    with psycopg.connect(one.store_conninfo(), autocommit=True) as store:
        store.execute("""
            CREATE FUNCTION ringfence.taste() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF NEW.statement LIKE '%disliked%' OR NEW.application_name LIKE '%disliked%' THEN RAISE EXCEPTION 'not this one'; END IF;
              RETURN NEW; END $$;
            CREATE TRIGGER taste BEFORE INSERT ON ringfence.audit_row FOR EACH ROW EXECUTE FUNCTION ringfence.taste()""")
    all_disliked = 200
    with one.connect(application_name='disliked-' + app) as disliked, one.connect('bob', application_name=app) as liked:
        for n in range(all_disliked):
            disliked.execute('SELECT %d' % n)
            liked.execute('SELECT %d' % n)
    rows = one.trail().settled(app, timeout=60)
    assert [row['statement'] for row in rows] == ['SELECT %d' % n for n in range(all_disliked)]
    bare = harness.eventually(lambda: (lambda r: r if len(r) >= all_disliked else None)(one.trail().rows(
        "SELECT * FROM ringfence.audit_event WHERE position('disliked-'::bytea IN statement_raw) > 0 AND duration_us IS NOT NULL")),
        60, what='their rows')
    assert all(row['application_name'] is None for row in bare)
    metrics = one.metrics()
    # Far fewer than a whole batch for each of them.
    assert metrics['ringfence_writer_isolation_tries_total'] <= metrics['ringfence_writer_batches_total'] * 64 * 11
    assert metrics['ringfence_writer_poisoned_total'] >= all_disliked
    assert one.stop() == 0
