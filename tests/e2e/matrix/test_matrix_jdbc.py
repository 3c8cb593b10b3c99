"""pgjdbc as Debian ships it, and the trail beside what it sent."""
import subprocess

import pytest

import harness
import matrix
from programs import JAR, JDBC


@pytest.fixture(scope='session')
def classes():
    if not JAR.exists() or not matrix.tool('javac'):
        pytest.skip('pgjdbc or a JDK is not installed')
    place = matrix.cache('jdbc')
    source, made = JDBC / 'Matrix.java', place / 'Matrix.class'
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        done = subprocess.run(['javac', '-encoding', 'UTF-8', '-cp', str(JAR), '-d', str(place), str(source)],
                              text=True, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
    return place


QUICK = ['statement', 'prepared_5', 'batch', 'batch_that_fails', 'fetch_size', 'process_id']
LONG = ['prepared_0', 'prepared_1', 'types', 'batch_threshold_1', 'batch_unnamed', 'batch_of_statements',
        'rewritten_batch', 'copy', 'cancel', 'transaction', 'max_rows', 'batch_that_fails_in_a_transaction',
        'forgotten_statements', 'stale_plan']


def run(appliance, classes, case):
    return matrix.run(
        ['java', '-XX:TieredStopAtLevel=1', '-Dfile.encoding=UTF-8', '-cp', '%s:%s' % (classes, JAR), 'Matrix', case],
        appliance.environment(application_name=matrix.application('jdbc')))


@pytest.mark.parametrize('case', QUICK + [pytest.param(name, marks=pytest.mark.long) for name in LONG])
def test_jdbc(appliance, target, trail, classes, case):
    witness = matrix.Witness(target)
    said = run(appliance, classes, case)
    assert said['sessions']
    matrix.check(trail, witness, said)


@pytest.mark.long
def test_jdbc_metadata_calls_are_statements_like_all_others(appliance, target, trail, classes):
    """Their texts are the driver's own; the server's log knows them."""
    witness = matrix.Witness(target)
    [session] = run(appliance, classes, 'metadata')['sessions']
    rows = trail.settled(session['application'])
    assert len(rows) >= 8
    assert {row['outcome'] for row in rows} == {'success'}
    witness.agrees(rows, session['application'])


@pytest.mark.long
def test_jdbc_that_names_itself_after_the_login(appliance, target, trail, classes):
    """Without assumeMinServerVersion the driver sets its settings by statements once it is logged in."""
    witness = matrix.Witness(target)
    [session] = run(appliance, classes, 'default_settings')['sessions']
    text = session['sent'][-1]['text']
    found = harness.eventually(lambda: trail.rows(
        'SELECT session_id FROM ringfence.audit_query WHERE statement = %s', text), what=text)
    rows = trail.rows("SELECT * FROM ringfence.audit_query WHERE action <> 'postgres_bind' AND session_id = %s ORDER BY ts, shard, seq",
                      found[0]['session_id'])
    assert any('application_name' in row['statement'] for row in rows)
    assert {row['outcome'] for row in rows} == {'success'}
    witness.agrees(rows, session['application'])


@pytest.mark.long
def test_jdbc_saves_a_point_before_each_statement(appliance, target, trail, classes):
    witness = matrix.Witness(target)
    [session] = run(appliance, classes, 'autosave')['sessions']
    rows = trail.settled(session['application'])
    assert [row['statement'].split()[0] for row in rows if row['outcome'] == 'failure'] == ['SELECT']
    assert len([row for row in rows if row['statement'].startswith('SAVEPOINT')]) == 3
    witness.agrees(rows, session['application'])


@pytest.mark.long
def test_jdbc_large_objects_are_function_calls(appliance, target, trail, classes):
    witness = matrix.Witness(target)
    [session] = run(appliance, classes, 'large_objects')['sessions']
    rows = trail.settled(session['application'])
    calls = [row for row in rows if row['message_type'] == 'F']
    logged = [entry for entry in witness.statements(session['application']) if entry.kind == 'fastpath']
    assert len(calls) == len(logged) >= 6
    assert {row['outcome'] for row in rows} == {'success'}
