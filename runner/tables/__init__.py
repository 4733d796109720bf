"""Tables: CSV, TSV, JSONL and Parquet are read and written here, row by row, cells unchanged.

With the files that hold them: read and written whole, compressed or not.
"""
