"""A server with things worth changing, the appliance before it, and the witness that says whether anything has changed."""
import pathlib
import threading

import psycopg

import harness

PASSWORD = 'readonly-test'
# Ringfence's targets: by superuser, by the owner of everything, by a role that may only SELECT.
ROLES = {'super': 'wall_super', 'owner': 'wall_owner', 'select': 'wall_select'}

SETUP = r'''
CREATE EXTENSION dblink; CREATE EXTENSION tablefunc; CREATE EXTENSION xml2; CREATE EXTENSION adminpack; CREATE EXTENSION pg_surgery;
CREATE EXTENSION pg_visibility; CREATE EXTENSION pg_prewarm; CREATE EXTENSION pg_walinspect;
'''
OBJECTS = r'''
CREATE TABLE victim (a int, b text);
INSERT INTO victim SELECT g, 'x' || g FROM generate_series(1, 100) g;
CREATE TABLE documents (id int PRIMARY KEY, words tsvector, about jsonb, tags text[], during daterange, at inet);
INSERT INTO documents SELECT g, to_tsvector('simple', 'word' || g), jsonb_build_object('n', g, 'even', g % 2 = 0), ARRAY['t' || g % 3],
  daterange('2025-01-01', '2025-01-01'::date + g), '10.0.0.0/24'::inet + g FROM generate_series(1, 50) g;
CREATE INDEX wall_gin ON documents USING gin (words);
CREATE INDEX wall_brin ON victim USING brin (a);
CREATE MATERIALIZED VIEW wall_matview AS SELECT 1 AS a;
SELECT lo_create(4710), lo_put(4710, 0, 'untouched');
CREATE FUNCTION erase_one() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN 1; END $$;
CREATE FUNCTION erase_of(int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN 1; END $$;
CREATE FUNCTION erase_row(victim) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN 1; END $$;
CREATE FUNCTION erase_text(text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN true; END $$;
CREATE FUNCTION erase_two(int, int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN true; END $$;
CREATE PROCEDURE erase() LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; END $$;
CREATE OPERATOR public.<!!> (FUNCTION = erase_two, LEFTARG = int, RIGHTARG = int, COMMUTATOR = OPERATOR(public.<!!>));
CREATE AGGREGATE own_sum (int) (SFUNC = int4_sum, STYPE = bigint);
CREATE SCHEMA evil;
CREATE OPERATOR evil.+ (FUNCTION = erase_two, LEFTARG = int, RIGHTARG = int);
CREATE VIEW erasing_view AS SELECT erase_one() AS a;
CREATE TYPE erasing_type AS (a int);
CREATE FUNCTION to_erasing(int) RETURNS erasing_type LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN ROW($1); END $$;
CREATE CAST (int AS erasing_type) WITH FUNCTION to_erasing(int);
CREATE DOMAIN erasing_domain AS text CHECK (erase_text(VALUE));
CREATE FUNCTION public.lower(int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN 'x'; END $$;
CREATE FUNCTION public.length(record) RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN 'x'; END $$;
-- What policies name: one that lifts the session's read-only mode, others that use it, one that does what it should.
CREATE FUNCTION lift() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); RETURN 1; END $$;
CREATE FUNCTION lift_when_planned() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM lift(); RETURN 1; END $$;
CREATE FUNCTION lift_at_commit() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'DECLARE later CURSOR WITH HOLD FOR SELECT lift()'; RETURN 1; END $$;
CREATE FUNCTION lift_by_cursor(refcursor) RETURNS refcursor LANGUAGE plpgsql AS $$ BEGIN OPEN $1 FOR SELECT lift(); RETURN $1; END $$;
CREATE FUNCTION strike() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM victim; RETURN 1; END $$;
CREATE FUNCTION strike_when_planned() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM strike(); RETURN 1; END $$;
CREATE FUNCTION report(int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM victim WHERE a <= $1); END $$;
'''

# Everything that an attempt could have changed and that shows outside of its session, in one row. Notifications come beside it.
WITNESS = r'''
SELECT pg_current_wal_insert_lsn() AS wal,
  (SELECT md5(string_agg(v::text, ',' ORDER BY a, b)) FROM victim v) AS rows,
  (SELECT count(*) FROM pg_class) AS relations,
  (SELECT md5(string_agg(loid || ':' || encode(data, 'hex'), ',' ORDER BY loid, pageno)) FROM pg_largeobject) AS large_objects,
  (SELECT last_value || ':' || is_called FROM orders_id_seq) AS sequence,
  (SELECT string_agg(name || ':' || (pg_stat_file($1 || '/' || name)).modification, ',' ORDER BY name) FROM pg_ls_dir($1) name) AS outside,
  (SELECT count(*) FROM pg_ls_dir('.', false, false)) || ':' || (SELECT count(*) FROM pg_ls_dir('pg_snapshots')) AS data_directory,
  md5(pg_read_file('postgresql.auto.conf')) || pg_conf_load_time() AS configuration,
  (SELECT md5(string_agg(r::text, ',' ORDER BY setdatabase, setrole)) FROM pg_db_role_setting r) AS role_settings,
  (SELECT md5(string_agg(a::text, ',' ORDER BY oid)) FROM pg_authid a) AS roles,
  (SELECT string_agg(slot_name || ':' || COALESCE(restart_lsn::text, '') || ':' || COALESCE(confirmed_flush_lsn::text, ''), ',' ORDER BY slot_name)
     FROM pg_replication_slots) AS slots,
  (SELECT string_agg(gid, ',' ORDER BY gid) FROM pg_prepared_xacts) AS prepared_transactions,
  (SELECT count(*) FROM pg_replication_origin) AS origins,
  (SELECT string_agg(pid || ':' || backend_start || ':' || state || ':' || query, ',') FROM pg_stat_activity WHERE application_name = 'bystander') AS bystander,
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
     OR locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowExclusiveLock') AND pid <> pg_backend_pid()) AS locks,
  (SELECT string_agg(COALESCE(stats_reset::text, ''), ',' ORDER BY datid) FROM pg_stat_database) AS database_statistics,
  (SELECT COALESCE(b.stats_reset::text, '') || COALESCE(w.stats_reset::text, '') FROM pg_stat_bgwriter b, pg_stat_wal w) AS shared_statistics,
  (SELECT string_agg(stats_reset::text, ',' ORDER BY name) FROM pg_stat_slru) AS slru_statistics,
  (SELECT seq_scan > 0 FROM pg_stat_user_tables WHERE relname = 'victim') AS table_statistics
'''
# WAL that a server writes although nobody has changed anything: checkpoints, what it notes of running transactions, and pages that
# a SELECT tidies up.
NOISE = r'''
SELECT array_agg(resource_manager || ' ' || record_type || ' ' || description ORDER BY start_lsn) FROM pg_get_wal_records_info($1, pg_current_wal_flush_lsn())
WHERE NOT (resource_manager = 'Standby' AND record_type = 'RUNNING_XACTS' OR resource_manager = 'XLOG' AND record_type LIKE 'CHECKPOINT%%'
  OR resource_manager = 'Heap2' AND record_type LIKE 'PRUNE%%')
'''
PROBE = "SELECT 1, current_setting('transaction_read_only'), current_setting('default_transaction_read_only'), current_user = session_user, " \
        "current_setting('standard_conforming_strings')"
SOUND = ('1', 'on', 'on', 't', 'on')


class Wall:
    def __init__(self):
        self.directory = harness.work_directory('wall')
        self.cluster = harness.Cluster(self.directory / 'pg', {
            # Nothing of the server's own accord: no vacuum, no hint that is logged, no checkpoint in a test's time.
            'autovacuum': 'off', 'wal_log_hints': 'off', 'checkpoint_timeout': '1h', 'max_wal_size': '4GB', 'track_counts': 'on',
            'wal_level': 'logical', 'max_prepared_transactions': 5, 'max_replication_slots': 5, 'log_statement': 'none',
            'log_min_duration_statement': 2000, 'client_min_messages': 'error', 'fsync': 'off'})
        (self.cluster.data / 'pg_hba.conf').write_text(
            'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n')
        self.cluster.start()
        self.outside = self.directory / 'pg' / 'outside'
        harness.subprocess.run(['sh', '-c', 'mkdir %s && echo 1 > %s/x' % (self.outside, self.outside)], check=True, **harness.as_pg())
        self.cluster.sql('CREATE DATABASE shop')
        self.cluster.sql('CREATE DATABASE bench')
        for text in ("CREATE ROLE wall_super SUPERUSER LOGIN REPLICATION PASSWORD '%s'", "CREATE ROLE wall_owner LOGIN CREATEROLE REPLICATION PASSWORD '%s'",
                     "CREATE ROLE wall_select LOGIN PASSWORD '%s'"):
            self.cluster.sql(text % harness.APP_PASSWORD)
        self.make_objects()
        self.appliance = harness.Appliance(
            self.directory / 'appliance', self.cluster,
            users=[{'name': name, 'password': PASSWORD, 'roles': [name]} for name in ('reader', 'caller')],
            targets=[{'name': name, 'host': '127.0.0.1', 'port': self.cluster.port, 'database': 'shop', 'user': role, 'password': harness.APP_PASSWORD,
                      'sslmode': 'disable', 'allow_superuser_read': True, 'tags': ['wall']} for name, role in ROLES.items()],
            policies=[{'name': 'readers', 'roles': ['reader'], 'tags': ['wall'], 'level': 'read'},
                      {'name': 'callers', 'roles': ['caller'], 'tags': ['wall'], 'level': 'read',
                       'functions': ['lift*', 'strike*', 'report']}]).start()
        self.witness = self.direct('witness')
        self.notifications = 0
        self.witness.add_notify_handler(self.note_notification)
        self.witness.execute('LISTEN wall; SET synchronous_commit = on')
        self.watch_a_bystander()
        self.rest()

    def make_objects(self):
        with self.cluster.connect('shop') as connection:
            self.has_walinspect = 'pg_walinspect' in {name for (name,) in connection.execute('SELECT name FROM pg_available_extensions')}
            for text in SETUP.strip().split(';'):
                name = text.split()[-1] if text.strip() else None
                if name and connection.execute('SELECT 1 FROM pg_available_extensions WHERE name = %s', (name,)).fetchone():
                    connection.execute(text)
            connection.execute("SELECT pg_create_physical_replication_slot('wall', true)")
            connection.execute('GRANT ALL ON SCHEMA public TO wall_owner; GRANT CREATE ON DATABASE shop TO wall_owner; GRANT pg_signal_backend TO wall_owner')
            shop = (harness.ROOT / 'packaging/demo/shop.sql').read_text().replace(":'app_password'", "'x'")
            connection.execute('SET ROLE wall_owner')
            connection.execute('\n'.join(line for line in shop.splitlines() if not line.startswith('\\')))
            connection.execute(OBJECTS)
            connection.execute('RESET ROLE')
            connection.execute('GRANT SELECT ON ALL TABLES IN SCHEMA public TO wall_select; GRANT USAGE ON SCHEMA evil TO public')
            connection.execute('GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO wall_select')
            connection.execute('CREATE TABLE waiting (a int)')
            # Pages that a SELECT would tidy up are tidied up now.
            connection.execute('VACUUM FREEZE ANALYZE')
            # Without an exclusive lock: that the server would note in its WAL from time to time.
            connection.execute('BEGIN; INSERT INTO waiting VALUES (1)')
            connection.execute("PREPARE TRANSACTION 'wall'")
            connection.execute('CHECKPOINT')

    def direct(self, application_name):
        return psycopg.connect(host=str(self.cluster.socket), port=self.cluster.port, user='postgres', dbname='shop', autocommit=True,
                               application_name=application_name)

    def watch_a_bystander(self):
        """Somebody else's session, in the middle of a statement."""
        self.bystander = self.direct('bystander')

        def wait():
            try:
                self.bystander.execute('SELECT pg_sleep(3600)')
            except psycopg.Error:
                pass
        self.bystander_thread = threading.Thread(target=wait, daemon=True)
        self.bystander_thread.start()
        harness.eventually(lambda: 'pg_sleep' in (self.look()['bystander'] or ''), what='the bystander to run')

    def rest(self):
        """The statistics that earlier statements left have been written, and the WAL."""
        self.baseline = self.look()

    def note_notification(self, _):
        self.notifications += 1

    def look(self):
        cursor = self.witness.execute(WITNESS.replace('$1', '%s'), (str(self.outside),) * 2, prepare=True)
        seen = dict(zip([column.name for column in cursor.description], cursor.fetchone()))
        seen['notifications'], self.notifications = self.notifications, 0
        return seen

    def changed(self):
        """What is not as it was the last time, as {what: (before, after)}; noise left out."""
        now, before = self.look(), self.baseline
        self.baseline = dict(now, notifications=0)
        different = {key: (before[key], now[key]) for key in now if before[key] != now[key]}
        if 'wal' in different and self.has_walinspect:
            # So that what was inserted is flushed.
            self.witness.execute("SELECT pg_logical_emit_message(true, 'wall', '')")
            records = self.witness.execute(NOISE.replace('$1', '%s'), (before['wal'],)).fetchone()[0]
            # The message and its transaction's end are our own.
            different['wal'] = records[:-2]
            if not different['wal']:
                different.pop('wal')
            self.baseline = dict(self.look(), notifications=0)
        return different

    def fill_in(self, text):
        for key, value in (('{outside}', self.outside), ('{socket}', self.cluster.socket), ('{port}', self.cluster.port)):
            text = text.replace(key, str(value))
        return text

    def conninfo(self, database, user='reader', **more):
        return self.appliance.conninfo(user, database, password=PASSWORD, **more)

    def stop(self):
        self.witness.close()
        self.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bystander'")
        self.bystander_thread.join()
        code = self.appliance.stop()
        self.cluster.stop()
        log = self.appliance.log_tail()
        harness.remove(pathlib.Path(self.directory))
        assert code == 0, log
