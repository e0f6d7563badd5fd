"""Writers of the files that people want: streaming, pure, one format a file.

A writer takes labeled items (`app.exports.labeled`) and yields bytes. `app.exports.formats` lists
the formats; what `app.imports` reads, too, comes back the same.
"""
