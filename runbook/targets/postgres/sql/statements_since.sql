-- For how long statements have been counted.
SELECT extract(epoch FROM now() - stats_reset)::float8 AS seconds FROM {info}
