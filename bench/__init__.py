"""What one event costs: Collab beside the conventional way and the machine's limit.

``python -m bench`` (or ``make bench``) measures three servers in turns, in one
run: only one works at a time, on a core of its own; the client has another.

* ``conventional``: what a Django developer would write: every consumer joins a
  group per topic, renders the template and sends (:mod:`bench.conventional`);
* ``ours``: the real product, ``manage.py serve``, with signed-in people on the
  dashboard (:mod:`bench.workspace`);
* ``limit``: one preframed ``send`` per socket, nothing else (:mod:`bench.limit`).

All three send the same fragment. Ratios travel from machine to machine; absolute
times do not.
"""
