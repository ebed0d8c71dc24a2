"""What the train page is made of."""
