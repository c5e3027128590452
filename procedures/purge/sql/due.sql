-- What of one table of records has outlived the retention, by status. Its time has no index: one full scan.
SELECT
    counted.status,
    upper(btrim(known.descripcion)) AS name,
    rows,
    overdue,
    qualifying,
    timeless,
    oldest
FROM (
    SELECT
        staged.{status} AS status,
        count(*) AS rows,
        count(*) FILTER (WHERE {time} < {cutoff} AND isfinite({time})) AS overdue,
        count(*) FILTER (WHERE {goes}) AS qualifying,
        count(*) FILTER (WHERE {time} IS NULL OR NOT isfinite({time})) AS timeless,
        min({moment}) FILTER (WHERE {goes}) AS oldest
    FROM {table} AS staged
    GROUP BY 1
) AS counted
LEFT JOIN {statuses} AS known ON known.id_estatus_procesamiento = counted.status
ORDER BY counted.status
