-- How many records were answered in the window, of all exchange tables.
SELECT count(*)::integer AS finished
FROM {responses}
WHERE id_respuesta >= %(first)s
    AND fecha_respuesta >= %(since)s
    AND id_estatus_procesamiento <> ALL (%(unfinished)s::integer[])
