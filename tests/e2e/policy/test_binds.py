"""What planning runs when a statement is bound: its effects are in the table, so the trail says who had them."""
import pytest

import harness
import raw

SETUP = """
CREATE TABLE IF NOT EXISTS bind_effects (n bigserial, who text);
TRUNCATE bind_effects;
GRANT ALL ON bind_effects TO PUBLIC;
GRANT ALL ON SEQUENCE bind_effects_n_seq TO PUBLIC;
CREATE OR REPLACE FUNCTION bind_writes(who text) RETURNS text LANGUAGE plpgsql VOLATILE AS
    $$ BEGIN INSERT INTO bind_effects (who) VALUES (who); RETURN who; END $$;
CREATE OR REPLACE FUNCTION bind_innocent(who text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN bind_writes(who); END $$;
CREATE OR REPLACE FUNCTION bind_fails(who text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN PERFORM bind_writes(who); RAISE EXCEPTION 'no'; END $$;
"""


@pytest.fixture
def effects(target, app):
    with target.connect('shop') as connection:
        connection.execute(SETUP)
        # A view whose text names nothing at all.
        connection.execute("CREATE OR REPLACE VIEW bind_view AS SELECT bind_innocent('view') AS a")
        connection.execute('GRANT SELECT ON bind_view TO PUBLIC')
        yield lambda: [row[0] for row in connection.execute('SELECT who FROM bind_effects ORDER BY n').fetchall()]
        connection.execute('DROP VIEW bind_view')
        for name in ('bind_fails', 'bind_innocent', 'bind_writes'):
            connection.execute('DROP FUNCTION %s(text)' % name)
        connection.execute('DROP TABLE bind_effects')


def session(appliance, app, user='alice', password=None):
    client = raw.RawClient(appliance.pg_port)
    client.log_in(user, password or harness.USERS[user], 'shop', application_name=app)
    return client


def binds(trail, app, count):
    """(statement, parameters, outcome, sqlstate) of the Binds that have a record of their own."""
    def found():
        rows = [row for row in trail.events(app) if row['action'] == 'postgres_bind' and row['outcome'] != 'running']
        return rows if len(rows) >= count else None
    rows = harness.eventually(found, 15, 0.1, 'the Binds in the trail') if count else []
    return [(row['statement'], row['parameters'], row['outcome'], row['sqlstate']) for row in rows]


SELECT = "SELECT bind_innocent('planned')"


@pytest.mark.parametrize('end', ['sync', 'flush', 'query', 'goodbye'])
def test_what_planning_does_has_a_record_whatever_ends_the_group(appliance, trail, app, effects, end):
    with session(appliance, app) as client:
        client.send(raw.parse('', SELECT) + raw.bind('', '') + {
            'sync': raw.SYNC, 'flush': raw.message(b'H') + raw.SYNC, 'query': raw.query('SELECT 1'),
            'goodbye': raw.TERMINATE}[end])
        if end != 'goodbye':
            client.receive_until(b'Z')
            client.send(raw.TERMINATE)
        client.at_end()
    # Without a Sync the server rolls back.
    assert effects() == ([] if end == 'goodbye' else ['planned'])
    rows = trail.settled(app)
    # A server that is left does not say what it did.
    assert binds(trail, app, 1) == [(SELECT, None, 'unknown' if end == 'goodbye' else 'success', None)]
    # Nothing is said to have been executed.
    assert [row['statement'] for row in rows if row['action'] == 'postgres_query'] == (['SELECT 1'] if end == 'query' else [])
    shown = [(row['statement'], row['action'], row['allowed']) for row in rows]
    assert (SELECT, 'postgres_bind', True) in shown


def test_the_effects_of_a_view_are_in_the_trail_too(appliance, trail, app, effects):
    with session(appliance, app) as client:
        client.send(raw.parse('s', 'SELECT a FROM bind_view') + raw.bind('p', 's') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.TERMINATE)
    assert effects() == ['view']
    assert binds(trail, app, 1) == [('SELECT a FROM bind_view', None, 'success', None)]


def test_an_execute_in_the_same_group_is_the_one_record(appliance, trail, app, effects):
    with session(appliance, app) as client:
        client.send(raw.parse('s', SELECT) + raw.SYNC)
        client.receive_until(b'Z')
        for _ in range(2):
            client.send(raw.bind('', 's') + raw.describe(b'P') + raw.execute() + raw.SYNC)
            client.receive_until(b'Z')
        # Parts of one group in several packets.
        client.send(raw.bind('', 's'))
        client.send(raw.execute())
        client.send(raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.TERMINATE)
    rows = trail.settled(app)
    assert [(row['action'], row['statement']) for row in rows] == [('postgres_query', SELECT)] * 3
    assert binds(trail, app, 0) == [] and effects()


def test_a_portal_that_is_executed_in_a_later_group_has_both(appliance, trail, app, effects):
    with session(appliance, app) as client:
        client.run('BEGIN')
        client.send(raw.parse('', "SELECT bind_innocent('a') || $1") + raw.bind('p', '', [b'b']) + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.execute('p') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'ab']]
        client.run('COMMIT')
        client.send(raw.TERMINATE)
    text = "SELECT bind_innocent('a') || $1"
    rows = trail.settled(app)
    assert [(row['action'], row['statement']) for row in rows] == [
        ('postgres_query', 'BEGIN'), ('postgres_bind', text), ('postgres_query', text), ('postgres_query', 'COMMIT')]
    assert binds(trail, app, 1) == [(text, ['b'], 'success', None)]
    assert effects() == ['a']


def test_each_bind_of_a_group_is_told_by_what_came_of_it(appliance, trail, app, effects):
    texts = ["SELECT bind_innocent('one')", "SELECT bind_fails('two')", "SELECT bind_innocent('three')"]
    for pieces in (False, True):
        mine = app + str(pieces)
        with session(appliance, mine) as client:
            parts = [raw.parse('s%d' % i, text) + raw.bind('p%d' % i, 's%d' % i) for i, text in enumerate(texts)]
            if pieces:
                for part in parts:
                    client.send(part)
                # The error comes at once, before anybody asks for the answers.
                while client.receive()[0] != b'E':
                    pass
                client.send(raw.SYNC)
            else:
                client.send(b''.join(parts) + raw.SYNC)
            client.receive_until(b'Z')
            client.send(raw.TERMINATE)
        trail.settled(mine)
        assert binds(trail, mine, 3) == [(texts[0], None, 'success', None), (texts[1], None, 'failure', 'P0001'),
                                         (texts[2], None, 'not_executed', None)]
        assert not [row for row in trail.events(mine) if row['action'] in ('postgres_error', 'attribution_mismatch')]
    assert effects() == []  # Rolled back with the error.


def test_a_thousand_binds_without_a_word_are_a_thousand_records(appliance, trail, app, effects):
    with session(appliance, app) as client:
        client.send(raw.parse('s', "SELECT bind_innocent('many')") + raw.bind('', 's') * 1000 + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.TERMINATE)
    trail.settled(app)
    assert len(binds(trail, app, 1000)) == 1000 and effects()


def test_other_policies_count_when_it_is_bound(own, target, effects, app):
    one = own(policies=[{'name': 'p', 'roles': ['operator'], 'tags': ['*'], 'level': 'admin',
                         'deny': [{'relations': ['no_such_one']}]}])
    one.start()
    with session(one, app) as client:
        client.send(raw.parse('s', SELECT) + raw.SYNC)
        client.receive_until(b'Z')
        before = effects()
        one.config['policies'][0]['deny'].append({'functions': ['bind_innocent']})
        one.write_config()
        one.reload()

        def refused():
            client.send(raw.parse('t', SELECT) + raw.SYNC)
            codes = [raw.error_fields(body)['C'] for kind, body in client.receive_until(b'Z') if kind == b'E']
            if codes != ['42501']:
                client.send(raw.close(b'S', 't') + raw.SYNC)
                client.receive_until(b'Z')
            return codes == ['42501']
        harness.eventually(refused)
        client.send(raw.bind('', 's') + raw.SYNC)
        assert [raw.error_fields(body)['C'] for kind, body in client.receive_until(b'Z') if kind == b'E'] == ['42501']
        assert effects() == before
        client.send(raw.TERMINATE)
    trail = one.trail()
    assert [row['outcome'] for row in trail.settled(app) if row['message_type'] == 'E'] == ['denied']
    assert one.stop() == 0
