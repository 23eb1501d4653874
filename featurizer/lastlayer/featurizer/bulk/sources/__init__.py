"""Finds the images of folders, lists, Parquet files and tar files, in any file system that fsspec knows."""
