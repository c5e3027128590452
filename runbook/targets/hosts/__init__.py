"""The application servers."""
