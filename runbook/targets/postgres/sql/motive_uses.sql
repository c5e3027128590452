-- How often each motive was given.
SELECT id_motivo_error AS motive_id, count(*)::integer AS errors FROM {errors} GROUP BY 1 ORDER BY 1
