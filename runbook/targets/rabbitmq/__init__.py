"""RabbitMQ: reading and changing its queues."""
