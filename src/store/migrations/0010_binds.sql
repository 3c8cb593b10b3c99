-- Binds that nothing executed are statements of their own: audit_query shows them too. The view's columns stay as they are.
DO $$
DECLARE
  shown text := pg_catalog.pg_get_viewdef('ringfence.audit_query'::pg_catalog.regclass);
  told text := shown;
BEGIN
  told := replace(told, '''postgres_query_blocked''::text]', '''postgres_query_blocked''::text, ''postgres_bind''::text]');
  told := replace(told, 'o.action = ''postgres_query_outcome''::text', 'o.action = (q.action || ''_outcome''::text)');
  told := replace(told, '(q.action = ''postgres_query''::text) AND', '(q.action <> ''postgres_query_blocked''::text) AND');
  IF told !~ 'postgres_bind' OR told !~ '_outcome''::text\)' OR told !~ 'q\.action <> ' THEN
    RAISE EXCEPTION 'ringfence.audit_query is not the view that was expected: %', shown;
  END IF;
  EXECUTE 'CREATE OR REPLACE VIEW ringfence.audit_query AS ' || told;
END $$;
