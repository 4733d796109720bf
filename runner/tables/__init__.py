"""Tables: CSV, TSV, JSONL and Parquet are read and written here, row by row, cells unchanged."""
