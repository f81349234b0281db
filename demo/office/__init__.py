"""The demonstration's first part: an office whose agents look after people's calendars."""
