"""Images that are no file of their own on this machine: behind a URL, or inside a tar, Arrow or Parquet file."""
