"""The only writers and the only publishers.

Operations are plain functions with plain arguments: they know of no request,
check no permission (the lookups in :mod:`collab.permissions` have done so), run
in one transaction each, and name the topics they touched.
"""
