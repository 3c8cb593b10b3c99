"""A part of the client matrix against servers newer than Debian's, as npm ships them."""
import itertools
import json
import shutil

import pytest

import harness
import matrix
import test_matrix_node
from test_matrix_jdbc import classes, run as run_jdbc  # noqa: F401
from test_matrix_node import NODE, install, modules  # noqa: F401

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


def unpack(version, directory):
    """The server's programs in a place that its user can enter."""
    packages = install(NODE / 'servers', 'servers')
    native = directory / 'native'
    shutil.copytree(packages / ('server' + version) / 'native', native, symlinks=True)
    hydrate(native)
    for path in itertools.chain([native], native.rglob('*')):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == 'bin' else 0o644)
    return native


def hydrate(native):
    """The package lists its symbolic links in a file, as npm keeps none; its own script runs as part of the install,
    which we do not let packages do."""
    listed = native / 'pg-symlinks.json'
    for entry in json.loads(listed.read_text()) if listed.exists() else []:
        # Both names are given from the package's root; `target` is the link.
        link = native.parent / entry['target']
        if not link.exists() and not link.is_symlink():
            link.symlink_to(native.parent / entry['source'])


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
