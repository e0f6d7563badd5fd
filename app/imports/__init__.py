"""Readers of the files that people have: streaming, pure, one format a file.

A reader takes files that are open (`app.imports.files`) and yields items, and what it refuses, in
the files' order (`app.imports.found`). `app.imports.formats` lists the formats and tells them
apart.
"""
