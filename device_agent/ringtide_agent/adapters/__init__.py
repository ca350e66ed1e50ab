"""The only code of the agent that touches the world; every failure leaves as one of the three families."""
