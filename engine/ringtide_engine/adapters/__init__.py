"""The only code of the engine that touches the world; every failure leaves as one of the three families."""
