"""Function views, one noun to a file. They look up, call one operation, answer."""
