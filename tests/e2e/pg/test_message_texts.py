"""All that a client sends as text is in the trail: what stands between statements too, and each statement's place in it."""
import raw

from harness import USERS


def test_what_stands_between_statements_is_recorded_with_their_places(appliance, trail, app):
    text = "/* first */ SELECT 1; -- DELETE FROM orders;\nSELECT 'ä' ;; SELECT 3 /* last */; -- end"
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.run(text)
    rows = trail.settled(app)
    assert [row['statement'] for row in rows] == ['SELECT 1', "SELECT 'ä'", 'SELECT 3']
    whole, = trail.events(app, 'postgres_message')
    assert whole['statement'] == text and whole['outcome'] == 'success' and whole['statement_bytes'] == len(text.encode())
    for row in rows:
        assert row['message_id'] == whole['id']
        begin = row['statement_begin']
        assert text.encode()[begin:begin + row['statement_bytes']].decode() == row['statement']


def test_a_text_of_one_statement_is_recorded_once(appliance, trail, app):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.run('/* a */ SELECT 1 -- b')
    row, = trail.settled(app)
    assert row['statement'] == '/* a */ SELECT 1 -- b' and row['message_id'] is None
    assert not trail.events(app, 'postgres_message')


def test_a_long_comment_in_front_hides_neither_query_nor_prepared_statement(appliance, trail, app):
    comment = '/*%s*/ ' % ('c' * 70_000)
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.run(comment + 'SELECT 1')
        client.send(raw.parse('', comment + 'SELECT 2') + raw.bind('', '') + raw.execute('') + raw.SYNC)
        client.receive_until(b'Z')
    rows = trail.settled(app)
    assert [row['statement'] for row in rows] == ['SELECT 1', 'SELECT 2']
    assert all(row['statement_begin'] == len(comment) for row in rows)
