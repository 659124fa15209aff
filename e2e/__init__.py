"""End-to-end tests: real servers, real browsers, and what they share."""
