-- id: SQL-01
-- title: Ningún estatus de procesamiento activo está dos veces en su catálogo
-- title-en: No active processing status is in its catalogue twice
-- why: Los sitios nombran los estatus por su descripción: con dos números para un nombre, los registros quedan en uno y se cuentan en el otro.
-- why-en: Sites name the statuses by their description: with two numbers for one name, records stand under one and are counted under the other.
-- severity: critical
SELECT upper(trim(descripcion)) AS estatus,
       count(*) AS veces,
       string_agg(id_estatus_procesamiento::text, ', ' ORDER BY id_estatus_procesamiento) AS numeros
  FROM ctmu011_estatus_procesamiento
 WHERE activo = 'A'
 GROUP BY 1
HAVING count(*) > 1
