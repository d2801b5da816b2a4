"""The difference between what is wanted and what was found."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from netctl.plan.model import Change, Collision, Found, Item, Plan, Step, T, Wanted

NOT_THERE = "not there"
NOT_WANTED = "netctl made it and the policy no longer asks for it"


def changes(before: Item, after: Item) -> tuple[Change, ...]:
    """The facts of `after` that `before` does not have. A fact that `after` leaves out does not count."""
    found = before.facts()
    return tuple(
        Change(name, found.get(name), value)
        for name, value in after.facts().items()
        if found.get(name) != value
    )


def delta(
    wanted: Iterable[Wanted[T]],
    found: Iterable[Found[T]],
    order: Sequence[str] = (),
    why_not: Callable[[T], str] = lambda _: NOT_WANTED,
    identity: Callable[[T], Hashable] = lambda item: item.key,
) -> Plan[T]:
    """The plan from `found` to `wanted`.

    `order` lists kinds (the first part of a key) in the order in which they are made: a namespace before the
    veth that ends in it. Removals come first and in the reverse order, so that names are free when they are
    needed. What is ours and not wanted goes; what is not ours is never touched: where it differs from what is
    wanted under the same key it becomes a collision, where it is the same it is left to its owner.
    What `stays` as it is makes no step; it is a collision where it says why it cannot be as it is wanted.
    `why_not` gives the reason for a removal; `identity` what two items have in common that are the same thing,
    for items whose key takes long to say.
    """
    rank = {kind: number for number, kind in enumerate(order)}
    there = {identity(each.item): each for each in found}
    removes: list[Step[T]] = []
    makes: list[Step[T]] = []
    collisions: list[Collision] = []
    seen: set[Hashable] = set()
    for want in wanted:
        key = identity(want.item)
        seen.add(key)
        have = there.get(key)
        if have is None:
            makes.append(Step("add", f"{NOT_THERE}; {want.why}", None, want.item))
            continue
        if have.stays is not None:
            if have.stays:
                collisions.append(Collision(want.item.key, want.why, said=have.stays))
            continue
        differs = () if have.item == want.item else changes(have.item, want.item)
        if not differs:
            continue
        if not have.ours:
            collisions.append(Collision(want.item.key, want.why, differs))
            continue
        fixed = any(change.fact in want.item.fixed for change in differs)
        makes.append(
            Step("replace" if fixed else "change", want.why, have.item, want.item, differs)
        )
    for key, have in there.items():
        if key not in seen and have.ours:
            removes.append(Step("remove", why_not(have.item), have.item, None))

    def by_rank(step: Step[T]) -> int:
        return rank.get(step.key[0], len(rank))

    if rank:
        removes.sort(key=by_rank, reverse=True)
        makes.sort(key=by_rank)
    return Plan(tuple(removes + makes), tuple(collisions))
