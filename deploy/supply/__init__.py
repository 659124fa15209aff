"""The supply chain: what Collab is made of, under which licences, and whether known
vulnerabilities are in it. ``make lock``, ``make licences``, ``make sbom`` and ``make
audit`` run it; Collab itself does not need it.
"""
