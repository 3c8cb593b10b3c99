"""What a restricted user may send to do harm: none of it ends the appliance, or a record."""
import pytest
from psycopg.pq import DiagnosticField, ExecStatus

READERS = {'policies': [{'name': 'readers', 'roles': ['operator'], 'tags': ['*'], 'level': 'read'}]}


@pytest.mark.parametrize('text, sqlstate, records', [
    ('drop table x;' + 'select 1;' * 239, '42501', 240),
    ('drop table x /* %s */;' % ('c' * 250_000) * 4, '42501', 4),
    ("'%s'" % ('a' * 1_000_000), '42501', 1),
    ("select set_config('%s', 'x', false)" % ('s' * 900_000), '42501', 1),
    ('select 1;' * 2_000, '54000', 1),
    ("select '%s'" % ('passw to ' * 100_000), None, 1)], ids=[
        'many statements', 'long statements', 'a long literal', 'a long name', 'too many statements', 'a word 100,000 times'])
def test_what_is_refused_is_an_error_and_a_record(own, app, text, sqlstate, records):
    one = own(**READERS)
    one.start()
    with one.connect(application_name=app) as connection:
        found = connection.pgconn.exec_(text.encode())
        if sqlstate is None:
            assert found.status == ExecStatus.TUPLES_OK
        else:
            assert found.error_field(DiagnosticField.SQLSTATE) == sqlstate.encode()
            assert len(found.error_field(DiagnosticField.MESSAGE_PRIMARY)) < 2_000
    trail = one.trail()
    trail.settled(app)
    actions = [event['action'] for event in trail.events(app)]
    assert sum(action in ('postgres_query', 'postgres_query_blocked') for action in actions) == records, actions[-8:]
    assert one.stop() == 0
