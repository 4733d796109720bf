"""What becomes of fields that several services have, and what their loss may change in the answers."""

from __future__ import annotations

from typing import Final

AS_FIRST_MESSAGE: Final = "sent as the first message, of the role system"
CACHED: Final = "xAI caches equal beginnings of prompts by itself"
DEFAULT_REASONING: Final = "the model reasons as much as it does by default"
NO_EARLIER_REASONING: Final = "the model does not see its earlier reasoning"
NO_LOGPROBS: Final = "answers have no probabilities of their tokens"
NOT_OF_FUNCTIONS: Final = "xAI's functions do not have it"
OF_ANY_LENGTH: Final = "answers may be longer or shorter; ask for their length in the prompt"
OTHER_VERSION: Final = "it names a version of the other service"
OWN_ADDRESS: Final = "the key and the address are settings of runner"
UNKNOWN_FIELD: Final = "the API does not know the field; it would ignore it"
