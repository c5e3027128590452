"""What the rows ask of each system, and the least rights that let them."""
