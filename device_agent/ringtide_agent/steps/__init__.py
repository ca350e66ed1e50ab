"""One act each: it takes ports and a state, touches the world once, and returns the event of what happened.

Every act may be done twice: a kill between the act and the journal makes the next run do it again.
"""
