"""Dates in Italian, where they differ from Django's: no zero before the day."""

DATE_FORMAT = "j F Y"  # 5 marzo 2026
DATETIME_FORMAT = "l j F Y, H:i"  # giovedì 5 marzo 2026, 14:30
