"""node's `pg` and `postgres`, at versions that are pinned, and the trail beside what they sent."""
import hashlib
import shutil
import subprocess

import pytest

import harness
import matrix

NODE = harness.ROOT / 'tests/e2e/node'


def install(source, name):
    """npm's packages of a folder, below build/; again only when the folder says something else."""
    if not matrix.tool('npm') or not matrix.tool('node'):
        pytest.skip('node and npm are not installed')
    wanted = hashlib.sha256(b''.join((source / file).read_bytes() for file in ('package.json', 'package-lock.json')))
    place = matrix.cache(name)
    stamp = place / 'installed'
    if not stamp.exists() or stamp.read_text() != wanted.hexdigest():
        for file in ('package.json', 'package-lock.json'):
            shutil.copy(source / file, place / file)
        done = subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd=place, text=True,
                              capture_output=True, timeout=300)
        if done.returncode != 0:
            pytest.skip('npm could not install: ' + done.stderr.strip()[-300:])
        stamp.write_text(wanted.hexdigest())
    return place / 'node_modules'


@pytest.fixture(scope='session')
def modules():
    return install(NODE, 'node')


def run_case(appliance, target, trail, modules, library, case, **more):
    witness = matrix.Witness(target)
    application = matrix.application('node')
    said = matrix.run(['node', str(NODE / (library + '_cases.js')), case],
                      appliance.environment(application_name=application, NODE_PATH=str(modules), **more))
    assert said['sessions']
    matrix.check(trail, witness, said)


PG_QUICK = ['simple', 'parameters', 'prepared', 'transaction', 'cursor', 'process_id']
PG_LONG = ['failing_parse', 'limited_executes', 'large_result', 'queued', 'parallel', 'pool', 'notifications',
           'cancel']
POSTGRES_QUICK = ['parameters', 'pipelined', 'pipelined_errors', 'cursor', 'transactions']
POSTGRES_LONG = ['prepared', 'unprepared', 'large_result', 'simple', 'copy', 'described_only', 'cancel', 'parallel']


def cases(quick, long):
    return pytest.mark.parametrize('case', quick + [pytest.param(name, marks=pytest.mark.long) for name in long])


@cases(PG_QUICK, PG_LONG)
def test_node_pg(appliance, target, trail, modules, case):
    run_case(appliance, target, trail, modules, 'pg', case)


@cases(POSTGRES_QUICK, POSTGRES_LONG)
def test_node_postgres(appliance, target, trail, modules, case):
    run_case(appliance, target, trail, modules, 'postgres', case)
