"""Replies of what stands before the API, selectable by name only: the request did not reach it.

522, 523, 524, 525, 526, 530    an HTML page of Cloudflare with this status
404_detail, 404_text, 404_page, 404_empty   a 404 of another server: JSON, plain text, a page, no body
200_text, 200_status, 200_empty             a 200 that is no page: plain text, {"status":"ok"}, no body
echo_400, echo_403, echo_500, echo_page, echo_text   it repeats the key of the request, and the switch
                `echo`: in an error as JSON with this status, in a page with 200, in plain text with 200
model-words     the API itself refuses a submit: 400, an image that its model could not fetch
418             the API itself refuses a submit, with a status and a code that no page of it names
"""

from __future__ import annotations

from typing import Final

from runner.simulator.replies import JSON, HtmlRefusal, Refusal, Reply

CLOUDFLARE: Final = {
    "522": "Connection timed out",
    "523": "Origin is unreachable",
    "524": "A timeout occurred",
    "525": "SSL handshake failed",
    "526": "Invalid SSL certificate",
    "530": "Origin DNS error",
}
OTHER_SERVERS: Final[dict[str, tuple[int, str, bytes]]] = {
    "404_detail": (404, "application/json", b'{"detail":"Not Found"}'),
    "404_text": (404, "text/plain", b"404 page not found\n"),
    "404_page": (
        404,
        "text/html",
        b"<html><head><title>404 Not Found</title></head><body>nginx</body></html>",
    ),
    "404_empty": (404, "text/plain", b""),
    "200_text": (200, "text/plain", b"Please accept the terms of this network."),
    "200_status": (200, "application/json", b'{"status":"ok"}'),
    "200_empty": (200, "text/plain", b""),
}
ECHOES: Final = {"echo_400": 400, "echo_403": 403, "echo_500": 500, "echo_page": 200, "echo_text": 200}
# Of the faults of faults.py that a server refuses with one reply.
REFUSALS_BY_FAULT: dict[str, tuple[type[Refusal], int, str, str]] = {
    "409": (Refusal, 409, "conflict", "The request conflicts with another one. Please try again."),
    "418": (Refusal, 418, "unlisted", "The request was refused."),
    "425": (Refusal, 425, "too-early", "The request came too early. Please try again."),
    "499": (Refusal, 499, "cancelled", "The request was closed before it was processed."),
    "520": (HtmlRefusal, 520, "", "Web server is returning an unknown error"),
    "521": (HtmlRefusal, 521, "", "Web server is down"),
    "529": (Refusal, 529, "overloaded", "The service is overloaded. Please try again later."),
    "403_page": (HtmlRefusal, 403, "", "Sorry, you have been blocked"),
    "200_page": (HtmlRefusal, 200, "", "Log in to the guest network"),
}
MODEL_WORDS: Final = "model-words"
UNKNOWN_CODE: Final = "418"
BY_THE_API: Final = (MODEL_WORDS, UNKNOWN_CODE)  # of submits
BEFORE_THE_API: Final = (*CLOUDFLARE, *OTHER_SERVERS, *ECHOES)  # of submits and fetches
GATEWAY_KINDS: Final = (*BEFORE_THE_API, *BY_THE_API)


class OtherServer(Refusal):
    """A reply of another server, sent as it is."""

    def __init__(self, status: int, content_type: str, body: bytes) -> None:
        super().__init__(status, "", "another server replies")
        self._content_type, self._body = content_type, body

    def reply(self) -> Reply:
        """Return the reply."""
        return Reply(status=self.status, body=self._body, headers={"content-type": self._content_type})


class Echo(Refusal):
    """A reply that repeats what the request brought: set `repeated` before `reply`."""

    repeated = ""

    def __init__(self, kind: str) -> None:
        super().__init__(ECHOES[kind], "bad-gateway", f"The gateway does not take this request ({kind})")
        self._kind = kind

    def reply(self) -> Reply:
        """Return the reply with `repeated` in it."""
        said = f"{self}: {self.repeated}"
        if self._kind == "echo_page":
            page = f"<!DOCTYPE html><html><head><title>{said}</title></head><body>{said}</body></html>"
            return Reply(status=self.status, body=page.encode(), headers={"content-type": "text/html"})
        if self._kind == "echo_text":
            return Reply(status=self.status, body=said.encode(), headers=JSON)
        return Refusal(self.status, self.code, said).reply()


def gateway_refusal(kind: str) -> Refusal:
    """Return the refusal of a kind of GATEWAY_KINDS."""
    if kind in CLOUDFLARE:
        return HtmlRefusal(int(kind), "", CLOUDFLARE[kind])
    if kind in OTHER_SERVERS:
        return OtherServer(*OTHER_SERVERS[kind])
    if kind in ECHOES:
        return Echo(kind)
    return Refusal(400, "invalid-argument", "Image could not be fetched by the model: URL not found")
