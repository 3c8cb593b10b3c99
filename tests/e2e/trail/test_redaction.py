"""Redaction: literals alone are replaced, whatever stands around them."""
import psycopg

SECRET = 'Zq7hunter2'
TEXTS = [
    "SELECT 'a' FROM (SELECT 'x' password) q WHERE password='%s'UNION ALL SELECT 'shown'",
    "DO U&'BEGIN PERFORM 1; END'",
    "DO U&'BEGIN PERFORM ''password=%s''; END'",
    "SET app.jwt_secret = '%s'",
    "SELECT U&'caf\\00E9', 'http://h:80/a@b', '<!DOCTYPE x [<!ENTITY e SYSTEM \"/etc/passwd\">]>'",
]


def run(appliance, app, *texts):
    with appliance.connect(application_name=app) as session:
        for text in texts:
            try:
                session.execute(text)
            except psycopg.Error:
                pass


def test_the_rest_of_a_text_is_in_the_record(appliance, trail, app):
    run(appliance, app, *(text.replace('%s', SECRET) for text in TEXTS))
    rows = trail.settled(app)
    assert [row['statement'] for row in rows] == [text.replace('%s', '***') for text in TEXTS]
    for row, text in zip(rows, TEXTS):
        assert SECRET not in str(row)
        assert (row['redacted'] == ['statement']) == ('%s' in text)


def test_a_text_that_is_read_in_the_other_way_is_shown(appliance, trail, app):
    run(appliance, app, "SET standard_conforming_strings = off", "SELECT 1 /* passw */")
    assert [row['statement'] for row in trail.settled(app)][1] == "SELECT 1 /* passw */"


def test_an_error_message_shows_no_secret(appliance, trail, app):
    run(appliance, app, "DO $$BEGIN RAISE EXCEPTION '%', 'tok' || 'en=' || 'Zq7' || 'hunter2'; END$$")
    [row] = trail.settled(app)
    assert row['error_message'] == 'token=***'
