"""What one event costs: Collab beside the conventional way and the machine's limit.

``python -m bench`` (or ``make bench``) measures everything, and ``python -m bench
editing history`` only those sections; each replaces its part of ``RESULTS.md`` and of
``results.json``. From the latter come the table of all (:mod:`bench.targets`) and the plots.

* ``fanout``: an event on many sockets, in three ways (see below), and the dashboard;
* ``storms``: many events at once;
* ``editors``: many editors that are open while nobody types;
* ``opening``: somebody opens a document;
* ``restart``: all pages come back;
* ``growth``: what an event costs as documents and pages grow;
* ``editing``: many people type at once, on SQLite and on PostgreSQL;
* ``merging``: what others notice while long texts are merged and compared;
* ``history``: the pages of a history of many versions;
* ``storage``: what the versions of a document cost to keep.

The section ``fanout`` measures three servers in turns, in one run: only one works at a
time, on a core of its own; the client has another.

* ``conventional``: what a Django developer would write: every consumer joins a
  group per topic, renders the template and sends (:mod:`bench.conventional`);
* ``ours``: the real product, ``manage.py serve``, with signed-in people on the
  dashboard (:mod:`bench.workspace`);
* ``limit``: one preframed ``send`` per socket, nothing else (:mod:`bench.limit`).

All three send the same fragment. Ratios travel from machine to machine; absolute
times do not.
"""
