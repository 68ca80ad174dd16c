"""Backups of a data folder: consistent, taken while the cloud runs, each holding only what the ones before do not.

    generations/<time>.json     what belongs to one backup; written last: without it there is none
    chunks/<2>/<62>             pieces of data.db, lists of blob files, small files; named by their SHA-256
    blobs/<2>/<30>              blob files, under the names that they have in the data folder

Names say what is in a file, and what is in it never changes: what is there already is not copied again, whichever backup
brought it, and a backup that was broken off goes on where it stopped. A file is there whole, or not at all.

The order makes it consistent. Blob files are held (see `still.hold`); then data.db is copied as it was at one moment;
then all files that this copy names, which nobody can have removed.
"""
