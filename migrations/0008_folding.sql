-- How texts are brought into lower case where a filter compares what is not stored so: by all of Unicode, as the code does
-- it, and not by the locale that the database happens to have ("C" knows A to Z alone). The best that this server offers:
-- PostgreSQL 18 brings its own; earlier ones have ICU; 17 without ICU knows all letters but not the few that become two.
do $$
declare
  best text := (
    select quote_ident(collname) from pg_collation
    where collnamespace = 'pg_catalog'::regnamespace and collname in ('pg_unicode_fast', 'und-x-icu', 'pg_c_utf8', 'C')
      and collencoding in (-1, (select encoding from pg_database where datname = current_database()))
    order by array_position(array['pg_unicode_fast', 'und-x-icu', 'pg_c_utf8', 'C'], collname::text) limit 1);
begin
  execute format('create collation usher_fold from pg_catalog.%s', best);
end $$;
