"""Values and history on disk: blobs by content, a journal, and the seal that makes both trustworthy.

The write order is the whole argument for durability: a blob is synced, then the journal is committed, then the event
is published. What is read is verified first and decoded only then.
"""
