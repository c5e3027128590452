"""The indexes that are proposed, built for real, beside what was promised of them."""
