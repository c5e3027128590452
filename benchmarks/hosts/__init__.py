"""Twenty rows on ten hosts over SSH, beside one connection, an Ansible playbook and pytest-testinfra."""
