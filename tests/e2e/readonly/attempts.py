"""How a reader might try to write: one list for each family of mechanisms.

A mechanism has a name, the attempts (a text, or a tuple of texts that one session sends one after the other), the ways in
which they are sent, and what they are answered: by default SQLSTATE 42501 once at least. `{outside}` is a directory that the
server may write to, `{database}` the session's.
"""
from typing import NamedTuple

SIMPLE = ('query',)
BOTH = ('query', 'parse')


class Mechanism(NamedTuple):
    name: str
    attempts: list
    ways: tuple = BOTH
    expect: str = '42501'


# What stands before, around or behind the words that a look at the text would search for.
TEXT = [
    Mechanism('a second statement', [
        'SELECT 1; DELETE FROM victim', 'SELECT 1;;; DROP TABLE victim', 'SHOW search_path; UPDATE victim SET a = 0',
        'SELECT 1;\n\n\tTRUNCATE victim;', 'BEGIN; DELETE FROM victim; COMMIT'], SIMPLE),
    Mechanism('a semicolon first', [';DELETE FROM victim', ' ; ;DROP TABLE victim'], SIMPLE),
    Mechanism('a comment first', [
        '/* SELECT */ DELETE FROM victim', '-- SELECT\nDELETE FROM victim', '/* a /* nested */ one */ DELETE FROM victim',
        '/* -- */ DELETE FROM victim -- */', '--\r DELETE\nDELETE FROM victim']),
    Mechanism('a comment inside of the word before', ['SELECT 1 /*; */ ; DELETE/**/FROM victim'], SIMPLE),
    Mechanism('what looks like a comment in a string', [
        "SELECT '--'; DELETE FROM victim", "SELECT '/*'; DELETE FROM victim; SELECT '*/'", "SELECT $$--$$; DELETE FROM victim"], SIMPLE),
    Mechanism('what looks like a transaction in a string', ["SELECT 'BEGIN'; DELETE FROM victim"], SIMPLE),
    Mechanism('strings whose end is not where it seems', [
        r"SELECT 'a\'; DELETE FROM victim; --'", r"SELECT E'a\''; DELETE FROM victim; --", r"SELECT U&'a\0027'; DELETE FROM victim; --'",
        "SELECT $a$ $b$ $a$; DELETE FROM victim; --$b$", "SELECT 'a'\n'; '; DELETE FROM victim; --'", "SELECT B'1'; DELETE FROM victim",
        r"SELECT U&'!0027' UESCAPE '!'; DELETE FROM victim; --'"], SIMPLE),
    Mechanism('quoted identifiers with semicolons', ['SELECT 1 AS "; --"; DELETE FROM victim; --"'], SIMPLE),
    Mechanism('strings with backslash escapes by setting', [
        ('SET standard_conforming_strings = off', r"SELECT 'a\'; DELETE FROM victim; --'"), "SET standard_conforming_strings TO 'off'",
        'SET backslash_quote = on', "SELECT set_config('standard_conforming_strings', 'off', false)"]),
    Mechanism('case and blanks', ['dElEtE FROM victim', '\t\n\f\r DELETE\nFROM\nvictim', 'DELETE FROM ONLY victim']),
    Mechanism('an encoding in which a character holds a backslash', [
        "SET client_encoding = 'SJIS'", "SET NAMES 'GBK'", 'SET client_encoding TO big5', "SELECT set_config('client_encoding', 'JOHAB', false)"]),
    Mechanism('a text that no grammar knows', ['DELETE FROM victim WHERE', 'SELEC 1', 'DELETE victim']),
    Mechanism('a statement that is very long', ['DELETE FROM victim WHERE a IN (' + ', '.join(map(str, range(3000))) + ')',
                                                "SELECT '" + 'x' * 200_000 + "'; DELETE FROM victim"], SIMPLE),
]

# Kinds of statements.
KINDS = [
    Mechanism('plain writes', [
        'DELETE FROM victim', 'INSERT INTO victim VALUES (1)', 'UPDATE victim SET a = 0', 'TRUNCATE victim', 'INSERT INTO victim DEFAULT VALUES',
        'INSERT INTO victim VALUES (1) ON CONFLICT DO NOTHING', 'INSERT INTO victim TABLE victim', 'DELETE FROM victim USING orders',
        'UPDATE victim SET a = 0 FROM orders RETURNING *', 'DELETE FROM pg_class']),
    Mechanism('MERGE', ['MERGE INTO victim v USING orders o ON o.id = v.a WHEN MATCHED THEN DELETE',
                        'MERGE INTO victim v USING orders o ON o.id = v.a WHEN NOT MATCHED THEN INSERT VALUES (1)']),
    Mechanism('a write in a WITH clause', [
        'WITH d AS (DELETE FROM victim RETURNING *) SELECT * FROM d', 'WITH d AS (INSERT INTO victim VALUES (1) RETURNING a) TABLE d',
        'WITH a AS (SELECT 1), d AS MATERIALIZED (UPDATE victim SET a = 0 RETURNING *) SELECT * FROM a',
        'WITH RECURSIVE d AS (DELETE FROM victim) VALUES (1)', 'WITH d AS (DELETE FROM victim) SELECT 1 FROM (SELECT 1) s',
        'SELECT * FROM (WITH d AS (DELETE FROM victim RETURNING a) SELECT * FROM d) s']),
    Mechanism('SELECT INTO', ['SELECT * INTO stolen FROM victim', 'SELECT a INTO TEMP stolen FROM victim', 'SELECT 1 AS a INTO UNLOGGED TABLE stolen',
                              'WITH v AS (TABLE victim) SELECT * INTO stolen FROM v', 'SELECT 1 INTO stolen UNION SELECT 2']),
    Mechanism('CREATE TABLE AS', ['CREATE TABLE stolen AS TABLE victim', 'CREATE TEMP TABLE stolen AS SELECT 1', 'CREATE MATERIALIZED VIEW stolen AS SELECT 1',
                                  ('PREPARE ctas AS SELECT 1', 'CREATE TABLE stolen AS EXECUTE ctas')]),
    Mechanism('EXPLAIN that runs what it explains', [
        'EXPLAIN ANALYZE DELETE FROM victim', 'EXPLAIN ANALYSE VERBOSE UPDATE victim SET a = 0', 'EXPLAIN (ANALYZE) DELETE FROM victim',
        "EXPLAIN (ANALYZE 'on', BUFFERS) DELETE FROM victim", 'EXPLAIN (COSTS off, ANALYZE 1) DELETE FROM victim', 'EXPLAIN (ANALYZE true) SELECT nextval(\'orders_id_seq\')',
        'EXPLAIN ANALYZE CREATE TABLE stolen AS SELECT 1', 'EXPLAIN ANALYZE WITH d AS (DELETE FROM victim) SELECT 1', 'EXPLAIN (ANALYZE 0, ANALYZE 1) DELETE FROM victim']),
    Mechanism('COPY into a table', ['COPY victim FROM STDIN', 'COPY victim (a) FROM STDIN WITH (FORMAT binary)', "COPY victim FROM '{outside}/x'",
                                    "COPY victim FROM PROGRAM 'echo 1'"]),
    Mechanism('COPY to a file or a program', ["COPY victim TO '{outside}/copied'", "COPY victim TO PROGRAM 'cat > {outside}/copied'", "COPY (SELECT 1) TO PROGRAM 'touch {outside}/copied'",
                                              "COPY\tvictim\tTO\n'{outside}/copied'", "copy binary victim to '{outside}/copied'"]),
    Mechanism('COPY of a write', ['COPY (DELETE FROM victim RETURNING a) TO STDOUT', 'COPY (WITH d AS (DELETE FROM victim RETURNING a) SELECT * FROM d) TO STDOUT',
                                  'COPY (INSERT INTO victim VALUES (1) RETURNING a) TO STDOUT']),
    Mechanism('DO', ['DO $$ BEGIN DELETE FROM victim; END $$', 'DO LANGUAGE plpgsql $$ BEGIN PERFORM pg_notify(\'wall\', \'x\'); END $$']),
    Mechanism('CALL', ['CALL erase()', 'CALL public.erase()']),
    Mechanism('a write by SQL PREPARE', ['PREPARE w AS DELETE FROM victim', 'PREPARE w (int) AS INSERT INTO victim VALUES ($1)',
                                         ('PREPARE w2 AS DELETE FROM victim', 'EXECUTE w2'), 'PREPARE w AS SELECT * FROM victim FOR UPDATE']),
    Mechanism('cursors that lock', ['DECLARE c CURSOR WITH HOLD FOR SELECT * FROM victim FOR UPDATE', ('BEGIN', 'DECLARE c CURSOR FOR SELECT * FROM victim', 'DELETE FROM victim WHERE CURRENT OF c')]),
    Mechanism('row locks', ['SELECT * FROM victim FOR UPDATE', 'SELECT * FROM victim FOR SHARE', 'SELECT * FROM victim FOR KEY SHARE SKIP LOCKED', 'SELECT * FROM (SELECT * FROM victim FOR NO KEY UPDATE) s',
                            'WITH v AS (SELECT * FROM victim FOR UPDATE NOWAIT) SELECT * FROM v', 'SELECT (SELECT a FROM victim LIMIT 1 FOR UPDATE)', 'TABLE victim FOR UPDATE']),
    Mechanism('table locks', ['LOCK TABLE victim', 'LOCK victim IN ACCESS SHARE MODE', ('BEGIN', 'LOCK TABLE victim IN ACCESS EXCLUSIVE MODE NOWAIT')]),
    Mechanism('making objects', [
        'CREATE TABLE x (a int)', 'CREATE TEMP TABLE x (a int)', 'CREATE VIEW x AS SELECT 1', 'CREATE OR REPLACE TEMP VIEW x AS SELECT 1', 'CREATE INDEX ON victim (a)', 'CREATE SCHEMA x', 'CREATE SEQUENCE x', 'CREATE TYPE x AS (a int)',
        'CREATE DOMAIN x AS int', 'CREATE FUNCTION x() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$', 'CREATE TRIGGER x AFTER INSERT ON victim EXECUTE FUNCTION f()', 'CREATE RULE x AS ON SELECT TO victim DO INSTEAD SELECT 1',
        'CREATE STATISTICS x ON a, b FROM victim', 'CREATE CAST (text AS int) WITH INOUT', 'CREATE OPERATOR @@@ (FUNCTION = erase)', 'CREATE POLICY x ON victim']),
    Mechanism('changing objects', ['ALTER TABLE victim ADD c int', 'ALTER TABLE victim RENAME TO gone', 'ALTER TABLE victim SET UNLOGGED', 'ALTER SEQUENCE orders_id_seq RESTART', 'ALTER VIEW order_totals RENAME TO gone', "COMMENT ON TABLE victim IS 'x'",
                                   "SECURITY LABEL ON TABLE victim IS 'x'", 'ALTER TABLE victim OWNER TO postgres', 'ALTER TABLE victim DISABLE TRIGGER ALL']),
    Mechanism('dropping objects', ['DROP TABLE victim', 'DROP SCHEMA public CASCADE', 'DROP FUNCTION erase', 'DROP OWNED BY CURRENT_USER', 'DROP TABLE IF EXISTS nosuch']),
    Mechanism('roles and privileges', ['GRANT ALL ON victim TO public', 'GRANT postgres TO CURRENT_USER', 'REVOKE SELECT ON victim FROM public', 'CREATE ROLE x SUPERUSER', "ALTER ROLE CURRENT_USER PASSWORD 'x'", 'DROP ROLE wall_select',
                                       'ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO public', 'REASSIGN OWNED BY CURRENT_USER TO postgres']),
    Mechanism('settings kept by the server', ["ALTER SYSTEM SET work_mem = '5MB'", 'ALTER SYSTEM RESET ALL', 'ALTER DATABASE shop SET default_transaction_read_only = off',
                                              'ALTER ROLE ALL SET default_transaction_read_only = off', 'ALTER ROLE CURRENT_USER SET search_path = x']),
    Mechanism('databases', ['CREATE DATABASE x', 'DROP DATABASE bench', 'ALTER DATABASE shop RENAME TO gone']),
    Mechanism('maintenance', ['VACUUM victim', 'VACUUM', 'ANALYZE victim', 'REINDEX TABLE victim', 'REINDEX DATABASE shop', 'CLUSTER', 'CLUSTER victim', 'CHECKPOINT', 'REFRESH MATERIALIZED VIEW wall_matview']),
    Mechanism('libraries', ["LOAD 'auto_explain'", "LOAD '$libdir/plpgsql'", 'CREATE EXTENSION hstore', 'ALTER EXTENSION dblink UPDATE', 'DROP EXTENSION dblink']),
    Mechanism('NOTIFY', ['NOTIFY wall', "NOTIFY wall, 'x'", ('BEGIN', 'NOTIFY wall', 'COMMIT')]),
    Mechanism('prepared transactions', ["PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'wall'", "ROLLBACK PREPARED 'wall'", ('BEGIN', "PREPARE TRANSACTION 'x'")]),
    Mechanism('foreign data', ['IMPORT FOREIGN SCHEMA public FROM SERVER s INTO public', 'CREATE SERVER s FOREIGN DATA WRAPPER f', 'CREATE USER MAPPING FOR public SERVER s']),
    Mechanism('replication by SQL', ['CREATE PUBLICATION p FOR ALL TABLES', "CREATE SUBSCRIPTION s CONNECTION 'dbname=shop' PUBLICATION p", 'ALTER SUBSCRIPTION s DISABLE', 'DROP PUBLICATION IF EXISTS p']),
    Mechanism('replication commands', ['IDENTIFY_SYSTEM', 'CREATE_REPLICATION_SLOT x PHYSICAL', 'BASE_BACKUP', 'START_REPLICATION 0/0']),
    Mechanism('a view over settings that can be updated', ["UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'"]),
]

# What makes a transaction or the session writable, or somebody else.
MODES = [
    Mechanism('a transaction that begins writable', [
        ('BEGIN READ WRITE', 'DELETE FROM victim'), 'BEGIN READ WRITE; DELETE FROM victim; COMMIT', ('START TRANSACTION READ WRITE', 'DELETE FROM victim'),
        ('BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE', 'DELETE FROM victim'), ('BEGIN WORK READ ONLY READ WRITE', 'DELETE FROM victim'),
        ('START TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE', 'DELETE FROM victim'), ('BEGIN TRANSACTION/**/READ/**/WRITE', 'DELETE FROM victim')], SIMPLE),
    # What passes as READ ONLY, beside what the server refuses in a read-only transaction whatever the level.
    Mechanism('a transaction that begins writable, at the server', [
        ('BEGIN READ WRITE', 'SET TRANSACTION READ ONLY', 'SET transaction_read_only = off'), ('BEGIN', 'SET TRANSACTION READ WRITE', 'DELETE FROM victim'),
        ('COMMIT AND CHAIN', 'SET TRANSACTION READ WRITE', 'DELETE FROM victim'), ('BEGIN', 'SAVEPOINT a', 'SET TRANSACTION READ WRITE', 'DELETE FROM victim'),
        ('SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE', 'DELETE FROM victim'),
        ('SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE', 'DELETE FROM victim')], SIMPLE),
    Mechanism('a transaction that becomes writable', [
        ('BEGIN', 'SET LOCAL transaction_read_only TO 0'), ('BEGIN', 'SET transaction_read_only = off'), ('BEGIN', 'SET transaction_read_only TO DEFAULT'),
        ('BEGIN', 'RESET transaction_read_only'), ('BEGIN', 'SET LOCAL transaction_read_only TO DEFAULT'),
        "SET transaction_read_only TO 'off'; DELETE FROM victim"], SIMPLE),
    Mechanism('a session that becomes writable', [
        'SET default_transaction_read_only = off', "SET default_transaction_read_only TO 'off'", 'SET SESSION default_transaction_read_only = no', 'SET default_transaction_read_only = f', 'SET default_transaction_read_only = 0',
        "SET default_transaction_read_only = 'of'", 'SET "default_transaction_read_only" = off', 'SET DEFAULT_TRANSACTION_READ_ONLY = OFF', 'SET U&"default_transaction_read\\005Fonly" = off']),
    Mechanism('set_config()', [
        "SELECT set_config('transaction_read_only', 'off', false)", "SELECT set_config('default_' || 'transaction_read_only', 'off', false)", "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name LIKE '%read_only'",
        "SELECT pg_catalog.set_config('default_transaction_read_only', 'off', false)", "SELECT (SELECT set_config('default_transaction_read_only', lower('OFF'), false))", "SELECT set_config('DEFAULT_TRANSACTION_READ_ONLY', 'off', true)",
        "SELECT ('default_transaction_read_only').set_config", "SELECT set_config(is_local => false, new_value => 'off', setting_name => 'default_transaction_read_only')"]),
    Mechanism('settings taken back', ['RESET ALL', 'DISCARD ALL', 'RESET default_transaction_read_only', 'SET default_transaction_read_only TO DEFAULT', ('BEGIN', 'RESET ALL')], SIMPLE, expect=''),
    Mechanism('and writing after it', [('RESET ALL', 'DELETE FROM victim'), ('DISCARD ALL', 'WITH d AS (DELETE FROM victim RETURNING *) SELECT * FROM d'), ('RESET SESSION AUTHORIZATION', 'DELETE FROM victim')]),
    Mechanism('another role', ['SET ROLE postgres', 'SET LOCAL ROLE postgres', "SET role TO 'postgres'", 'SET SESSION ROLE wall_owner', "SELECT set_config('role', 'postgres', false)", 'SET SESSION AUTHORIZATION postgres',
                               'SET SESSION SESSION AUTHORIZATION postgres', "SELECT set_config('session_authorization', 'postgres', false)", 'SET session_replication_role = replica']),
    Mechanism('other settings', ["SET work_mem = '1GB'", "SET log_statement = 'none'", 'SET zero_damaged_pages = on', "SET temp_tablespaces = 'x'", "SET dynamic_library_path = '/tmp'", 'SET allow_system_table_mods = on', "SET local_preload_libraries = 'x'",
                                 "SET session_preload_libraries = 'x'", 'SET statement_timeout = 0', "SET plv8.start_proc = 'erase_one'", 'SET lo_compat_privileges = on', 'SET check_function_bodies = off']),
    Mechanism("other objects before PostgreSQL's own", ['SET search_path = evil, pg_catalog', 'SET search_path TO public, pg_catalog', "SET SCHEMA 'pg_temp'", "SELECT set_config('search_path', 'evil, pg_catalog', false)", 'SET search_path = pg_temp, pg_catalog',
                                                        "SET search_path = 'evil,pg_catalog'"]),
]

# Where in a statement a call may stand. `{call}` changes something.
POSITION_TEXTS = [
    'SELECT {call}', 'SELECT 1 WHERE {call} IS NOT NULL', 'VALUES ({call})', 'SELECT * FROM (VALUES (1), ({call})) v', 'SELECT * FROM victim ORDER BY {call} LIMIT 1', 'SELECT 1 LIMIT {call}', 'SELECT 1 OFFSET {call}', 'SELECT count(*) FROM victim GROUP BY {call}',
    'SELECT count(*) FROM victim HAVING {call} > 0', 'SELECT count(*) FILTER (WHERE {call} > 0) FROM victim', 'SELECT sum(a) OVER (PARTITION BY {call}) FROM victim', 'SELECT sum(a) OVER w FROM victim WINDOW w AS (ORDER BY {call})',
    'SELECT sum(a) OVER (ROWS {call} PRECEDING) FROM victim', 'SELECT array_agg(a ORDER BY {call}) FROM victim', 'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY {call}) FROM victim', 'SELECT * FROM victim a JOIN victim b ON {call} = 1', 'SELECT * FROM victim, LATERAL (SELECT {call}) s',
    'SELECT * FROM {call} AS f', 'SELECT * FROM ROWS FROM ({call}) AS f', 'SELECT * FROM generate_series(1, {call})', 'SELECT * FROM victim TABLESAMPLE BERNOULLI ({call})', 'SELECT * FROM victim TABLESAMPLE SYSTEM (100) REPEATABLE ({call})',
    'SELECT CASE WHEN true THEN {call} END', 'SELECT CASE {call} WHEN 1 THEN 2 END', 'SELECT COALESCE(NULL, {call})', 'SELECT GREATEST(1, {call})', 'SELECT NULLIF({call}, 1)', 'SELECT ARRAY[{call}]', 'SELECT ROW({call})', 'SELECT (ARRAY[1])[{call}]', 'SELECT (ARRAY[1])[1:{call}]',
    'SELECT {call}::text', 'SELECT CAST({call} AS text)', 'SELECT {call} + 1', 'SELECT -{call}', 'SELECT {call} IN (1, 2)', 'SELECT 1 = ANY (ARRAY[{call}])', 'SELECT {call} BETWEEN 1 AND 2', 'SELECT NOT ({call} IS DISTINCT FROM 1)', 'SELECT EXISTS (SELECT {call})',
    'SELECT ARRAY(SELECT {call})', 'WITH c AS MATERIALIZED (SELECT {call}) SELECT * FROM c', 'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT {call} FROM r WHERE n < 2) SELECT * FROM r', 'SELECT 1 UNION SELECT {call}', 'SELECT DISTINCT ON ({call}) a FROM victim',
    "SELECT xmlelement(name x, {call})", "SELECT xmlforest({call} AS x)", "SELECT * FROM xmltable('/a' PASSING xmlparse(document '<a/>') COLUMNS x int DEFAULT {call})", 'SELECT lower({call}::text)', 'SELECT a FROM victim GROUP BY GROUPING SETS ((a), ({call}))',
    'SELECT ({call})::text COLLATE "C"', "SELECT now() AT TIME ZONE {call}::text", 'SELECT {call} IS NULL', 'EXPLAIN ANALYZE SELECT {call}', 'PREPARE pos AS SELECT {call}', 'DECLARE pos CURSOR WITH HOLD FOR SELECT {call}', 'COPY (SELECT {call}) TO STDOUT',
    "SELECT extract(epoch FROM now() + {call} * interval '1 s')", 'SELECT overlay(\'abc\' PLACING \'x\' FROM {call}::int)', 'SELECT substring(\'abc\' FROM {call}::int)', "SELECT position('a' IN {call}::text)", 'SELECT trim(BOTH FROM {call}::text)',
]
POSITIONS = [Mechanism('a call: ' + text, [text.replace('{call}', call) for call in ("nextval('orders_id_seq')", 'erase_one()')], SIMPLE) for text in POSITION_TEXTS] + [
    Mechanism('a call as an argument of EXECUTE', [('PREPARE pe (bigint) AS SELECT $1', "EXECUTE pe(nextval('orders_id_seq'))"), ('PREPARE pf (bigint) AS SELECT $1', "EXPLAIN ANALYZE EXECUTE pf(nextval('orders_id_seq'))")]),
    Mechanism('a call behind a dot', ["SELECT ('orders_id_seq'::regclass).nextval", 'SELECT (99).erase_of', "SELECT ('{outside}/x'::text).pg_read_file", 'SELECT (0::oid).lo_create', 'SELECT (s.x).nextval FROM (SELECT \'orders_id_seq\'::regclass) s(x)',
                                      "SELECT (SELECT 'orders_id_seq'::regclass).nextval"]),
    Mechanism('a call by a name spelled otherwise', ["SELECT NEXTVAL('orders_id_seq')", "SELECT pg_catalog.nextval('orders_id_seq')", "SELECT \"nextval\"('orders_id_seq')", "SELECT U&\"nextv\\0061l\"('orders_id_seq')", "SELECT pg_catalog . nextval ( 'orders_id_seq' )",
                                                     "SELECT shop.pg_catalog.nextval('orders_id_seq')", "SELECT/**/nextval/**/('orders_id_seq')"]),
    Mechanism('a call with other notations', ["SELECT nextval(VARIADIC ARRAY['orders_id_seq'::regclass])", "SELECT pg_notify(channel => 'wall', payload => 'x')", "SELECT pg_notify('wall', payload := 'x')"]),
    Mechanism("an operator that is not PostgreSQL's own", ['SELECT 1 <!!> 2', 'SELECT 1 OPERATOR(public.<!!>) 2', 'SELECT 1 OPERATOR(evil.+) 2', 'SELECT * FROM victim ORDER BY a USING OPERATOR(public.<!!>)', 'SELECT 1 <!!> ANY (ARRAY[1])']),
]
