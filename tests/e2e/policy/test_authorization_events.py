"""What the trail tells of authorization: who was given what, by which policies, and what was refused and why."""
import json
import urllib.request

import psycopg
import pytest

import harness

PASSWORD = 'authorization-test'


@pytest.fixture(scope='module')
def guarded(target):
    with target.connect('shop') as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE auth_super LOGIN SUPERUSER PASSWORD '%s'; "
                           "EXCEPTION WHEN duplicate_object THEN NULL; END $$" % harness.APP_PASSWORD)
    directory = harness.work_directory('authorization')

    def to(name, **more):
        return {'name': name, 'host': '127.0.0.1', 'port': target.port, 'database': 'shop', 'user': 'shop_app',
                'password': harness.APP_PASSWORD, 'tags': ['a'], 'sslmode': 'disable', **more}
    one = harness.Appliance(
        directory, target,
        users=[{'name': name, 'password': PASSWORD, 'roles': [name, 'other']} for name in ('reader', 'lister', 'boss', 'nobody')],
        targets=[to('shop'), to('super', user='auth_super')],
        policies=[{'name': 'readers', 'roles': ['reader'], 'tags': ['a'], 'functions': ['pg_sleep'],
                   'deny': [{'relations': ['customers'], 'message': 'no customers'}]},
                  {'name': 'listers', 'roles': ['lister'], 'tags': ['a'], 'whitelist': ['^select [0-9]+$', '^prepare', '^execute']},
                  {'name': 'bosses', 'roles': ['boss'], 'tags': ['a'], 'level': 'admin'}]).start()
    yield one
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


@pytest.fixture(scope='module')
def whole_trail(guarded):
    trail = guarded.trail()
    yield trail
    if trail.connection:
        trail.connection.close()


def connect(guarded, user, database='shop', **more):
    return psycopg.connect(**guarded.conninfo(user, database, password=PASSWORD, **more), autocommit=True, connect_timeout=20)


def events(trail, app, *actions):
    rows = [row for row in trail.events(app) if not actions or row['action'] in actions]
    for row in rows:
        assert row['category'] == ('audit' if row['action'].startswith('postgres_query') and row['action'] != 'postgres_query_blocked'
                                   else row['category'])
    return rows


def where(guarded, app):
    """The line of the configuration that holds the text."""
    lines = guarded.config_file.read_text().splitlines()
    return next(str(number) for number, line in enumerate(lines, 1) if app in line)


def test_a_login_tells_which_policies_bind_and_that_it_was_granted(guarded, whole_trail, app):
    with connect(guarded, 'reader', application_name=app) as connection:
        connection.execute('SELECT 1')
    whole_trail.settled(app)
    evaluated, checked = events(whole_trail, app, 'policy_evaluated', 'permission_check')
    for row in (evaluated, checked):
        assert row['category'] == 'authorization' and row['outcome'] == 'success' and row['severity'] == 'INFO'
        assert row['user_name'] == 'reader' and row['session_id'] and row['ts']
        assert (row['entity_type'], row['entity_id'], row['decision']) == ('target', 'shop', 'allow')
        assert row['reason'] == 'access level read'
        assert row['metadata'] == {'granted': True, 'level': 'read', 'permission': 'connect', 'policies': ['readers'],
                                   'role_id': 'reader', 'unrestricted': False}
    assert evaluated['action'] == 'policy_evaluated' and evaluated['rule'] == 'readers'


def test_statements_carry_what_let_them_pass_and_allowed(guarded, whole_trail, app):
    with connect(guarded, 'reader', application_name=app) as connection:
        connection.execute('SELECT 1')
        connection.execute('SELECT 2; SELECT pg_sleep(0)')
        for number in (3, 4):
            connection.execute('SELECT %s::int', (number,), prepare=True)
        connection.execute('PREPARE p AS SELECT pg_sleep(0)')
        connection.execute('EXECUTE p')
    whole_trail.settled(app)
    rows = events(whole_trail, app, 'postgres_query')
    assert {row['decision'] for row in rows} == {'allow'}
    shown = [(row['statement'], row['rule']) for row in rows if not row['statement'].startswith(('DEALLOCATE', 'BEGIN'))]
    assert shown == [('SELECT 1', 'level read'), ('SELECT 2', 'level read'), ('SELECT pg_sleep(0)', 'policy readers'),
                     ('SELECT $1::int', 'level read'), ('SELECT $1::int', 'level read'), ('PREPARE p AS SELECT pg_sleep(0)', 'policy readers'),
                     ('EXECUTE p', 'level read')]
    listed = app + '-l'
    with connect(guarded, 'lister', application_name=listed) as connection:
        connection.execute('SELECT 7')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('SELECT 8 + 1; SELECT 9')
    whole_trail.settled(listed)
    rule = 'whitelist %s:%s' % (guarded.config_file, where(guarded, '^select [0-9]'))
    rows = events(whole_trail, listed, 'postgres_query')
    assert [(row['statement'], row['decision'], row['rule']) for row in rows] == [('SELECT 7', 'allow', rule), ('SELECT 9', 'refuse', None)]
    views = whole_trail.rows('SELECT statement, allowed FROM ringfence.audit_query WHERE application_name = %s ORDER BY chain_no', listed)
    assert [(row['statement'], row['allowed']) for row in views] == [('SELECT 7', True), ('SELECT 8 + 1', False), ('SELECT 9', False)]
    free = app + '-u'
    with connect(guarded, 'boss', application_name=free) as connection:
        connection.execute('SELECT 1')
    whole_trail.settled(free)
    row, = events(whole_trail, free, 'postgres_query')
    assert row['decision'] is None and row['rule'] is None
    assert whole_trail.rows('SELECT allowed FROM ringfence.audit_query WHERE application_name = %s', free)[0]['allowed'] is True


def test_the_view_has_a_row_for_each_statement_refused_or_not(guarded, whole_trail, app):
    with connect(guarded, 'reader', application_name=app) as connection:
        connection.execute('SELECT 1')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('DELETE FROM products')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('UPDATE products SET id = %s', [1])
        connection.execute('SELECT pg_sleep(1.5)')  # Two rows in audit_event.
    whole_trail.settled(app)
    rows = whole_trail.rows('SELECT statement, allowed, outcome, sqlstate FROM ringfence.audit_query WHERE application_name = %s '
                            'ORDER BY chain_no', app)
    assert [tuple(row.values()) for row in rows] == [
        ('SELECT 1', True, 'success', None), ('DELETE FROM products', False, 'denied', '42501'),
        ('UPDATE products SET id = $1', False, 'denied', '42501'), ('SELECT pg_sleep(1.5)', True, 'success', None)]


def test_the_view_shows_no_row_that_stands_beside_the_chain(guarded, whole_trail, app):
    """The writer's role may insert rows: what has no link is no part of the trail."""
    with connect(guarded, 'reader', application_name=app) as connection:
        connection.execute('SELECT 1')
    [real] = whole_trail.settled(app)
    writer = guarded.store_conninfo().replace('ringfence_reader', 'ringfence_writer')
    owner = guarded.store_conninfo().replace('ringfence_reader', 'ringfence')
    chains = [('', 1), ('ghost', 1), (real['node'], 0), (real['node'], -2 ** 63), (real['node'], real['chain_no']),
              (real['node'], real['chain_no'] + 1_000_000), (real['node'], 2 ** 63 - 1)]
    with psycopg.connect(writer, autocommit=True) as store:
        for node, number in chains:
            store.execute(
                "INSERT INTO ringfence.audit_row (node, shard, seq, ts, category, action, outcome, application_name, statement, chain_no, "
                "recorded_at, hash_version, leaf, hash, retention_class) VALUES (%s, 0, 1, now(), 'audit', 'postgres_query', 'success', %s, "
                "'SELECT made_up', %s, now(), 1, decode(repeat('11', 32), 'hex'), decode(repeat('22', 32), 'hex'), 1)", [node, app, number])
        for node, number in (('', 1), ('ghost', 1)):
            store.execute('INSERT INTO ringfence.audit_link_run VALUES (%s, %s, %s)', [node, number, b'x' * 64])
    try:
        assert len(whole_trail.rows("SELECT 1 FROM ringfence.audit_event WHERE statement = 'SELECT made_up'")) == len(chains)
        assert [row['statement'] for row in whole_trail.queries(app)] == ['SELECT 1']
        assert not whole_trail.rows("SELECT 1 FROM ringfence.audit_link WHERE node IN ('', 'ghost')")
    finally:
        with psycopg.connect(owner, autocommit=True) as store:
            store.execute("DELETE FROM ringfence.audit_row WHERE statement = 'SELECT made_up'")
            store.execute("DELETE FROM ringfence.audit_link_run WHERE node IN ('', 'ghost')")


def test_a_refused_statement_tells_rule_reason_place_policies_and_level(guarded, whole_trail, app):
    with connect(guarded, 'reader', application_name=app) as connection:
        for text in ("SELECT '\u00e4' FROM customers", 'DELETE FROM products'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)
        connection.execute('SELECT 1')
    whole_trail.settled(app)
    rows = events(whole_trail, app, 'postgres_query_blocked', 'permission_denied')
    assert [row['action'] for row in rows] == ['postgres_query_blocked', 'permission_denied'] * 2
    blocked, denied = rows[:2]
    assert blocked['rule'].startswith('policy readers: deny ') and blocked['reason'] == 'no customers' and blocked['sqlstate'] == '42501'
    assert blocked['decision'] == 'refuse' and blocked['outcome'] == 'denied' and blocked['severity'] == 'WARNING'
    assert blocked['metadata'] == {'allowed': False, 'level': 'read', 'permission': 'select', 'policies': ['readers'], 'position': 17}
    assert denied['category'] == 'authorization' and denied['rule'] == blocked['rule'] and denied['reason'] == blocked['reason']
    assert (denied['entity_type'], denied['entity_id'], denied['outcome']) == ('target', 'shop', 'denied')
    assert denied['metadata'] == {'granted': False, 'level': 'read', 'permission': 'select', 'policies': ['readers'],
                                  'related_id': str(blocked['id']), 'role_id': 'reader', 'unrestricted': False}
    assert rows[2]['rule'] == 'level read' and rows[3]['metadata']['permission'] == 'delete'


def test_who_is_refused_at_the_door_is_in_the_trail(guarded, whole_trail, app):
    def fails(user, database='shop', **more):
        with pytest.raises(psycopg.OperationalError):
            connect(guarded, user, database, application_name=app, **more)
    fails('nobody')
    fails('nobody', 'no_such')
    fails('reader', 'super')
    fails('reader', options='-c work_mem=1GB')
    wanted = ('access_denied', 'permission_denied')
    harness.eventually(lambda: len(events(whole_trail, app, *wanted)) == 4)
    none, unknown, superuser, setting = events(whole_trail, app, *wanted)
    assert none['action'] == 'access_denied' and none['reason'] == 'no policy or grant gives access' and none['entity_id'] == 'shop'
    assert none['metadata'] == {'granted': False, 'permission': 'connect', 'policies': []}
    assert unknown['action'] == 'access_denied' and (unknown['entity_type'], unknown['entity_id']) == ('database', 'no_such')
    assert superuser['action'] == 'permission_denied' and 'superuser' in superuser['reason'] and superuser['entity_id'] == 'super'
    assert setting['action'] == 'permission_denied' and setting['metadata']['permission'] == 'set work_mem'
    assert all(row['outcome'] == 'denied' and row['decision'] == 'refuse' for row in (none, unknown, superuser, setting))


def test_explaining_is_a_permission_check(guarded, whole_trail):
    body = json.dumps({'user': 'reader', 'target': 'shop', 'statement': "ALTER ROLE x PASSWORD 'hunter2'"}).encode()
    request = urllib.request.Request('http://127.0.0.1:%d/api/v1/policy/explain' % guarded.admin_port, data=body, method='POST',
                                     headers={'Authorization': 'Bearer ' + harness.TOKEN})
    urllib.request.urlopen(request, timeout=30).read()
    row = harness.eventually(lambda: whole_trail.rows("SELECT * FROM ringfence.audit_event WHERE action = 'permission_check' "
                                                      "AND reason LIKE 'explained to admin token from 127.0.0.1%%'"))[0]
    assert row['category'] == 'authorization' and row['user_name'] == 'reader' and row['target'] == 'shop'
    assert row['outcome'] == 'denied' and row['decision'] == 'refuse' and row['rule'] == 'level read'
    assert row['statement'] == "ALTER ROLE x PASSWORD '***'" and row['redacted'] == ['statement']
    assert row['metadata']['permission'] == 'alter_role' and row['metadata']['granted'] is False


def test_a_reload_that_changes_access_is_evaluated_once_per_session(guarded, whole_trail, app):
    policies = guarded.config['policies']
    with connect(guarded, 'reader', application_name=app) as connection:
        connection.execute('SELECT 1')
        try:
            guarded.config['policies'] = [dict(policies[0], level='write'), *policies[1:]]
            guarded.write_config()
            guarded.reload()
            harness.eventually(lambda: 'configuration reloaded' in guarded.log())

            def level():
                connection.execute('SELECT 2')
                return len(events(whole_trail, app, 'policy_evaluated')) == 2
            harness.eventually(level)
            connection.execute('SELECT 3')
        finally:
            guarded.config['policies'] = policies
            guarded.write_config()
            guarded.reload()
    whole_trail.settled(app)
    evaluated = events(whole_trail, app, 'policy_evaluated')
    assert [row['metadata']['level'] for row in evaluated[:2]] == ['read', 'write'] and len(evaluated) <= 3
    assert [row['rule'] for row in events(whole_trail, app, 'postgres_query') if row['statement'] == 'SELECT 3'] == ['level write']
