#!/usr/bin/env python
"""Django's command line for Collab."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    if sys.argv[1:2] not in (["serve"], ["runserver"]):
        # A migration or a backup takes the time it takes; only pages must be quick.
        os.environ.setdefault("STATEMENT_SECONDS", "0")
    execute_from_command_line(sys.argv)
