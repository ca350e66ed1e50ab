"""`python -m ringtide_agent` is `ringtide-agent`."""

from ringtide_agent.cli import main

if __name__ == "__main__":
    main()
