"""`python -m ringtide_engine.cli`."""

from ringtide_engine.cli import main

if __name__ == "__main__":
    main()
