"""What `netctl wire` and `netctl scene` share: asking for a change, and telling what became of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import click

from netctl.cli.remote import DEFAULT_URL, Answer, NoToken, Unreachable, ask, is_url, token_for

P = ParamSpec("P")

FAILED, BAD_INPUT = 1, 2
Json = dict[str, Any]


def asks(function: Callable[P, None]) -> Callable[P, None]:
    """Gives a command --url and --json, and says in plain words why nobody answers."""

    @click.option(
        "--url",
        default=DEFAULT_URL,
        show_default=True,
        envvar="NETCTL_URL",
        callback=_url,
        help="Where the controller's REST API is.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, as the REST API answers.")
    @wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Unreachable as error:
            end(str(error), FAILED)
        except NoToken as error:
            end(str(error), BAD_INPUT)
        except (KeyError, TypeError) as error:
            end(f"what answers is not of this version of netctl ({type(error).__name__}: {error})", FAILED)

    return command


def request(
    url: str,
    as_json: bool,
    method: str,
    path: str,
    body: Any = None,
    query: Mapping[str, str] | None = None,
) -> Any:
    """The body of a good answer; ends the program with what a bad one says: 2 for input that is wrong, else 1."""
    answer = ask(url, method, path, body, query, _token(url) if method != "GET" else "")
    if as_json:
        click.echo(json.dumps(answer.body, indent=2, ensure_ascii=False))
    if not answer.good:
        end("\n".join(_problem(answer)), BAD_INPUT if 400 <= answer.status < 500 else FAILED)
    return answer.body


def _token(url: str) -> str:
    try:
        return token_for(url)
    except NoToken:
        ask(url, "GET", "/healthz")
        raise


def _url(_: click.Context, param: click.Parameter, value: str) -> str:
    if not is_url(value):
        raise click.BadParameter(f"{value!r} is not a URL such as {DEFAULT_URL}", param=param)
    return value


def end(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


def tell(changed: Json, what: str) -> None:
    """Say what became of a change: a line in short, a line for each step, what it waits for, where it was written."""
    result = changed["result"]
    click.echo(f"{what}: {_RESULTS[result]}")
    for step in changed["steps"]:
        click.echo(f"  {step}")
    for problem in changed["problems"]:
        click.echo(f"waits for: {problem}")
    if changed["saved"]:
        click.echo(f"{'would be written' if result == 'planned' else 'written'} to {changed['saved']}")


_RESULTS = {
    "done": "done",
    "unchanged": "it is so already, nothing to do",
    "planned": "this would be done; nothing was touched",
    "pending": "saved, and in force as soon as what it waits for is there",
}


def _problem(answer: Answer) -> list[str]:
    """What a refusal says, and what else there is to know."""
    body = answer.body
    mistakes = [f"{each['pointer'][1:]}: {each['detail']}".removeprefix(": ") for each in body.get("errors", ())]
    more = [*mistakes, *body.get("why", ())]
    return [str(body["detail"]), *(f"  {line}" for line in more if len(more) > 1)]
