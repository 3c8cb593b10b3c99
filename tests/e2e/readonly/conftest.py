import pytest

from wall import ROLES, Wall


@pytest.fixture(scope='session')
def wall():
    one = Wall()
    yield one
    one.stop()


@pytest.fixture(params=list(ROLES))
def any_database(request):
    return request.param
