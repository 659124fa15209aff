"""What the pages that hold a lease have in common, whichever lease it is."""

from __future__ import annotations

from collections.abc import Callable, Collection

from .. import queries
from ..models import Lease, Person
from ..subjects import Claim


def keeps(
    person: Person,
    lease: Lease,
    fence: int,
    renew: Callable[[Collection[tuple[int, int]]], None],
) -> bool:
    """Does the person hold it under this fence, as a reload shows it (or the redirect
    after taking)? Then it lasts for a whole time from now."""
    if lease.holder_id != person.pk or lease.fence != fence:
        return False
    renew([(lease.pk, fence)])
    return True


def bring(
    person: Person,
    lease: Lease,
    claimed: Callable[[Claim], int],
    move: Callable[[int, int], int | None],
) -> int | None:
    """The person's own lease, if the page that had it is no longer there.

    Args:
        claimed: the lease's fence in a page's claim.
        move: brings it here; gives the new fence.
    """
    if lease.holder_id != person.pk:
        return None
    here = queries.claims(person.pk, lease.pk)
    if any(claimed(claim) == lease.fence for claim in here):
        return None
    return move(lease.pk, person.pk)
