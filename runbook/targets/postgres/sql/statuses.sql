-- The processing statuses of the site by name; their numbers differ between sites.
SELECT id_estatus_procesamiento::integer AS id, upper(trim(descripcion)) AS name
FROM {statuses}
WHERE descripcion IS NOT NULL
ORDER BY id
