"""Checking a data folder: is everything that was stored still there, as it was stored?

    database   SQLite's own check of data.db                      beside the others, on a core of its own
    records    every record is of its type, and agrees with those that it refers to; what it holds is counted
    counts     every blob is counted as often as records hold it
    blobs      every blob's stored bytes have the checksum that was kept with them
    files      every blob file has a row

Nothing is changed by looking, not even the files that SQLite keeps beside the database. What can be put right is put
right as it is found, by a `Mender`, where one is wanted. Memory is bounded: one byte for each blob ever made, and no list
of what is in order.
"""
