"""What the site file itself says of security: ways, secrets, powers; and doors that a maker left open."""
