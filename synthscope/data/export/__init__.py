"""A manifest's images as a data set that others read: Parquet of Hugging Face, WebDataset's shards, GenImage's folders.

Bytes are copied as they are. What is finished stays when a run is stopped, and the next run goes on from there.
"""
