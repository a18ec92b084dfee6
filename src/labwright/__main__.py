"""`python -m labwright` is `labwright`."""

from labwright.cli import main

if __name__ == "__main__":
    main()
