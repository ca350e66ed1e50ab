"""The demo: the main job told as a story, on this machine, with real agents, models, keys and repositories.

Nothing here is simulated and nothing elsewhere knows of it. The demo writes a fleet repository with short times, starts
`ringtide-agent` processes, sends them real images, and otherwise does what an operator does.
"""
