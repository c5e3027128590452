-- Forget a hypothetical index.
SELECT {drop}(%(index)s::oid)
