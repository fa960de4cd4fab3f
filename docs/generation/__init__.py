"""The reference pages, made from the code: what is in the code is in the pages, and nothing else is."""
