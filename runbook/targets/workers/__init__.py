"""The replicas of the services, and who keeps them."""
