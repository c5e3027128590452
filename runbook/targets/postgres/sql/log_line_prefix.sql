-- log_line_prefix: how each line of the server's text log begins.
SELECT current_setting('log_line_prefix') AS prefix
