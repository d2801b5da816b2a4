"""Answers of the paths that change wires, and of those that keep and recall scenes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import TypeVar

from netctl.api import models
from netctl.api.body import LISTED
from netctl.api.problem import ProblemError, unknown
from netctl.api.route import Call, Reply
from netctl.controller.patching import Change, Outcome
from netctl.controller.scenes import difference
from netctl.policy import End, Wire
from netctl.policy.scene import BadScene

T = TypeVar("T")

DONE: Mapping[HTTPStatus, str] = {
    HTTPStatus.OK: "It is so: done now, or so already; or what a dry run would do.",
    HTTPStatus.ACCEPTED: "It is saved, and will be so as soon as what it waits for is there: `problems` says what.",
}
CREATED: Mapping[HTTPStatus, str] = {HTTPStatus.CREATED: "It was not there, and is there now."}

FAILURES: Mapping[str, HTTPStatus] = {
    "invalid": HTTPStatus.UNPROCESSABLE_ENTITY,
    "missing": HTTPStatus.NOT_FOUND,
    "refused": HTTPStatus.CONFLICT,
    "unsaved": HTTPStatus.INSUFFICIENT_STORAGE,
    "unready": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What becomes of a change, as a status."""

DETAILS: Mapping[str, str] = {
    "invalid": "the policy with it would be wrong",
    "missing": "there is no such wire",
    "refused": "a switch refused it, and all is as it was",
    "unsaved": "it could not be saved, and nothing was changed",
    "unready": "no policy is in force that could be changed",
}

CHANGE_FAILURES = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INSUFFICIENT_STORAGE,
)
SCENE_FAILURES = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)


def put_wire(call: Call) -> object:
    wire: Wire = call.body
    new = wire.name not in call.board.wires()
    return _carry_out(call, Change((wire,), (), call.flag("dry_run")), new)


def remove_wire(call: Call) -> object:
    return _carry_out(call, Change((), (call.path["name"],), call.flag("dry_run")))


def change_wires(call: Call) -> object:
    change: Change = call.body
    return _carry_out(call, Change(change.put, change.remove, call.flag("dry_run")))


def _carry_out(call: Call, change: Change, new: bool = False) -> Reply:
    dry_run, replace = change.dry_run, call.flag("replace", default=True)
    if not replace:
        _refuse_to_replace(call, change)
    outcome = call.board.change(change)
    if outcome.result in FAILURES:
        raise _failure(call, change, outcome)
    status = HTTPStatus.OK
    if outcome.result == "pending":
        status = HTTPStatus.ACCEPTED
    elif outcome.result == "done" and new and not dry_run:
        status = HTTPStatus.CREATED
    value = models.Changed(
        result=outcome.result,
        put=[wire.name for wire in change.put],
        removed=list(change.remove),
        steps=list(outcome.steps),
        problems=list(outcome.problems),
        saved=outcome.saved,
    )
    return Reply(status, value)


def _refuse_to_replace(call: Call, change: Change) -> None:
    now = call.board.wires()
    for wire in change.put:
        if wire.name in now and not call.board.has(wire):
            ends = " and ".join(map(_end, now[wire.name].ends))
            raise ProblemError(
                HTTPStatus.CONFLICT,
                f"a wire «{wire.name}» is there already, between {ends}: give this one another name, "
                "or say that it replaces that one",
            )


def _end(end: End) -> str:
    return end.port if end.vlan is None else f"{end.port} VLAN {end.vlan}"


def _failure(call: Call, change: Change, outcome: Outcome) -> ProblemError:
    if outcome.result == "missing":
        now = call.board.wires()
        gone = [name for name in change.remove if name not in now]
        if gone:
            return unknown("wire", gone[0], now)
    detail = DETAILS[outcome.result]
    if outcome.problems:
        more = f" (and {len(outcome.problems) - 1} more)" if len(outcome.problems) > 1 else ""
        detail = f"{detail}: {outcome.problems[0]}{more}"
    return ProblemError(FAILURES[outcome.result], detail, why=outcome.problems)


def list_scenes(call: Call) -> list[models.SceneName]:
    return [models.SceneName(name=name) for name in _kept(call.scenes.list)]


def read_scene(call: Call) -> models.Scene:
    return models.Scene(name=call.path["name"], wires=_wires(call))


def save_scene(call: Call) -> object:
    name = call.path["name"]
    wires: Collection[Wire] = call.board.wires().values() if call.body is None else call.body
    new = name not in _kept(call.scenes.list)
    try:
        call.scenes.save(name, wires)
    except BadScene as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the path: {error}") from None
    except OSError as error:
        raise ProblemError(
            HTTPStatus.INSUFFICIENT_STORAGE,
            f"{_reason(error)}; let the controller write to the policy's directory",
        ) from None
    return Reply(HTTPStatus.CREATED if new else HTTPStatus.OK, models.Saved(name=name, wires=len(wires), new=new))


def remove_scene(call: Call) -> models.SceneName:
    name = call.path["name"]
    _known(call)
    _kept(lambda: call.scenes.remove(name))
    return models.SceneName(name=name)


def load_scene(call: Call) -> object:
    change = difference(call.board, _wires(call)).as_change(call.flag("dry_run"))
    return _carry_out(call, change)


def compare_scene(call: Call) -> models.Difference:
    found = difference(call.board, _wires(call))
    return models.Difference(
        scene=call.path["name"],
        same=not (found.add or found.remove or found.change),
        add=list(found.add),
        remove=list(found.remove),
        change=[models.Exchange(now=now, then=then) for now, then in found.change],
    )


def _wires(call: Call) -> list[Wire]:
    _known(call)
    return list(_kept(lambda: call.scenes.load(call.path["name"])))


def _known(call: Call) -> None:
    name, names = call.path["name"], _kept(call.scenes.list)
    if name not in names:
        raise unknown("scene", name, names)


def _kept(act: Callable[[], T]) -> T:
    """What the scenes' place answers, its errors as problems."""
    try:
        return act()
    except FileNotFoundError:
        raise ProblemError(HTTPStatus.NOT_FOUND, "there is no such scene any more") from None
    except OSError as error:
        raise ProblemError(
            HTTPStatus.SERVICE_UNAVAILABLE, f"the scenes' directory cannot be used: {_reason(error)}"
        ) from None
    except ValueError as error:
        why = [str(each) for each in getattr(error, "problems", ())]
        raise ProblemError(HTTPStatus.CONFLICT, f"the scene that is kept is wrong: {error}", why=why[:LISTED]) from None


def _reason(error: OSError) -> str:
    if type(error).__str__ is not OSError.__str__:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
