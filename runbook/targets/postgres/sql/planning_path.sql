-- Plan as the services' statements are planned: their tables without a schema, and no plan for one value only.
-- Temporary tables hide the real ones of their name, or are hidden by them.
SELECT
    set_config(
        'search_path',
        concat_ws(
            ', ',
            CASE WHEN %(sampled)s THEN 'pg_temp' END,
            quote_ident(%(schema)s),
            'public',
            CASE WHEN NOT %(sampled)s THEN 'pg_temp' END
        ),
        true
    ),
    set_config('plan_cache_mode', 'force_generic_plan', true)
