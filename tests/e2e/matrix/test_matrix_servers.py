"""A part of the client matrix against servers newer than Debian's, as npm ships them."""
import pytest

import harness
import matrix
import test_matrix_node
from programs import modules, unpack  # noqa: F401
from test_matrix_jdbc import classes, run as run_jdbc  # noqa: F401

pytestmark = pytest.mark.long


@pytest.fixture(scope='module', params=['17', '18'])
def newer(request):
    """(version, target, appliance) of a server with its own appliance before it."""
    directory = harness.work_directory('newer')
    native = unpack(request.param, directory)
    # It brings no psql; the harness makes its target by one.
    (native / 'bin/psql').symlink_to(harness.PG_BIN / 'psql')
    old, harness.PG_BIN = harness.PG_BIN, native / 'bin'
    try:
        target = harness.make_target(directory / 'pg')
        assert target.sql('SHOW server_version')[0][0].startswith(request.param)
        harness.PG_BIN = old
        appliance = harness.Appliance(directory, target).start()
        trail = appliance.trail()
        yield request.param, target, appliance, trail
        if trail.connection:
            trail.connection.close()
        code = appliance.stop()
        harness.PG_BIN = native / 'bin'
        target.stop()
    finally:
        harness.PG_BIN = old
    harness.remove(directory)
    assert code == 0, appliance.log_tail()


@pytest.mark.parametrize('library, case', [
    ('pg', 'server_version'), ('pg', 'prepared'), ('pg', 'transaction'), ('pg', 'cursor'), ('pg', 'parallel'),
    ('pg', 'cancel'), ('postgres', 'pipelined_errors'), ('postgres', 'transactions'), ('postgres', 'cursor'),
    ('postgres', 'copy')])
def test_node_with_a_newer_server(newer, modules, library, case):  # noqa: F811
    version, target, appliance, trail = newer
    test_matrix_node.run_case(appliance, target, trail, modules, library, case, WANTED_VERSION=version)


@pytest.mark.parametrize('case', ['prepared_1', 'batch_that_fails', 'fetch_size', 'copy', 'cancel'])
def test_jdbc_with_a_newer_server(newer, classes, case):  # noqa: F811
    _, target, appliance, trail = newer
    witness = matrix.Witness(target)
    matrix.check(trail, witness, run_jdbc(appliance, classes, case))


def test_psycopg_pipeline_with_a_newer_server(newer):
    _, target, appliance, trail = newer
    witness, application = matrix.Witness(target), matrix.application('newer')
    with appliance.connect(application_name=application) as connection:
        with connection.pipeline():
            for n in range(100):
                connection.execute('SELECT %s::int', (n,))
    rows = trail.settled(application)
    assert [row['parameters'] for row in rows if row['parameters']] == [[str(n)] for n in range(100)]
    assert {row['outcome'] for row in rows} == {'success'}
    witness.agrees(rows, application)
