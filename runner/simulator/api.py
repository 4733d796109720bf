"""The API without HTTP: requests to replies. It checks path, method and key, and applies the switches."""

from __future__ import annotations

import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import orjson

from runner.simulator import lookups, refusals
from runner.simulator.api_keys import ApiKeys
from runner.simulator.chat import Chat, Clock
from runner.simulator.checks import parse
from runner.simulator.faults import parse_rates
from runner.simulator.gateway_faults import Echo, gateway_refusal
from runner.simulator.models import Catalogue
from runner.simulator.replies import CaptivePage, HtmlRefusal, Refusal, Reply, json_reply
from runner.simulator.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runner.simulator.delayed import DelayedReply
    from runner.simulator.options import Options

CHAT = "/v1/chat/completions"
DEFERRED = "/v1/chat/deferred-completion/"
TOKENIZE = "/v1/tokenize-text"
SWITCH = "/_switch"
BOOKS = "/_books"  # answered by the HTTP handler, in chunks: they may be large
REFUSING_ERRORS = (Refusal, RecursionError, orjson.JSONEncodeError)  # the last two: bodies nested too deeply
KEY_CARDS = {"/v1/api-key": lookups.key_card, "/v1/me": lookups.own_card}


class Request(NamedTuple):
    """An HTTP request. `headers` ignores the case of names; `path` has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Api:
    """All endpoints of one simulator, and its switches."""

    def __init__(self, options: Options, clock: Clock = time.monotonic) -> None:
        rates = parse_rates(options.faults)
        self.switches = Switches(
            rpm=options.rpm,
            tpm=options.tpm,
            rps=options.rps,
            announce_rpm=options.announce_rpm,
            announce_tpm=options.announce_tpm,
            headers=options.headers,
            median_s=options.median_s,
            skill=options.skill,
            shift=options.shift,
            fingerprint=options.fingerprint,
            faults=rates,
        )
        self._catalogue = Catalogue(keep_retired=options.keep_retired)
        self._keys = ApiKeys(options.keys, options.team)
        self.chat = Chat(options, self._catalogue, self.switches, clock)

    def handle(self, request: Request) -> Reply | DelayedReply:
        """Return the reply, or a function to call and await for it. Refusals are counted in the books."""
        if request.path == SWITCH:
            return self._switch(request)
        try:
            result = self._route(request)
        except REFUSING_ERRORS as error:
            return self._refused(request, error)
        return result if isinstance(result, Reply) else partial(self._await_reply, request, result)

    async def _await_reply(self, request: Request, delayed: DelayedReply) -> Reply:
        try:
            return await delayed()
        except REFUSING_ERRORS as error:
            return self._refused(request, error)

    def _route(self, request: Request) -> Reply | DelayedReply:
        path = request.path
        if self.switches.down and (self.switches.down != "posts" or request.method == "POST"):
            return self._down(path)
        if path == CHAT:
            _allow(request, "POST")
            return self.chat.submit(self._team(request), request.headers.get("Content-Type"), request.body)
        if path.startswith(DEFERRED):
            _allow(request, "GET")
            return self.chat.fetch(self._team(request), path[len(DEFERRED) :])
        return self._look_up(request)

    def _team(self, request: Request) -> str:
        return self._keys.team_of(request.headers.get("Authorization"), revoked=self.switches.key_revoked)

    def _look_up(self, request: Request) -> Reply:
        path = request.path
        if path == TOKENIZE:
            _allow(request, "POST")
            return self._tokenize(request, self._team(request))
        if path in KEY_CARDS and not (path == "/v1/api-key" and self.switches.key_endpoint_gone):
            _allow(request, "GET")
            team = self._team(request)
            return json_reply(KEY_CARDS[path](request.headers["Authorization"].split()[-1], team))
        place, _, slug = path.removeprefix("/v1/").partition("/")
        if not path.startswith("/v1/") or place not in lookups.MODEL_LISTS:
            raise Refusal(404, "not-found", f"There is no endpoint at {path}.")
        _allow(request, "GET")
        return self._models(place, slug, self._team(request))

    def _models(self, place: str, slug: str, team: str) -> Reply:
        cards, known = lookups.MODEL_LISTS[place], self._catalogue
        if not slug:
            listed = [model for model in (*known.models, *known.image_models) if type(model) in cards]
            found = [cards[type(model)](model) for model in listed]
            return json_reply({"object": "list", "data": found} if place == "models" else {"models": found})
        model = known.find(slug) or known.find_image_model(slug)
        if type(model) not in cards:
            raise refusals.no_such_model(slug, team)
        return json_reply(cards[type(model)](model))

    def _tokenize(self, request: Request, team: str) -> Reply:
        body = parse(request.headers.get("Content-Type"), request.body)
        for name in ("text", "model"):
            if not isinstance(body.get(name), str):
                raise Refusal(422, "invalid-argument", f"The field {name} is missing or no string.")
        if self._catalogue.find(body["model"]) is None:
            raise refusals.no_such_model(body["model"], team)
        return json_reply(lookups.token_list(body["text"]))

    def _switch(self, request: Request) -> Reply:
        if request.method == "POST":
            try:
                changes = orjson.loads(request.body)
                if not isinstance(changes, dict):
                    raise ValueError("the switches are a JSON object")  # noqa: TRY004, TRY301 - handled below
                self.switches.change(changes)
            except ValueError as error:
                return Refusal(400, "invalid-argument", str(error)).reply()
            self.chat.adopt_switches()
        return json_reply(asdict(self.switches))

    def _down(self, path: str) -> Reply:
        if self.switches.down == "reset":
            return Reply(delivery="reset")
        if self.switches.down == "page":
            raise CaptivePage
        if self.switches.down == "posts":
            raise HtmlRefusal(403, "", "Sorry, you have been blocked")
        if self.switches.down == "text":
            self.chat.books.faults["200_text"] += path == CHAT
            raise gateway_refusal("200_text")
        raise refusals.unavailable()

    def _refused(self, request: Request, error: Exception) -> Reply:
        path, refusal = request.path, error if isinstance(error, Refusal) else _too_deep()
        if isinstance(refusal, Echo):
            refusal.repeated = f"{request.headers.get('Authorization')} {self.switches.echo}".rstrip()
        books = self.chat.books
        if path == CHAT:
            books.refused[str(refusal.status)] += 1
        elif path.startswith(DEFERRED):
            books.polls_refused[str(refusal.status)] += 1
        return refusal.reply()


def _too_deep() -> Refusal:
    return Refusal(400, "invalid-argument", "The request body is nested too deeply.")


def _allow(request: Request, method: str) -> None:
    if request.method != method:
        raise Refusal(405, "invalid-argument", f"{request.method} is not allowed here, only {method}.")
