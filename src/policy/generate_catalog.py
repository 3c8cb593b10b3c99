#!/usr/bin/python3
"""Writes src/policy/catalog.inc: what of pg_catalog a user of level `read` may call.

  generate_catalog.py 15='host=/tmp/a' 17='host=/tmp/b' >src/policy/catalog.inc

One server of each major version, freshly made, is asked. A function is in the list when PostgreSQL says that it is
immutable or stable, or when it is one of VOLATILE_BUT_HARMLESS, and it is not one of REFUSED; functions that nobody can
call from SQL are left out. Operators are all of pg_catalog's. Review the difference to the version before by name: a
new stable function may still run SQL that it is given, or read files.
"""
import sys

import psycopg

# Reviewed: they are volatile because what they tell changes, not because they change anything. pg_advisory_unlock_all, by which
# asyncpg and Npgsql clean a connection up, gives back what a reader cannot have taken, as DISCARD ALL does.
VOLATILE_BUT_HARMLESS = '''
array_sample array_shuffle clock_timestamp current_query currval gen_random_uuid lastval random random_normal timeofday uuidv4 uuidv7
pg_advisory_unlock_all pg_blocking_pids pg_safe_snapshot_blocking_pids pg_lock_status pg_prepared_xact
pg_collation_actual_version pg_database_collation_actual_version
pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
pg_database_size pg_indexes_size pg_relation_size pg_table_size pg_tablespace_size pg_total_relation_size
pg_get_wal_replay_pause_state pg_is_in_recovery pg_is_wal_replay_paused pg_last_committed_xact
pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_xact_commit_timestamp pg_xact_status
pg_control_checkpoint pg_control_init pg_control_recovery pg_control_system
pg_get_aios pg_get_backend_memory_contexts pg_get_loaded_modules pg_get_shmem_allocations pg_get_shmem_allocations_numa
pg_get_wait_events pg_get_wal_summarizer_state pg_show_replication_origin_status pg_stat_get_backend_io pg_stat_get_backend_wal pg_stat_get_io
pg_stat_get_recovery_prefetch pg_jit_available pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_sequence_last_value
pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans
pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_newpage_updated pg_stat_get_xact_tuples_returned
pg_stat_get_xact_tuples_updated pg_stat_have_stats txid_status
'''.split()

# Stable or immutable for PostgreSQL, and still not for a reader: they run SQL that they are given or read tables by a
# name that no rule sees, assign a transaction id, tell of the machine, or belong to triggers and extensions' scripts.
REFUSED = '''
cursor_to_xml cursor_to_xmlschema database_to_xml database_to_xml_and_xmlschema database_to_xmlschema query_to_xml
query_to_xml_and_xmlschema query_to_xmlschema schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema table_to_xml
table_to_xml_and_xmlschema table_to_xmlschema ts_rewrite ts_stat
pg_current_xact_id
pg_config pg_relation_filepath
pg_event_trigger_ddl_commands pg_event_trigger_dropped_objects pg_event_trigger_table_rewrite_oid
pg_event_trigger_table_rewrite_reason
fmgr_c_validator fmgr_internal_validator fmgr_sql_validator set_config
'''.split()

FUNCTIONS = """
select proname, array_agg(oid::int order by oid) from pg_proc p
where pronamespace = 'pg_catalog'::regnamespace and prokind in ('f', 'a', 'w')
  and not exists (select from unnest(proargtypes) t where t in ('internal'::regtype, 'trigger'::regtype))
  and prorettype not in ('internal'::regtype, 'trigger'::regtype, 'event_trigger'::regtype, 'language_handler'::regtype,
                         'fdw_handler'::regtype, 'index_am_handler'::regtype, 'tsm_handler'::regtype,
                         'table_am_handler'::regtype)
  and (provolatile in ('i', 's') or proname = any (%s)) and proname <> all (%s)
group by proname"""
# Every name that `expression.name` may call, and the columns of what functions of the catalog return.
ALL_FUNCTIONS = "select distinct proname from pg_proc where pronamespace = 'pg_catalog'::regnamespace"
OUTPUTS = """
select distinct name from pg_proc p, unnest(proargnames, proargmodes) as a(name, mode)
where pronamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) and mode in ('o', 'b', 't')
  and name <> '' and name <> all (select proname::text from pg_proc)"""
# What the views of information_schema are made of; pgjdbc calls _pg_expandarray for its primary keys and indexes. Only who made
# the database may change them.
INFORMATION = """
select proname from pg_proc where pronamespace = 'information_schema'::regnamespace and prokind = 'f' and provolatile in ('i', 's')"""
# Views over functions that are not in the list; PostgreSQL keeps no dependencies of its own objects, so their rules are read.
VIEWS = r"""
select c.relname from pg_class c join pg_rewrite r on r.ev_class = c.oid
where c.relkind = 'v' and r.ev_type = '1' and c.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  and exists (select from regexp_matches(r.ev_action::text, ':funcid (\d+)', 'g') m join pg_proc p on p.oid = m[1]::oid
              where p.oid <> all (%s) and p.pronamespace = 'pg_catalog'::regnamespace)"""
# Tables, and a view, that hold passwords: only a superuser reads them, and level read may stand before one.
SECRET_RELATIONS = 'pg_authid pg_shadow pg_user_mapping'.split()
# What TABLESAMPLE names.
METHODS = "select proname, array[]::int[] from pg_proc where prorettype = 'tsm_handler'::regtype"
OPERATORS = "select distinct oprname from pg_operator where oprnamespace = 'pg_catalog'::regnamespace"


def main():
    servers = dict(argument.split('=', 1) for argument in sys.argv[1:])
    if not servers or not all(version.isdigit() for version in servers):
        raise SystemExit(__doc__)
    versions = sorted(int(version) for version in servers)
    functions, oids, operators, everything, outputs, information, views = {}, {}, {}, {}, {}, {}, {}
    for bit, version in enumerate(versions):
        with psycopg.connect(servers[str(version)]) as connection:
            connection.autocommit = True
            found = connection.info.server_version // 10000
            if found != version:
                raise SystemExit('the server for %d is version %d' % (version, found))
            rows = connection.execute(FUNCTIONS, (VOLATILE_BUT_HARMLESS, REFUSED)).fetchall()
            for name, numbers in rows + connection.execute(METHODS).fetchall():
                functions[name] = functions.get(name, 0) | 1 << bit
                for number in numbers:
                    oids[number] = oids.get(number, 0) | 1 << bit
            listed = [number for _, numbers in rows for number in numbers]
            for name in [row[0] for row in connection.execute(VIEWS, (listed,))] + SECRET_RELATIONS:
                views[name] = views.get(name, 0) | 1 << bit
            for query, table in ((OPERATORS, operators), (ALL_FUNCTIONS, everything), (OUTPUTS, outputs),
                                 (INFORMATION, information)):
                for (name,) in connection.execute(query):
                    table[name] = table.get(name, 0) | 1 << bit
    print('// Made by generate_catalog.py from servers of version %s; do not edit.' % ', '.join(map(str, versions)))
    print('constexpr int catalog_versions[] = {%s};' % ', '.join(map(str, versions)))
    for what, table in (('catalog_functions', functions), ('catalog_operators', operators),
                        ('catalog_all_functions', everything), ('catalog_outputs', outputs),
                        ('catalog_information_functions', information), ('catalog_refused_relations', views)):
        print('constexpr CatalogName %s[] = {' % what)
        for name in sorted(table, key=str.encode):
            print('    {"%s", %d},' % (name.replace('?', '\\?'), table[name]))
        print('};')
    print('constexpr CatalogOid catalog_function_oids[] = {')
    for oid in sorted(oids):
        print('    {%d, %d},' % (oid, oids[oid]))
    print('};')


if __name__ == '__main__':
    main()
