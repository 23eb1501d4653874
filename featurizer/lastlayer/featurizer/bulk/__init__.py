"""Features of stored images by the million: images in files, vectors out as Parquet, in shards that are done once."""
