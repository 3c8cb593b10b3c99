"""Server connections that are kept warm and handed over: what a session leaves behind never reaches the next one."""
import os
import re
import socket
import subprocess
import threading
import time

import psycopg
import pytest

import harness
import raw
from pooling import counts, next_session, pid_of, pooled, wait_idle


@pytest.fixture(scope='module')
def warm(target):
    """An appliance whose target keeps one connection: whoever comes next gets that of whoever went."""
    directory = harness.work_directory('pool')
    with target.connect('shop') as connection:
        connection.execute('CREATE ROLE pool_other')
        connection.execute('GRANT pool_other TO shop_app')
        connection.execute('CREATE SEQUENCE pool_numbers OWNED BY NONE')
        connection.execute('GRANT ALL ON SEQUENCE pool_numbers TO shop_app')
    one = harness.Appliance(directory, target, shards=1, targets=pooled(target)).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


def test_the_next_session_gets_the_connection_of_the_one_before(warm):
    with warm.connect() as connection:
        before = pid_of(connection)
    for _ in range(5):
        with next_session(warm, before) as connection:
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    found = counts(warm)
    assert found['hits'] >= 5 and found['failures'] == 0 and found['in_use'] <= 1


# What the first session does, what the next one asks, and what it sees.
STATES = {
    'SET': ("SET work_mem = '77MB'", 'SHOW work_mem', '4MB'),
    'set_config': ("SELECT set_config('statement_timeout', '54321', false)", 'SHOW statement_timeout', '0'),
    'a setting of its own': ("SET my.secret = 'mine'", "SELECT coalesce(current_setting('my.secret', true), '')", ''),
    'search_path': ('SET search_path = pg_catalog', 'SHOW search_path', '"$user", public'),
    'client_encoding': ("SET client_encoding = 'LATIN1'", 'SHOW client_encoding', 'UTF8'),
    'DateStyle': ("SET DateStyle = 'German'", 'SHOW DateStyle', 'ISO, MDY'),
    'SET ROLE': ('SET ROLE pool_other', 'SELECT current_user', 'shop_app'),
    'SET SESSION AUTHORIZATION': ('SET SESSION AUTHORIZATION shop_app; SET ROLE pool_other', 'SELECT session_user || current_user', 'shop_appshop_app'),
    'read-only': ('SET default_transaction_read_only = on', 'SHOW transaction_read_only', 'off'),
    'isolation': ("SET default_transaction_isolation = 'serializable'", 'SHOW transaction_isolation', 'read committed'),
    'a temporary table': ('CREATE TEMP TABLE pool_mine AS SELECT 1', "SELECT to_regclass('pool_mine') IS NULL", True),
    'a temporary function': ('CREATE FUNCTION pg_temp.pool_f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
                             "SELECT count(*) FROM pg_proc WHERE proname = 'pool_f'", 0),
    'SQL PREPARE': ('PREPARE mine AS SELECT 1', 'SELECT count(*) FROM pg_prepared_statements', 0),
    'a cursor WITH HOLD': ('DECLARE mine CURSOR WITH HOLD FOR SELECT 1', 'SELECT count(*) FROM pg_cursors', 0),
    'an advisory lock': ('SELECT pg_advisory_lock(4711)', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0),
    'a shared advisory lock': ('SELECT pg_advisory_lock_shared(4712)', "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0),
    'LISTEN': ('LISTEN mine', 'SELECT count(*) FROM pg_listening_channels()', 0),
    'an open transaction that set something': ("BEGIN; SET LOCAL work_mem = '99MB'; COMMIT", 'SHOW work_mem', '4MB'),
}


@pytest.mark.parametrize('state', STATES)
def test_state_is_gone(warm, state):
    does, asks, sees = STATES[state]
    with warm.connect() as connection:
        before = pid_of(connection)
        connection.execute(does)
    with next_session(warm, before) as connection:
        assert connection.execute(asks).fetchone()[0] == sees


def test_a_sequences_last_value_is_gone(warm):
    with warm.connect() as connection:
        before = pid_of(connection)
        connection.execute("SELECT nextval('pool_numbers')")
    with next_session(warm, before) as connection:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute("SELECT currval('pool_numbers')")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            connection.execute('SELECT lastval()')


def test_the_state_of_random_is_gone(warm):
    seen = set()
    for _ in range(3):
        with warm.connect() as connection:
            before = pid_of(connection)
            connection.execute('SELECT setseed(0.5)')
        with next_session(warm, before) as connection:
            seen.add(connection.execute('SELECT random()').fetchone()[0])
    assert len(seen) == 3


def test_a_role_of_the_logins_own_is_back(warm, target):
    target.sql('ALTER ROLE shop_app SET role = pool_other')
    try:
        warm.config['targets'][0]['tags'] = ['e2e', 'role']  # No connection from before: a login reads that setting.
        target.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ringfence%'")
        wait_idle(warm, 0)
        with warm.connect() as connection:
            before = pid_of(connection)
            assert connection.execute('SELECT current_user').fetchone()[0] == 'pool_other'
            connection.execute('SET ROLE NONE')
        with next_session(warm, before) as connection:
            assert connection.execute('SELECT current_user').fetchone()[0] == 'pool_other'
    finally:
        target.sql('ALTER ROLE shop_app RESET role')
        target.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ringfence%'")
        wait_idle(warm, 0)


def test_a_prepared_statement_of_the_protocol_is_gone(warm):
    with warm.connect() as connection:
        before = pid_of(connection)
        connection.pgconn.prepare(b'mine', b'SELECT 1')
    with next_session(warm, before) as connection:
        result = connection.pgconn.exec_prepared(b'mine', [])
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b'26000'


def test_a_large_object_that_was_open_is_not(warm):
    with warm.connect(autocommit=False) as connection:
        before = pid_of(connection)
        number = connection.execute("SELECT lo_from_bytea(0, 'mine')").fetchone()[0]
        opened = connection.execute('SELECT lo_open(%s, 262144)', (number,)).fetchone()[0]
    with next_session(warm, before, autocommit=False) as connection:
        with pytest.raises(psycopg.errors.UndefinedObject):
            connection.execute('SELECT loread(%s, 10)', (opened,))
        connection.rollback()
        connection.execute('SELECT lo_unlink(%s)', (number,))


def test_a_notification_for_the_session_before_reaches_nobody(warm, target):
    with warm.connect() as connection:
        before = pid_of(connection)
        connection.execute('LISTEN mine')
        target.sql("NOTIFY mine, 'secret'", database='shop')
    with next_session(warm, before) as connection:
        target.sql("NOTIFY mine, 'secret'", database='shop')
        connection.execute('SELECT 1')
        assert connection.pgconn.notifies() is None


def test_application_names_are_each_sessions_own(warm, target):
    asks = "SELECT current_setting('application_name')"
    with warm.connect(application_name='first') as connection:
        before = pid_of(connection)
        assert connection.execute(asks).fetchone()[0] == 'ringfence/alice: first'
    wait_idle(warm)
    assert target.sql('SELECT application_name FROM pg_stat_activity WHERE pid = %s', before)[0][0] == 'ringfence'
    with next_session(warm, before, user='bob', application_name="it's \\ second") as connection:
        assert connection.execute(asks).fetchone()[0] == "ringfence/bob: it's \\ second"
        assert connection.info.parameter_status('application_name') == "ringfence/bob: it's \\ second"
        # What RESET brings back names nobody; the session is named again before its next message.
        cursor = connection.execute('RESET ALL; ' + asks)
        assert cursor.nextset() and cursor.fetchone()[0] == 'ringfence'
        assert connection.execute(asks).fetchone()[0] == "ringfence/bob: it's \\ second"


def test_a_warm_connection_reports_the_same_settings_as_a_new_one(warm):
    names = ('server_version', 'server_encoding', 'client_encoding', 'is_superuser', 'session_authorization', 'DateStyle', 'TimeZone',
             'IntervalStyle', 'integer_datetimes', 'standard_conforming_strings', 'in_hot_standby', 'default_transaction_read_only')
    with warm.connect(database='plain') as connection:
        new = {name: connection.info.parameter_status(name) for name in names}
        assert new['server_version'] and new['client_encoding'] == 'UTF8'
    with warm.connect() as connection:
        before = pid_of(connection)
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        connection.execute("SET DateStyle = 'German'")
    with next_session(warm, before) as connection:
        assert {name: connection.info.parameter_status(name) for name in names} == new


def test_startup_parameters_are_part_of_what_a_connection_is(warm):
    with warm.connect() as connection:
        before = pid_of(connection)
    wait_idle(warm)
    with warm.connect(options='-c statement_timeout=4321') as connection:
        other = pid_of(connection)
        assert other != before
        assert connection.execute('SHOW statement_timeout').fetchone()[0] == '4321ms'
        connection.execute('SET statement_timeout = 0')
    # One place: the newer one has it.
    with next_session(warm, other, options='-c statement_timeout=4321') as connection:
        assert connection.execute('SHOW statement_timeout').fetchone()[0] == '4321ms'
    with warm.connect() as connection:
        assert connection.execute('SHOW statement_timeout').fetchone()[0] == '0'


def dropped(one, misbehave):
    """The session that does this does not give its connection back, and the next one has another and is well."""
    with one.connect() as connection:
        before = pid_of(connection)
    wait_idle(one)
    found = counts(one)
    misbehave(one)
    harness.eventually(lambda: counts(one)['discards'] == found['discards'] + 1 and counts(one)['in_use'] == 0,
                       what='the connection to be closed, after %s' % found)
    assert counts(one)['returns'] == found['returns']
    with one.connect() as connection:
        assert pid_of(connection) != before
        assert connection.execute('SELECT 1').fetchone()[0] == 1


def leave(connection):
    """Without a word, as a process that is killed."""
    os.close(os.dup(connection.fileno()))
    with socket.socket(fileno=os.dup(connection.fileno())) as alias:
        alias.shutdown(socket.SHUT_RDWR)
    connection.close()


def test_a_transaction_that_was_left_open_is_not_handed_over(warm):
    def misbehave(one):
        with one.connect() as connection:
            connection.execute('BEGIN')
            connection.execute("SELECT set_config('my.tx', 'x', false)")
            connection.close()
    dropped(warm, misbehave)


def test_a_failed_transaction_is_not_handed_over(warm):
    def misbehave(one):
        connection = one.connect()
        connection.execute('BEGIN')
        with pytest.raises(psycopg.Error):
            connection.execute('SELECT 1/0')
        connection.close()
    dropped(warm, misbehave)


def test_a_copy_that_was_left_open_is_not_handed_over(warm):
    def misbehave(one):
        connection = one.connect()
        connection.execute('CREATE TEMP TABLE pool_copy (a int)')
        connection.pgconn.send_query(b'COPY pool_copy FROM STDIN')
        while connection.pgconn.get_result().status != psycopg.pq.ExecStatus.COPY_IN:
            pass
        leave(connection)
    dropped(warm, misbehave)


def test_a_client_that_is_killed_while_its_statement_runs_leaves_nothing(warm):
    def misbehave(one):
        connection = one.connect()
        connection.pgconn.send_query(b'SELECT pg_sleep(0.5)')
        connection.pgconn.flush()
        harness.eventually(lambda: any(s['state'] == 'active' for s in one.sessions()), what='the statement to run')
        leave(connection)
    dropped(warm, misbehave)


def test_what_only_a_sync_would_commit_is_not_committed(warm, target):
    target.sql('CREATE TABLE IF NOT EXISTS pool_unsynced (a int); GRANT ALL ON pool_unsynced TO shop_app', database='shop')

    def misbehave(one):
        with raw.RawClient(one.pg_port) as wire:
            wire.log_in('alice', harness.USERS['alice'], 'shop')
            wire.send(raw.parse('', 'INSERT INTO pool_unsynced VALUES (1)') + raw.bind('', '') + raw.execute() + raw.FLUSH)
            wire.receive_until(b'C')
    dropped(warm, misbehave)
    assert target.sql('SELECT count(*) FROM pool_unsynced', database='shop')[0][0] == 0


def test_a_session_whose_statement_was_cancelled_is_not_handed_over(warm):
    def misbehave(one):
        connection = one.connect()
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute('SELECT pg_sleep(20)')
        timer.join()
        connection.close()
    dropped(warm, misbehave)


def test_the_cancel_key_of_the_session_before_is_of_no_use(warm):
    connection = warm.connect()
    before = pid_of(connection)
    old = connection.pgconn.get_cancel()
    connection.close()
    with next_session(warm, before) as connection:
        started = time.monotonic()
        timer = threading.Timer(0.2, old.cancel)
        timer.start()
        connection.execute('SELECT pg_sleep(1)')
        timer.join()
        assert time.monotonic() - started >= 1


def test_a_session_ended_by_an_administrator_is_not_handed_over(warm):
    def misbehave(one):
        connection = one.connect()
        session = one.sessions()[0]['id']
        assert one.http('/api/v1/sessions/%s' % session, method='DELETE')[0] == 202
        with pytest.raises(psycopg.Error):
            connection.execute('SELECT 1')
        connection.close()
    dropped(warm, misbehave)


def test_a_client_that_goes_without_a_word_while_nothing_runs_gives_its_connection_back(warm):
    connection = warm.connect()
    before = pid_of(connection)
    connection.execute("SET work_mem = '88MB'")
    leave(connection)
    with next_session(warm, before) as connection:
        assert connection.execute('SHOW work_mem').fetchone()[0] == '4MB'


def test_a_connection_that_the_server_closes_while_it_waits_is_not_handed_out(warm, target):
    with warm.connect() as connection:
        before = pid_of(connection)
    wait_idle(warm)
    target.sql('SELECT pg_terminate_backend(%s)', before)
    wait_idle(warm, 0)
    with warm.connect() as connection:
        assert pid_of(connection) != before


def test_the_trail_says_where_a_session_was_and_that_its_connection_was_warm(warm, app):
    with warm.connect(application_name=app) as connection:
        before = pid_of(connection)
    with next_session(warm, before, application_name=app):
        pass
    trail = warm.trail()
    trail.settled(app, sessions=2)
    events = trail.events(app, 'postgres_auth')
    assert len(events) == 2 and events[0]['server_addr'] == events[1]['server_addr'] != ''
    assert events[0]['server_user'] == events[1]['server_user'] == 'shop_app'
    assert events[1]['metadata']['server_connection'] == 'warm'
    assert [event['outcome'] for event in trail.events(app, 'postgres_disconnect')] == ['success', 'success']
    # What the appliance asks between two sessions is nobody's statement.
    assert not [row for row in trail.queries(app) if 'DISCARD' in row['statement'] or 'SET ' in row['statement']]
    trail.connection.close()


def test_psql_through_a_warm_connection(warm):
    first = warm.psql('-At', '-c', 'SELECT pg_backend_pid()').stdout
    wait_idle(warm)
    second = warm.psql('-At', stdin='SELECT pg_backend_pid();\n\\conninfo\n', PGAPPNAME='other').stdout
    assert second.splitlines()[0] == first.strip()


# ---------------------------------------------------------------- bounds, expiry, reload

def start(own, target, shards=1, more=(), **rule):
    one = own(shards=shards, targets=pooled(target, **rule))
    one.config['targets'][0].update(dict(more))
    one.write_config()
    return one.start()


def warm_pids(target):
    return {row[0] for row in target.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'ringfence'")}


def test_no_more_than_max_wait(own, target):
    one = start(own, target, max=2)
    connections = [one.connect() for _ in range(5)]
    pids = {pid_of(connection) for connection in connections}
    assert len(pids) == 5 and counts(one)['in_use'] == 5
    for connection in connections:
        connection.close()
    harness.eventually(lambda: counts(one)['in_use'] == 0 and counts(one)['idle'] == 2, what='two to wait')
    harness.eventually(lambda: len(warm_pids(target) & pids) == 2, what='the others to be gone at the server')


def test_a_reset_that_leaves_another_setting_than_the_logins_is_logged_once_with_its_reason(own, target):
    one = start(own, target, max=2)
    try:
        for number, zone in enumerate(('Asia/Tokyo', 'UTC', 'Asia/Tokyo'), 1):
            with one.connect() as connection:
                target.sql("ALTER SYSTEM SET timezone = '%s'" % zone)
                target.sql('SELECT pg_reload_conf()')
                harness.eventually(lambda: connection.execute('SHOW timezone').fetchone()[0] == zone, what='the setting')
            harness.eventually(lambda: counts(one)['discards'] == number, what='the connection to be closed')
    finally:
        target.sql('ALTER SYSTEM RESET timezone')
        target.sql('SELECT pg_reload_conf()')
    assert counts(one)['idle'] == counts(one)['returns'] == 0
    lines = [line for line in one.log().splitlines() if 'did not reset' in line]
    assert len(lines) == 1 and 'TimeZone' in lines[0] and 'shop' in lines[0], lines


def test_nobody_waits_longer_than_idle(own, target):
    one = start(own, target, max=3, idle='1s')
    with one.connect() as connection:
        pid = pid_of(connection)
    harness.eventually(lambda: counts(one)['expired'] == 1 and counts(one)['idle'] == 0, what='it to expire')
    harness.eventually(lambda: pid not in warm_pids(target), what='the server to see it go')


def test_min_are_there_before_anybody_comes_and_again_when_they_were_taken(own, target):
    one = start(own, target, max=4, min=2, idle='1s')
    wait_idle(one, 2)
    with one.connect() as connection:
        assert counts(one)['hits'] == 1 and counts(one)['misses'] == 0
        assert connection.execute('SELECT 1').fetchone()[0] == 1
        wait_idle(one, 2, in_use=1)
    # The third, which came back, expires; the two stay.
    harness.eventually(lambda: counts(one)['expired'] >= 1 and counts(one)['idle'] == 2, what='one to expire')


def test_a_server_that_restarts_is_found_again(own):
    directory = harness.work_directory('pool-pg')
    cluster = harness.make_target(directory / 'pg')
    try:
        one = start(own, cluster, max=3, min=2)
        wait_idle(one, 2)
        before = warm_pids(cluster)
        cluster.stop('fast')
        wait_idle(one, 0)
        with pytest.raises(psycopg.OperationalError):
            one.connect()
        cluster.start()
        harness.eventually(lambda: counts(one)['idle'] == 2, timeout=70, what='new ones to be made')
        with one.connect() as connection:
            assert pid_of(connection) not in before
    finally:
        cluster.stop()
        harness.remove(directory)


def test_a_reload_that_changes_what_a_connection_is_closes_those_that_wait(own, target):
    one = start(own, target, max=3)
    with one.connect() as connection:
        before = pid_of(connection)
    wait_idle(one)
    one.config['limits'] = {'idle_ms': 3_600_000}
    one.write_config()
    one.reload()
    harness.eventually(lambda: one.metrics()['ringfence_configuration_reloads_total'] == 1, what='the reload')
    with next_session(one, before):
        pass
    wait_idle(one)
    one.config['targets'][0]['user'] = 'app_trust'
    one.config['targets'][0].pop('password')
    one.write_config()
    one.reload()
    wait_idle(one, 0)
    with one.connect() as connection:
        assert connection.execute('SELECT current_user').fetchone()[0] == 'app_trust'
        during = pid_of(connection)
        one.config['targets'][0]['pool'] = {'max': 0}
        one.write_config()
        one.reload()
        harness.eventually(lambda: one.metrics()['ringfence_configuration_reloads_total'] == 3, what='the reload')
    harness.eventually(lambda: during not in warm_pids(target) and counts(one)['in_use'] == 0, what='it to be closed')
    assert counts(one)['idle'] == 0


def test_stopping_closes_those_that_wait(own, target):
    others = warm_pids(target)
    one = start(own, target, max=3, min=3)
    wait_idle(one, 3)
    pids = warm_pids(target) - others
    assert len(pids) == 3
    position = target.log_position()
    assert one.stop() == 0
    harness.eventually(lambda: not pids & warm_pids(target), what='the server to see them go')
    assert 'unexpected EOF' not in target.logged(position)


def test_connections_max_counts_those_that_wait(own, target):
    one = start(own, target, max=2, more={'connections_max': 2})
    first, second = one.connect(), one.connect(options='-c statement_timeout=1000')
    pids = {pid_of(first), pid_of(second)}
    first.close()
    wait_idle(one, in_use=1)
    # Of another kind, so that the one that waits makes way.
    with one.connect(options='-c statement_timeout=2000') as third:
        assert pid_of(third) not in pids
        harness.eventually(lambda: counts(one)['idle'] == 0, what='it to make way')
    second.close()


def test_levels_never_share_a_connection(own, target):
    policies = [{'name': 'readers', 'roles': ['operator'], 'tags': ['e2e'], 'level': 'read'},
                {'name': 'writers', 'roles': ['writer'], 'tags': ['e2e'], 'level': 'write'}]
    one = own(shards=1, targets=pooled(target, max=3), policies=policies,
              users=[{'name': 'alice', 'password': harness.USERS['alice'], 'roles': ['operator']},
                     {'name': 'bob', 'password': harness.USERS['bob'], 'roles': ['writer']}]).start()
    reader = one.psql('-At', '-c', 'SELECT 1', '-c', 'SHOW transaction_read_only')
    assert reader.stdout.split() == ['1', 'on']
    wait_idle(one)
    assert one.psql('-At', '-c', 'SHOW transaction_read_only', user='bob').stdout.strip() == 'off'
    wait_idle(one, 2)
    for _ in range(2):
        assert one.psql('-At', '-c', 'SHOW transaction_read_only').stdout.strip() == 'on'
        wait_idle(one, 2)
    assert counts(one)['hits'] == 2 and counts(one)['misses'] == 2


def test_many_clients_at_once(own, target):
    """Whoever gets whatever: nobody sees another's."""
    one = start(own, target, shards=2, max=6)
    wrong = []

    def work(number):
        for i in range(12):
            with one.connect(user=('alice', 'bob')[number % 2], application_name='w%d' % number) as connection:
                seen = connection.execute("SELECT current_setting('application_name'), coalesce(current_setting('my.number', true), ''), "
                                          "to_regclass('pg_temp.mine') IS NULL").fetchone()
                if not seen[0].endswith(': w%d' % number) or seen[1] != '' or not seen[2]:
                    wrong.append(seen)
                connection.execute("SET my.number = '%d'" % number)
                connection.execute('CREATE TEMP TABLE mine (a int)')
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    samples = one.metrics()
    assert samples['ringfence_pool_hits_total'] > samples['ringfence_pool_misses_total']


def test_keys_are_derived_once_however_many_log_in(own, target):
    """SCRAM on both legs; without a pool, so that each session logs in to the server."""
    one = own(shards=2).start()

    def work():
        for _ in range(4):
            with one.connect() as connection:
                connection.execute('SELECT 1')
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    samples = one.metrics()
    assert samples['ringfence_sessions_total'] == 32
    # Each shard remembers for itself.
    assert 1 <= samples['ringfence_key_derivations_total'] <= 2


@pytest.mark.parametrize('rule, word', [
    ('{min: 3, max: 2}', 'pool.min'), ('{min: 1}', 'pool.max'), ('{max: many}', 'pool.max'), ('{max: 1001}', 'pool.max'),
    ('{max: 1, idle: 10}', 'pool.idle'), ('{max: 1, iddle: 10s}', 'pool.iddle')])
def test_check_names_what_is_wrong_with_a_pool(tmp_path, rule, word):
    file = tmp_path / 'broken.yaml'
    file.write_text('node: a\ntargets:\n  - name: t\n    host: h\n    user: u\n    pool: %s\n' % rule)
    done = subprocess.run([harness.BINARY, 'check', '--config', file], text=True, capture_output=True, timeout=30,
                          env=harness.clean_environment())
    assert done.returncode != 0
    assert re.search(r'broken\.yaml:6: targets\[0\]\.' + re.escape(word), done.stdout + done.stderr), done.stdout + done.stderr


def test_check_describes_a_pool(own, target):
    one = own(targets=pooled(target, max=7, min=2, idle='30s'))
    done = subprocess.run([harness.BINARY, 'check', '--config', one.config_file], text=True, capture_output=True, timeout=30,
                          env=harness.clean_environment())
    assert done.returncode == 0, done.stderr
    assert re.search(r'pool:\s*\n\s+min: 2\n\s+max: 7\n\s+idle: 30000\n', done.stdout), done.stdout
