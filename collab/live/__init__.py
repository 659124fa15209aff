"""Live regions for Django: server-rendered fragments that stay current.

The whole story in five sentences. A page is ordinary HTML; ``{% live %}``
makes a part of it a *region*. An operation writes to the database and names
the *topics* it touched with :func:`~collab.live.topics.changed`. After commit
the *bus* carries those names to every server process. Each process has one
*hub*, which renders the current state of every dirty region once and hands the
same bytes to every socket that shows it. When a page (re)connects, it says which
version of each region it has, and gets only what differs.

Read next: :mod:`collab.live.regions`, then :mod:`collab.live.hub`.
"""
